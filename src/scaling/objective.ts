import { DAY, MINUTE, type Millis } from '../model/time.ts';

/** Of the peak, beside the policy's own: what an objective chooses among. */
export const TAIL_QUANTILES: readonly number[] = [0.5, 0.8, 0.9, 0.95, 0.975, 0.99];

/** How many minutes over capacity a policy accepts. */
export interface Objective {
  readonly overCapacityMs: number;
  readonly periodMs: number;
}

/** How long demand was above what ran, this month so far. Plain JSON: it is part of a plan's input. */
export interface ShortSoFar {
  readonly monthStart: Millis;
  readonly monthEnd: Millis;
  readonly overMs: number;
}

export interface ChosenQuantile {
  readonly quantile: number;
  readonly peak: number;
  /** Share of the time that may be over capacity from now on, 0 to 1. */
  readonly share: number;
}

/** What was used up, or was not, moves the share by this factor at most: a month must not be decided by one bad day. */
const MOST_CORRECTION = 8;
/** Nothing below the median is a plan, and beyond 0.99 the forecast is not calibrated. */
const LOWEST = 0.5;
const HIGHEST = 0.99;

/**
 * The lowest quantile of the peak that keeps the objective.
 *
 * Being short costs c per minute and an idle replica one: the least cost is where a moment is short with probability
 * 1 / (1 + c) (the newsvendor's critical ratio). An objective states that probability, a, instead of the cost, which it
 * implies: c = 1 / a - 1. A moment is short only if the largest demand of its window is above what the floor's replicas
 * carry when full, which is the planned peak over `fill`: so the plan needs `fill` times the (1 - a) quantile of the
 * peak. That counts the whole window as short where its peak is, which errs on the safe side; what was really short
 * this month corrects it, both ways.
 *
 * @param quantiles Of the peak, ascending in both; at least two are needed for a tail.
 * @returns Undefined where there is no tail to choose from.
 */
export function chooseQuantile(
  quantiles: readonly { readonly quantile: number; readonly value: number | null }[],
  { objective, fill, soFar, now }: ObjectiveInput,
): ChosenQuantile | undefined {
  const known = quantiles.filter(
    (entry): entry is { quantile: number; value: number } =>
      entry.value !== null && Number.isFinite(entry.value) && entry.quantile >= LOWEST && entry.quantile < 1,
  );
  if (known.length < 2) return undefined;
  const share = allowedShare(objective, soFar, now);
  const wanted = fill * valueAt(known, 1 - share);
  const quantile = Math.min(HIGHEST, Math.max(LOWEST, quantileAt(known, wanted)));
  return { quantile, peak: Math.max(0, valueAt(known, quantile)), share };
}

export interface ObjectiveInput {
  readonly objective: Objective;
  readonly fill: number;
  readonly soFar: ShortSoFar | undefined;
  readonly now: Millis;
}

/** What is left of the month's minutes, over what is left of the month. */
export function allowedShare(
  { overCapacityMs, periodMs }: Objective,
  soFar: ShortSoFar | undefined,
  now: Millis,
): number {
  const share = Math.min(0.5, Math.max(MINUTE / (365 * DAY), overCapacityMs / periodMs));
  if (soFar === undefined) return share;
  const leftMs = Math.max(DAY, soFar.monthEnd - now);
  const unused = (share * (soFar.monthEnd - soFar.monthStart) - soFar.overMs) / leftMs;
  return Math.min(0.5, Math.max(share / MOST_CORRECTION, Math.min(share * MOST_CORRECTION, unused)));
}

type Tail = readonly { readonly quantile: number; readonly value: number }[];

/** Between quantiles, and beyond the last, the tail is exponential: heavier than a normal one. */
function depth(quantile: number): number {
  return -Math.log(1 - quantile);
}

function valueAt(tail: Tail, quantile: number): number {
  const [from, to] = sideOf(tail, (entry) => entry.quantile >= quantile);
  const part = (depth(quantile) - depth(from.quantile)) / (depth(to.quantile) - depth(from.quantile));
  return from.value + part * (to.value - from.value);
}

function quantileAt(tail: Tail, value: number): number {
  const [from, to] = sideOf(tail, (entry) => entry.value >= value);
  if (!(to.value > from.value)) return value <= from.value ? from.quantile : HIGHEST;
  const part = (value - from.value) / (to.value - from.value);
  return 1 - Math.exp(-(depth(from.quantile) + part * (depth(to.quantile) - depth(from.quantile))));
}

/** The two entries around the first that is far enough; the outermost two where none is, or the first is. */
function sideOf(tail: Tail, isEnough: (entry: Tail[number]) => boolean): readonly [Tail[number], Tail[number]] {
  const found = tail.findIndex(isEnough);
  const to = found === -1 ? tail.length - 1 : Math.max(1, found);
  return [tail[to - 1]!, tail[to]!];
}
