/**
 * Locally weighted linear regression at one point of an evenly spaced series (Cleveland 1979): tricube weights over the
 * `span` nearest of the points from..to, times `robustness` where given.
 *
 * @param at Where to evaluate; it may lie outside the points.
 * @returns NaN where all weights are zero.
 */
export function loessAt(y: Float64Array, at: number, span: number, degree: 0 | 1, robustness?: Float64Array): number {
  const n = y.length;
  const width = Math.min(span, n);
  let left = Math.floor(at - (width - 1) / 2);
  left = Math.max(0, Math.min(left, n - width));
  // Move the window while the next point on the right is nearer than the first on the left.
  while (left + width < n && Math.abs(left + width - at) < Math.abs(left - at)) left++;
  const right = left + width - 1;
  let reach = Math.max(at - left, right - at);
  if (span > n) reach += Math.floor((span - n) / 2);
  const near = 0.001 * reach;
  const far = 0.999 * reach;
  let total = 0;
  let sumX = 0;
  const weights = new Float64Array(width);
  for (let j = left; j <= right; j++) {
    const distance = Math.abs(j - at);
    if (distance > far) continue;
    const weight = (distance <= near ? 1 : (1 - (distance / reach) ** 3) ** 3) * (robustness?.[j] ?? 1);
    weights[j - left] = weight;
    total += weight;
    sumX += weight * j;
  }
  if (!(total > 0)) return Number.NaN;
  const meanX = sumX / total;
  let spread = 0;
  for (let j = left; j <= right; j++) spread += (weights[j - left]! / total) * (j - meanX) ** 2;
  // As in the published routine: with hardly any spread a line has no slope.
  const tilt = degree === 1 && Math.sqrt(spread) > 0.001 * (n - 1) ? (at - meanX) / spread : 0;
  let fit = 0;
  for (let j = left; j <= right; j++) fit += (weights[j - left]! / total) * (1 + tilt * (j - meanX)) * y[j]!;
  return fit;
}

/** The loess curve at every point, evaluated at each `jump`-th one and interpolated linearly between. */
export function loess(
  y: Float64Array,
  span: number,
  degree: 0 | 1,
  jump: number,
  robustness?: Float64Array,
): Float64Array {
  const n = y.length;
  const fitted = new Float64Array(n);
  const valueAt = (at: number) => {
    const value = loessAt(y, at, span, degree, robustness);
    return Number.isNaN(value) ? y[at]! : value;
  };
  let before = 0;
  fitted[0] = n > 0 ? valueAt(0) : 0;
  while (before < n - 1) {
    const next = Math.min(before + Math.max(1, jump), n - 1);
    fitted[next] = valueAt(next);
    for (let i = before + 1; i < next; i++) {
      fitted[i] = fitted[before]! + ((fitted[next]! - fitted[before]!) * (i - before)) / (next - before);
    }
    before = next;
  }
  return fitted;
}
