import { type CostRange, checkPrices, type Prices, type UseScenario } from './reservation.ts';

/** Work that need not run at once, as a share of the use at each step. */
export interface Deferrable {
  /** 0 to 1. */
  readonly share: number;
  /** Steps that it may wait. Work of the last steps has to be done within the horizon. */
  readonly delaySteps: number;
}

export interface DeferralInput {
  /** As for a reservation. */
  readonly scenarios: readonly UseScenario[];
  readonly prices: Prices;
  readonly stepHours: number;
  readonly deferrable: Deferrable;
}

export interface DeferralAdvice {
  /** The highest use on the median path, and the lowest that it can be made by waiting. */
  readonly peak: { readonly now: number; readonly deferred: number };
  /** The cheapest number of units to reserve, and what the horizon costs with it. */
  readonly reserved: { readonly level: number; readonly cost: CostRange };
  /** Where only what is paid by the hour matters: without a reservation waiting saves nothing. */
  readonly isOfUse: boolean;
}

/**
 * What it would save to let some work wait for hours in which reserved units idle. Work is taken to be such that it can
 * be split and stopped at will; work that waited longest runs first; what may wait no longer runs on demand.
 */
export function adviseDeferral({ scenarios, prices, stepHours, deferrable }: DeferralInput): DeferralAdvice {
  checkPrices(prices);
  const middle = scenarios.reduce((best, one) => (distance(one) < distance(best) ? one : best));
  const hours = middle.used.length * stepHours;
  const costOf = (used: Float64Array, level: number) =>
    hours * prices.reserved * level + prices.onDemand * stepHours * sum(runWithin(used, level, deferrable).beyond);
  const costs = (level: number): CostRange => ({
    expected: scenarios.reduce((total, { used, weight }) => total + weight * costOf(used, level), 0),
    low: costOf(scenarios[0]!.used, level),
    high: costOf(scenarios.at(-1)!.used, level),
  });
  const level = lowestOf(
    Math.ceil(Math.max(...scenarios.map(({ used }) => highest(used)))),
    (at) => costs(at).expected,
  );
  return {
    peak: { now: highest(middle.used), deferred: flattenedPeak(middle.used, deferrable) },
    reserved: { level, cost: costs(level) },
    isOfUse: prices.reserved < prices.onDemand,
  };
}

function distance({ quantile }: UseScenario): number {
  return Math.abs(quantile - 0.5);
}

export interface Run {
  /** Use in each step after waiting, and the part of it beyond the level. */
  readonly used: Float64Array;
  readonly beyond: Float64Array;
}

/** Runs what cannot wait at once, and the rest where the level has room, or when it may wait no longer. */
export function runWithin(used: Float64Array, level: number, { share, delaySteps }: Deferrable): Run {
  const steps = used.length;
  const after = new Float64Array(steps);
  const beyond = new Float64Array(steps);
  /** What still waits, by the step in which it came; nothing waits before `first`. */
  const waiting = Float64Array.from(used, (use) => share * use);
  let first = 0;
  for (let t = 0; t < steps; t++) {
    const fixed = used[t]! - share * used[t]!;
    let room = Math.max(0, level - fixed);
    let ran = 0;
    for (; first <= t; first++) {
      const part = Math.min(room, waiting[first]!);
      waiting[first]! -= part;
      room -= part;
      ran += part;
      const isDue = first + delaySteps <= t || t === steps - 1;
      if (waiting[first]! > 0 && !isDue) break;
      beyond[t]! += waiting[first]!;
      ran += waiting[first]!;
      waiting[first] = 0;
    }
    after[t] = fixed + ran;
    beyond[t]! += Math.max(0, fixed - level);
  }
  return { used: after, beyond };
}

/** The lowest level within which all can run, to a millionth of the highest use. */
export function flattenedPeak(used: Float64Array, deferrable: Deferrable): number {
  let high = highest(used);
  let low = high * (1 - deferrable.share);
  const spare = high * 1e-9;
  for (let round = 0; round < 40 && high - low > high * 1e-6; round++) {
    const level = (low + high) / 2;
    if (sum(runWithin(used, level, deferrable).beyond) <= spare) high = level;
    else low = level;
  }
  return high;
}

/** Of a convex cost of whole levels, the first of the cheapest. */
function lowestOf(most: number, costOf: (level: number) => number): number {
  let [low, high] = [0, most];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [here, next] = [costOf(middle), costOf(middle + 1)];
    // Sums of floats: what is saved has to be more than their error.
    if (next < here - 1e-9 * Math.abs(here)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function highest(used: Float64Array): number {
  return used.reduce((most, use) => Math.max(most, use), 0);
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}
