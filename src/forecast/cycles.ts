/** How alike the separate cycles of a candidate season are. */
export interface Likeness {
  /** Mean correlation of the shapes of two cycles, -1 to 1. */
  readonly mean: number;
  /** That mean in standard errors above zero, which is where cycles of noise lie. */
  readonly significance: number;
  /** Cycles of which every phase is known. */
  readonly cycles: number;
}

/** Points at which cycles are compared. */
const MOST_PHASES = 12;
/** The newest cycles say enough, and a shape may change over a longer time. */
const MOST_CYCLES = 256;
/** A smooth random shape has about four degrees of freedom, so one correlation has a standard error of a half, at least. */
const LEAST_ERROR = 0.5;

/**
 * Compares the shapes of all pairs of cycles, counted back from the end. Cycles of noise are not alike, however strongly
 * neighbours in time hang together. O(n): the mean
 * over all pairs follows from the length of the sum of the unit shapes, their mean square from that of the outer products.
 * Nothing is alike where the shapes of more than half of the cycles are unknown or flat.
 *
 * @param period In steps of `z`; it need not be whole.
 */
export function likenessOf(z: Float64Array, period: number): Likeness {
  const phases = Math.min(MOST_PHASES, Math.floor(period));
  const count = Math.min(MOST_CYCLES, Math.floor(z.length / period));
  const sum = new Float64Array(phases);
  const products = new Float64Array(phases * phases);
  const shape = new Float64Array(phases);
  let cycles = 0;
  for (let c = 0; c < count; c++) {
    if (!writeShape(z, z.length - (c + 1) * period, period, shape)) continue;
    for (let i = 0; i < phases; i++) {
      sum[i] = sum[i]! + shape[i]!;
      for (let j = 0; j < phases; j++) products[i * phases + j] = products[i * phases + j]! + shape[i]! * shape[j]!;
    }
    cycles++;
  }
  if (cycles < 2 || 2 * cycles < count) return { mean: 0, significance: 0, cycles };
  const pairs = (cycles * (cycles - 1)) / 2;
  const mean = (sum.reduce((total, x) => total + x * x, 0) - cycles) / (2 * pairs);
  const meanSquare = (products.reduce((total, x) => total + x * x, 0) - cycles) / (2 * pairs);
  const error = Math.max(LEAST_ERROR, Math.sqrt(Math.max(0, meanSquare - mean * mean)));
  // With few cycles the pairs share them, and count for no more than two each.
  return { mean, significance: (mean * Math.sqrt(Math.max(pairs, 2 * cycles))) / error, cycles };
}

/** One cycle at a few phases, its own mean and slope removed, of length one; false where a phase is unknown or all are equal. */
function writeShape(z: Float64Array, from: number, period: number, shape: Float64Array): boolean {
  const phases = shape.length;
  let total = 0;
  for (let i = 0; i < phases; i++) {
    const start = Math.round(from + (i * period) / phases);
    const end = Math.max(Math.round(from + ((i + 1) * period) / phases), start + 1);
    let sum = 0;
    let known = 0;
    for (let t = Math.max(0, start); t < end && t < z.length; t++) {
      if (Number.isNaN(z[t]!)) continue;
      sum += z[t]!;
      known++;
    }
    if (known === 0) return false;
    shape[i] = sum / known;
    total += shape[i]!;
  }
  const middle = (phases - 1) / 2;
  const mean = total / phases;
  let slope = 0;
  let spread = 0;
  for (let i = 0; i < phases; i++) {
    slope += (i - middle) * (shape[i]! - mean);
    spread += (i - middle) ** 2;
  }
  let size = 0;
  for (let i = 0; i < phases; i++) {
    shape[i] = shape[i]! - mean - (slope / spread) * (i - middle);
    size += shape[i]! * shape[i]!;
  }
  // What is left of equal values is rounding.
  if (!(size > 1e-18 * (1 + mean * mean))) return false;
  const norm = Math.sqrt(size);
  for (let i = 0; i < phases; i++) shape[i] = shape[i]! / norm;
  return true;
}
