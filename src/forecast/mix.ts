import type { Room } from '../numeric/together.ts';

/** Experts' running errors at one horizon, in a short and in a long memory. Plain data. */
export interface MixState {
  /** What an error keeps of its weight per scored origin, an entry per memory. */
  readonly kept: readonly number[];
  /** Decayed sums of absolute errors in the series' unit, and of their weights: an entry per expert, memory by memory. */
  readonly errors: Float64Array;
  readonly seen: Float64Array;
  /** How much better experts are preferred: the weight is the mean error to minus this power. */
  readonly power: number;
  /** Scratch, an entry per expert, shared by all that have as many. */
  readonly own: Float64Array;
}

/** What the mix is made by. */
export interface MixTuning {
  readonly memories: readonly { readonly horizons: number; readonly dayShare: number }[];
  /** Up to a horizon of a twelfth of a day, and beyond. */
  readonly nearPower: number;
  readonly farPower: number;
}

/**
 * How long errors are remembered: a sixteenth and a half of a day, or so many horizons where that is longer. What just
 * happened tells most about the next minutes and is the worse guide the farther one looks; the mean of both weights is
 * better than either, at every horizon.
 */
const MEMORIES = [
  { horizons: 6, dayShare: 1 / 16 },
  { horizons: 12, dayShare: 1 / 2 },
];

/** An error minutes ahead is one of many alike, one half a day ahead is one of a handful, and experts differ less there. */
export const MIX_TUNING: MixTuning = { memories: MEMORIES, nearPower: 8, farPower: 4 };
/** Peaks are ruled by the few, so that a short memory of them misleads. */
export const PEAK_MIX_TUNING: MixTuning = {
  memories: [{ horizons: 6, dayShare: 1 / 4 }],
  nearPower: 6,
  farPower: 4,
};
const NEAR_DAY_SHARE = 1 / 12;

/** @param horizon In steps, as `day` and `stride`, the steps between scored origins. */
export function mixState(
  experts: number,
  { horizon, day, stride }: { readonly horizon: number; readonly day: number; readonly stride: number },
  { memories, nearPower, farPower }: MixTuning,
  room: Room,
): MixState {
  return {
    kept: memories.map(({ horizons, dayShare }) => Math.exp(-stride / Math.max(horizons * horizon, dayShare * day))),
    errors: room.doubles(memories.length * experts),
    seen: room.doubles(memories.length * experts),
    own: scratchFor(experts),
    power: horizon <= NEAR_DAY_SHARE * day ? nearPower : farPower,
  };
}

/** Scratch by the number of experts. */
const scratches = new Map<number, Float64Array>();

function scratchFor(experts: number): Float64Array {
  const scratch = scratches.get(experts) ?? new Float64Array(experts);
  scratches.set(experts, scratch);
  return scratch;
}

/** Takes each expert's error at one scored origin in; NaN for an expert that had nothing to say. */
export function scoreExperts({ kept, errors, seen }: MixState, absoluteErrors: Float64Array): void {
  const experts = absoluteErrors.length;
  for (let m = 0; m < kept.length; m++) {
    for (let e = 0; e < experts; e++) {
      const at = m * experts + e;
      const error = absoluteErrors[e]!;
      const known = !Number.isNaN(error);
      errors[at] = errors[at]! * kept[m]! + (known ? error : 0);
      seen[at] = seen[at]! * kept[m]! + (known ? 1 : 0);
    }
  }
}

/**
 * The mean over the memories of weights by mean error to a power (of -8: an expert that is a tenth worse has less than
 * half of the say), summing to one. Until anything was scored the first expert, which is the last value, has it all.
 */
export function mixWeights({ kept, errors, seen, power, own }: MixState, out: Float64Array): void {
  const experts = out.length;
  out.fill(0);
  for (let m = 0; m < kept.length; m++) {
    const from = m * experts;
    let best = Number.POSITIVE_INFINITY;
    for (let e = 0; e < experts; e++) {
      const mean = errors[from + e]! / seen[from + e]!;
      own[e] = mean;
      if (mean < best) best = mean;
    }
    if (best === Number.POSITIVE_INFINITY) {
      out[0] = 1;
      return;
    }
    let total = 0;
    for (let e = 0; e < experts; e++) {
      const weight = weightOf(best, own[e]!, power);
      own[e] = weight;
      total += weight;
    }
    const share = 1 / (total * kept.length);
    for (let e = 0; e < experts; e++) out[e] = out[e]! + own[e]! * share;
  }
}

/** An expert without a single error would get infinite weight: all such share it. One that never spoke has none. */
function weightOf(best: number, mean: number, power: number): number {
  if (Number.isNaN(mean)) return 0;
  if (best === 0) return mean === 0 ? 1 : 0;
  return raised(best / mean, power);
}

/** A power by squaring where it is whole: the general one takes as long as all else that scores an origin. */
function raised(base: number, power: number): number {
  let rest = power | 0;
  if (rest !== power) return base ** power;
  let result = 1;
  for (let square = base; rest > 0; rest >>= 1, square *= square) if ((rest & 1) === 1) result *= square;
  return result;
}

/** The weighted mean of what the experts say, over those that say something; NaN where none does. */
export function mixed(weights: Float64Array, predictions: ArrayLike<number>, from: number, stride: number): number {
  let sum = 0;
  let total = 0;
  for (let e = 0; e < weights.length; e++) {
    const prediction = predictions[from + e * stride]!;
    if (weights[e] === 0 || Number.isNaN(prediction)) continue;
    sum += weights[e]! * prediction;
    total += weights[e]!;
  }
  return total > 0 ? sum / total : Number.NaN;
}
