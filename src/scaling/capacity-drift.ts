import { HOUR, type Millis } from '../model/time.ts';
import type { CapacityPairs } from './capacity-pairs.ts';

export interface Regime {
  /** The first pair of it: from here on a replica carries what it carries now. */
  readonly from: number;
  readonly since: Millis;
  /** Now over before; left out where nothing changed. */
  readonly ratio?: number;
}

/** A change is looked for between blocks: pairs next to each other are alike for reasons of their own. */
const BLOCK_MS = HOUR;
const LEAST_BLOCKS = 4;
/** Pairs of before that are comparable with those of now. */
const LEAST_ALIKE = 12;
const LEAST_CHANGE = 0.15;
/** Standard errors. The largest of some hundred places is looked at, so that 3 would be chance. */
const EVIDENT = 6;
/** Releases that one week may have. */
const MOST_CHANGES = 4;

/** The pairs' last stretch without a change of the slope. Ascending in time, not empty. */
export function newestRegime(all: CapacityPairs): Regime {
  const rest = utilizationAtRest(all);
  const pairs = { ...all, utilizations: all.utilizations.map((value) => value - rest) };
  let from = 0;
  let ratio: number | undefined;
  for (let i = 0; i < MOST_CHANGES; i++) {
    const change = changeIn(pairs, from);
    if (change === undefined) break;
    ({ from, ratio } = change);
  }
  return { from, since: pairs.times[from]!, ...(ratio !== undefined && { ratio }) };
}

/**
 * What replicas do without a load: the constant of an ordinary regression, as far as it is plausible. With it in, the
 * slope of a quiet night is another one than that of the day, and each evening would be a change.
 */
function utilizationAtRest({ loads, utilizations }: CapacityPairs): number {
  const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value / values.length, 0);
  const [load, utilization] = [mean(loads), mean(utilizations)];
  let [both, squares] = [0, 0];
  for (let i = 0; i < loads.length; i++) {
    both += (loads[i]! - load) * (utilizations[i]! - utilization);
    squares += (loads[i]! - load) ** 2;
  }
  const constant = squares > 0 ? utilization - (both / squares) * load : 0;
  return Math.min(Math.max(0, constant), utilization / 2);
}

interface Block {
  readonly first: number;
  xu: number;
  xx: number;
}

/** The most evident change from `from` on. */
function changeIn(pairs: CapacityPairs, from: number): { readonly from: number; readonly ratio: number } | undefined {
  const blocks = blocksOf(pairs, from);
  let best = { gain: 0, at: -1 };
  const all = sumOf(blocks);
  let [xu, xx] = [0, 0];
  for (let i = 1; i < blocks.length; i++) {
    xu += blocks[i - 1]!.xu;
    xx += blocks[i - 1]!.xx;
    if (i < LEAST_BLOCKS || blocks.length - i < LEAST_BLOCKS) continue;
    const gain = xu ** 2 / xx + (all.xu - xu) ** 2 / (all.xx - xx) - all.xu ** 2 / all.xx;
    if (gain > best.gain) best = { gain, at: i };
  }
  if (best.at === -1) return undefined;
  const split = blocks[best.at]!.first;
  const after = blocks.slice(best.at);
  const before = blocksOf(pairs, from, split, comparable(pairs, from, split));
  if (before.length < LEAST_BLOCKS) return undefined;
  const [old, now] = [slopeAndError(before), slopeAndError(after)];
  const isEvident = Math.abs(now.slope - old.slope) > EVIDENT * Math.hypot(old.error, now.error);
  // Twice the utilization for the same load is half the capacity.
  const ratio = old.slope / now.slope;
  return isEvident && Math.abs(ratio - 1) > LEAST_CHANGE ? { from: split, ratio } : undefined;
}

/** Pairs of before with a load, or a utilization, as there is now: others may differ since no line is quite straight. */
function comparable({ loads, utilizations }: CapacityPairs, from: number, split: number): (i: number) => boolean {
  const range = (values: Float64Array) => {
    const sorted = values.slice(split).sort();
    return [sorted[Math.floor(0.05 * sorted.length)]!, sorted[Math.floor(0.95 * (sorted.length - 1))]!] as const;
  };
  const [leastLoad, mostLoad] = range(loads);
  const [leastBusy, mostBusy] = range(utilizations);
  const isAlike = (i: number) =>
    (loads[i]! >= leastLoad && loads[i]! <= mostLoad) ||
    (utilizations[i]! >= leastBusy && utilizations[i]! <= mostBusy);
  let count = 0;
  for (let i = from; i < split; i++) if (isAlike(i)) count++;
  return count < LEAST_ALIKE ? () => false : isAlike;
}

function blocksOf(
  { times, loads, utilizations }: CapacityPairs,
  from: number,
  to = times.length,
  isKept: (i: number) => boolean = () => true,
): readonly Block[] {
  const blocks: Block[] = [];
  let end = Number.NEGATIVE_INFINITY;
  for (let i = from; i < to; i++) {
    if (!isKept(i)) continue;
    if (times[i]! >= end) {
      blocks.push({ first: i, xu: 0, xx: 0 });
      end = (Math.floor(times[i]! / BLOCK_MS) + 1) * BLOCK_MS;
    }
    const block = blocks.at(-1)!;
    block.xu += loads[i]! * utilizations[i]!;
    block.xx += loads[i]! ** 2;
  }
  return blocks;
}

function sumOf(blocks: readonly Block[]): { readonly xu: number; readonly xx: number } {
  return blocks.reduce((sum, { xu, xx }) => ({ xu: sum.xu + xu, xx: sum.xx + xx }), { xu: 0, xx: 0 });
}

/** The standard error is that of a ratio of sums over independent blocks. */
function slopeAndError(blocks: readonly Block[]): { readonly slope: number; readonly error: number } {
  const { xu, xx } = sumOf(blocks);
  const slope = xu / xx;
  const squares = blocks.reduce((sum, block) => sum + (block.xu - slope * block.xx) ** 2, 0);
  return { slope, error: (Math.sqrt(squares) / xx) * Math.sqrt(blocks.length / (blocks.length - 1)) };
}
