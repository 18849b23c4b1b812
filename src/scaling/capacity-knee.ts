import type { CapacityPairs } from './capacity-pairs.ts';

export interface Knee {
  /** The load from which on more of it makes a replica no busier. */
  readonly load: number;
  /** Share of the pairs beyond it, 0 to 1. */
  readonly saturated: number;
}

/** The hinge must leave at most this share of what the line leaves unexplained. */
const BETTER = 0.6;
/** Beyond the knee utilization may rise by this share of the slope before it. */
const FLAT = 0.3;
/** Pairs on either side of the knee. */
const LEAST = 12;

/**
 * Where utilization stops following the load: the least-squares fit of u = k min(load, knee). All sums come from one
 * pass over the pairs in order of load, so every pair is tried as the knee. Undefined where a line does about as well,
 * or where utilization still rises beyond.
 */
export function kneeOf({ loads, utilizations }: CapacityPairs): Knee | undefined {
  const n = loads.length;
  if (n < 2 * LEAST) return undefined;
  const order = [...loads.keys()].sort((a, b) => loads[a]! - loads[b]!);
  const x = Float64Array.from(order, (i) => loads[i]!);
  const u = Float64Array.from(order, (i) => utilizations[i]!);
  let [xu, xx, uAll, uu] = [0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    xu += x[i]! * u[i]!;
    xx += x[i]! * x[i]!;
    uAll += u[i]!;
    uu += u[i]! * u[i]!;
  }
  const straight = uu - xu ** 2 / xx;
  let best = { error: Number.POSITIVE_INFINITY, at: -1, slope: 0 };
  let [xuBelow, xxBelow, uBelow] = [0, 0, 0];
  for (let i = 0; i < n - LEAST; i++) {
    xuBelow += x[i]! * u[i]!;
    xxBelow += x[i]! * x[i]!;
    uBelow += u[i]!;
    if (i + 1 < LEAST) continue;
    const top = xuBelow + x[i]! * (uAll - uBelow);
    const bottom = xxBelow + x[i]! ** 2 * (n - i - 1);
    const error = uu - top ** 2 / bottom;
    if (error < best.error) best = { error, at: i, slope: top / bottom };
  }
  if (best.at === -1 || best.error >= BETTER * straight) return undefined;
  if (slopeOf(x, u, best.at) > FLAT * best.slope) return undefined;
  return { load: x[best.at]!, saturated: (n - best.at - 1) / n };
}

/** Of an ordinary regression over the pairs from `from` on. */
function slopeOf(x: Float64Array, u: Float64Array, from: number): number {
  const count = x.length - from;
  let [mx, mu] = [0, 0];
  for (let i = from; i < x.length; i++) {
    mx += x[i]! / count;
    mu += u[i]! / count;
  }
  let [sxu, sxx] = [0, 0];
  for (let i = from; i < x.length; i++) {
    sxu += (x[i]! - mx) * (u[i]! - mu);
    sxx += (x[i]! - mx) ** 2;
  }
  return sxx > 0 ? sxu / sxx : 0;
}
