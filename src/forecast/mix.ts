/** Experts' running errors at one horizon. Plain data. */
export interface MixState {
  /** Decayed sums of absolute errors in the series' unit, and of their weights, an entry per expert. */
  readonly errors: Float64Array;
  readonly seen: Float64Array;
}

/** An expert that is a tenth worse has little more than half of the say. */
const POWER = 6;

export function mixState(experts: number): MixState {
  return { errors: new Float64Array(experts), seen: new Float64Array(experts) };
}

/** Takes each expert's error at one scored origin in; NaN for an expert that had nothing to say. */
export function scoreExperts({ errors, seen }: MixState, absoluteErrors: Float64Array, kept: number): void {
  for (let e = 0; e < errors.length; e++) {
    errors[e] = errors[e]! * kept;
    seen[e] = seen[e]! * kept;
    const error = absoluteErrors[e]!;
    if (Number.isNaN(error)) continue;
    errors[e] = errors[e]! + error;
    seen[e] = seen[e]! + 1;
  }
}

/**
 * Weights by mean error to the power of -6, summing to one. Until anything was scored the first expert, which is the
 * last value, has it all.
 */
export function mixWeights({ errors, seen }: MixState, out: Float64Array): void {
  let best = Number.POSITIVE_INFINITY;
  for (let e = 0; e < out.length; e++) {
    const mean = seen[e]! > 0 ? errors[e]! / seen[e]! : Number.NaN;
    out[e] = mean;
    if (mean < best) best = mean;
  }
  if (best === Number.POSITIVE_INFINITY) {
    out.fill(0);
    out[0] = 1;
    return;
  }
  let total = 0;
  for (let e = 0; e < out.length; e++) {
    const mean = out[e]!;
    // An expert without a single error would get infinite weight: all such share it.
    const weight = Number.isNaN(mean) ? 0 : best === 0 ? (mean === 0 ? 1 : 0) : (best / mean) ** POWER;
    out[e] = weight;
    total += weight;
  }
  for (let e = 0; e < out.length; e++) out[e] = out[e]! / total;
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
