/**
 * Neumaier's variant of Kahan's summation, as Prometheus sums: the error of each addition is collected in `c` and
 * added once at the end.
 */
export interface KahanSum {
  sum: number;
  c: number;
}

export function kahanAdd(into: KahanSum, value: number): void {
  const total = into.sum + value;
  if (total === Number.POSITIVE_INFINITY || total === Number.NEGATIVE_INFINITY) into.c = 0;
  else if (Math.abs(into.sum) >= Math.abs(value)) into.c += into.sum - total + value;
  else into.c += value - total + into.sum;
  into.sum = total;
}

/** Between ranks by a straight line. Sorts `values` in place; NaN counts as the smallest. */
export function quantileOf(q: number, values: Float64Array): number {
  if (values.length === 0 || Number.isNaN(q)) return Number.NaN;
  if (q < 0) return Number.NEGATIVE_INFINITY;
  if (q > 1) return Number.POSITIVE_INFINITY;
  values.sort();
  let nans = 0;
  while (nans < values.length && Number.isNaN(values[values.length - 1 - nans]!)) nans++;
  const at = (index: number): number => (index < nans ? Number.NaN : values[index - nans]!);
  const rank = q * (values.length - 1);
  const lower = Math.max(0, Math.floor(rank));
  const upper = Math.min(values.length - 1, lower + 1);
  const weight = rank - Math.floor(rank);
  return at(lower) * (1 - weight) + at(upper) * weight;
}

/** Ascending with NaN last. */
export function compareNanLast(a: number, b: number): number {
  if (Number.isNaN(a)) return Number.isNaN(b) ? 0 : 1;
  if (Number.isNaN(b)) return -1;
  return a - b || 0;
}

/**
 * Equal but for the noise of floating point, as Prometheus compares bucket counts: the difference is below `epsilon`
 * of the sum of both.
 */
export function almostEqual(a: number, b: number, epsilon: number): boolean {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return true;
  const sum = Math.abs(a) + Math.abs(b);
  const difference = Math.abs(a - b);
  const smallest = 2.2250738585072014e-308;
  if (a === 0 || b === 0 || sum < smallest) return difference < epsilon * smallest;
  return difference / Math.min(sum, Number.MAX_VALUE) < epsilon;
}

/** As Go's `math.Max`: infinity wins over NaN. */
export function greater(a: number, b: number): number {
  if (a === Number.POSITIVE_INFINITY || b === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
  return Math.max(a, b);
}

/** As Go's `math.Min`: minus infinity wins over NaN. */
export function smaller(a: number, b: number): number {
  if (a === Number.NEGATIVE_INFINITY || b === Number.NEGATIVE_INFINITY) return Number.NEGATIVE_INFINITY;
  return Math.min(a, b);
}
