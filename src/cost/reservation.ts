/** A way that use may go, and how much it counts. */
export interface UseScenario {
  /** 0 to 1: at each step, use stays at or below this path with this probability. */
  readonly quantile: number;
  /** 0 to 1; those of all scenarios add up to 1. */
  readonly weight: number;
  /** Units in use in each step, zero or more; a mean of the step need not be whole. */
  readonly used: Float64Array;
}

export interface Prices {
  /** Of one unit in one hour, above zero. */
  readonly onDemand: number;
  /** Paid for each reserved unit and hour, in use or not. Zero or more. */
  readonly reserved: number;
}

export interface ReservationInput {
  /** Ascending by quantile, all of the same length, one at least. */
  readonly scenarios: readonly UseScenario[];
  readonly prices: Prices;
  /** Length of a step. */
  readonly stepHours: number;
  /** What is reserved now, where it is known: a whole number. */
  readonly held?: number;
}

/** What the whole horizon costs. */
export interface CostRange {
  /** The mean over the scenarios. */
  readonly expected: number;
  /** If use took the lowest path throughout, and the highest: wider than any one future. */
  readonly low: number;
  readonly high: number;
}

export interface ReservationAdvice {
  /** Whole units. None beside it costs less. */
  readonly level: number;
  /** A unit pays from this share of the time on that it is in use: the reserved price over the other. */
  readonly breakEven: number;
  /** Of the reserved units together, 0 to 1; null where none is advised. */
  readonly utilization: number | null;
  /** How much the last unit within, and the first beyond the level are in use. The first is null where there is none. */
  readonly lastUnit: number | null;
  readonly nextUnit: number;
  readonly cost: CostRange;
  readonly withoutReservation: CostRange;
  /** With what is reserved now; null where it is not known. */
  readonly asHeld: CostRange | null;
  /** The level that would be the cheapest if use took this path throughout. */
  readonly levels: readonly { readonly quantile: number; readonly level: number }[];
  /** Ascending by level; the best, its neighbours and some of all levels up to the highest use. */
  readonly curve: readonly (CostRange & { readonly level: number })[];
  /** The duration curve: how much each unit is in use, 0 to 1, the first first, as it is expected. */
  readonly duration: Float64Array;
  readonly hours: number;
}

/** Points of the cost curve beside those around the best. */
const CURVE_POINTS = 24;

/**
 * The number of units to reserve that makes the whole cost the least (the newsvendor's problem).
 *
 * Costs add up over time, so their mean needs no more than how use is distributed at each step: that is the duration
 * curve of all scenarios, and the level is where it falls below the break-even.
 *
 * @throws {RangeError} If there is no scenario or no step, or a price is not what it has to be.
 */
export function adviseReservation({ scenarios, prices, stepHours, held }: ReservationInput): ReservationAdvice {
  const steps = scenarios[0]?.used.length ?? 0;
  if (steps === 0) throw new RangeError('scenarios must have one step at least');
  checkPrices(prices);
  const breakEven = prices.reserved / prices.onDemand;
  const paths = scenarios.map(({ used }) => durationCurve(used));
  const units = Math.max(...paths.map(({ length }) => length));
  const expected = new Float64Array(units);
  for (const [i, path] of paths.entries()) {
    for (const [k, share] of path.entries()) expected[k]! += share * scenarios[i]!.weight;
  }
  const hours = steps * stepHours;
  const costOf = costReader([expected, paths[0]!, paths.at(-1)!], prices, hours);
  const level = unitsWorth(expected, breakEven);
  let inUse = 0;
  for (let k = 0; k < level; k++) inUse += expected[k]!;
  return {
    level,
    breakEven,
    utilization: level === 0 ? null : inUse / level,
    lastUnit: level === 0 ? null : expected[level - 1]!,
    nextUnit: expected[level] ?? 0,
    cost: costOf(level),
    withoutReservation: costOf(0),
    asHeld: held === undefined ? null : costOf(held),
    levels: scenarios.map(({ quantile }, i) => ({ quantile, level: unitsWorth(paths[i]!, breakEven) })),
    curve: levelsToShow(level, units).map((one) => ({ level: one, ...costOf(one) })),
    duration: expected,
    hours,
  };
}

/** @throws {RangeError} If a price is not what it has to be. */
export function checkPrices({ onDemand, reserved }: Prices): void {
  if (!(onDemand > 0)) throw new RangeError(`the price on demand must be above zero, got ${onDemand}`);
  if (!(reserved >= 0)) throw new RangeError(`the reserved price must be zero or more, got ${reserved}`);
}

/**
 * How much of the time each unit is in use, 0 to 1, the first unit first. It never rises.
 * @throws {RangeError} If a use is negative or not a number.
 */
export function durationCurve(used: Float64Array): Float64Array {
  let most = 0;
  for (const use of used) {
    if (!(use >= 0 && use < 1e7)) throw new RangeError(`use must be a number from 0 to ten million, got ${use}`);
    most = Math.max(most, use);
  }
  const units = Math.ceil(most);
  /** How many steps use all of the first k units and none beyond, and the parts of units. */
  const whole = new Float64Array(units + 1);
  const parts = new Float64Array(units + 1);
  for (const use of used) {
    const full = Math.floor(use);
    whole[full]! += 1;
    parts[full]! += use - full;
  }
  const curve = new Float64Array(units);
  let above = 0;
  for (let k = units - 1; k >= 0; k--) {
    above += whole[k + 1]!;
    curve[k] = Math.min(1, (above + parts[k]!) / used.length);
  }
  return curve;
}

/** A unit that just breaks even changes nothing: it is not reserved. */
function unitsWorth(curve: Float64Array, breakEven: number): number {
  let level = 0;
  while (level < curve.length && curve[level]! > breakEven) level++;
  return level;
}

function costReader(curves: readonly Float64Array[], { onDemand, reserved }: Prices, hours: number) {
  /** `beyond[k]`: units in use beyond the first k, as a mean. */
  const beyond = curves.map((curve) => {
    const sums = new Float64Array(curve.length + 1);
    for (let k = curve.length - 1; k >= 0; k--) sums[k] = sums[k + 1]! + curve[k]!;
    return sums;
  });
  return (level: number): CostRange => {
    const [expected, low, high] = beyond.map((sums) => hours * (reserved * level + onDemand * (sums[level] ?? 0)));
    return { expected: expected!, low: low!, high: high! };
  };
}

function levelsToShow(best: number, units: number): readonly number[] {
  const near = [-2, -1, 0, 1, 2].map((by) => best + by);
  const all = Array.from({ length: CURVE_POINTS + 1 }, (_, i) => Math.round((i * units) / CURVE_POINTS));
  const levels = new Set([...near, ...all].filter((level) => level >= 0));
  return [...levels].sort((a, b) => a - b);
}

/**
 * How much each of some quantiles counts where they stand for the whole distribution: what lies between two is half of
 * either, what lies outside is of the outermost.
 * @param quantiles Ascending, 0 to 1.
 */
export function quantileWeights(quantiles: readonly number[]): readonly number[] {
  const edges = quantiles.slice(1).map((quantile, i) => (quantile + quantiles[i]!) / 2);
  return quantiles.map((_, i) => (edges[i] ?? 1) - (edges[i - 1] ?? 0));
}
