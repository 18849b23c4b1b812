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
  let weight = 0;
  let x = 0;
  let xx = 0;
  let sumY = 0;
  let xy = 0;
  for (let j = left; j <= right; j++) {
    const own = tricube(Math.abs(j - at), reach) * (robustness === undefined ? 1 : robustness[j]!);
    const wx = own * (j - at);
    weight += own;
    x += wx;
    xx += wx * (j - at);
    sumY += own * y[j]!;
    xy += wx * y[j]!;
  }
  if (!(weight > 0)) return Number.NaN;
  return degree === 0 ? sumY / weight : lineAtZero(weight, x, xx, sumY, xy, n);
}

/** The loess curve at every point, evaluated at each `jump`-th one and interpolated linearly between. */
export function loess(
  y: Float64Array,
  span: number,
  degree: 0 | 1,
  jump: number,
  robustness?: Float64Array,
): Float64Array<ArrayBuffer> {
  const n = y.length;
  const fitted = new Float64Array(n);
  const half = (span - 1) / 2;
  // Away from the ends all windows have the same weights.
  const weights = Number.isInteger(half) && span <= n ? tricubes(span) : undefined;
  const step = Math.max(1, jump);
  for (let at = 0, before = -1; at < n; at = at === n - 1 ? n : Math.min(at + step, n - 1)) {
    const value =
      weights !== undefined && at >= half && at < n - half
        ? loessInside(y, at - half, weights, degree, robustness)
        : loessAt(y, at, span, degree, robustness);
    fitted[at] = Number.isNaN(value) ? y[at]! : value;
    if (before >= 0) interpolate(fitted, before, at);
    before = at;
  }
  return fitted;
}

function tricubes(span: number): Float64Array {
  const half = (span - 1) / 2;
  const weights = new Float64Array(span);
  for (let i = 0; i < span; i++) weights[i] = tricube(Math.abs(i - half), half);
  return weights;
}

function interpolate(fitted: Float64Array, from: number, to: number): void {
  const slope = (fitted[to]! - fitted[from]!) / (to - from);
  for (let i = from + 1; i < to; i++) fitted[i] = fitted[from]! + slope * (i - from);
}

/** Windows of loess curves over `count` points, prepared once for many curves of the same length. */
export interface PreparedLoess {
  readonly count: number;
  /** Where the curve is evaluated: one before the first point, some of them, and one after the last. Ascending. */
  readonly at: Int32Array;
  readonly left: Int32Array;
  /** Weights of the points in each window, a row each. */
  readonly width: number;
  readonly weights: Float64Array;
  /** The curve at -1 to `count`, kept between calls. */
  readonly fitted: Float64Array;
}

export function prepareLoess(count: number, span: number, jump: number): PreparedLoess {
  const at = [-1];
  for (let i = 0; i < count - 1; i += Math.max(1, jump)) at.push(i);
  at.push(count - 1, count);
  const width = Math.min(span, count);
  const left = new Int32Array(at.length);
  const weights = new Float64Array(at.length * width);
  at.forEach((point, row) => {
    let from = Math.max(0, Math.min(Math.floor(point - (width - 1) / 2), count - width));
    while (from + width < count && Math.abs(from + width - point) < Math.abs(from - point)) from++;
    let reach = Math.max(point - from, from + width - 1 - point);
    if (span > count) reach += Math.floor((span - count) / 2);
    left[row] = from;
    for (let i = 0; i < width; i++) weights[row * width + i] = tricube(Math.abs(from + i - point), reach);
  });
  return { count, at: Int32Array.from(at), left, width, weights, fitted: new Float64Array(count + 2) };
}

/**
 * The locally linear curve of the points `y[from]`, `y[from + stride]`, …, from one before the first to one after the last.
 * @returns The prepared `fitted`, overwritten by the next call.
 */
export function loessOfStrided(
  prepared: PreparedLoess,
  y: Float64Array,
  from: number,
  stride: number,
  robustness?: Float64Array,
): Float64Array {
  const { count, at, left, width, weights, fitted } = prepared;
  let before = -1;
  for (let row = 0; row < at.length; row++) {
    const point = at[row]!;
    let weight = 0;
    let x = 0;
    let xx = 0;
    let sumY = 0;
    let xy = 0;
    let index = from + left[row]! * stride;
    for (let i = 0; i < width; i++, index += stride) {
      const own = robustness === undefined ? weights[row * width + i]! : weights[row * width + i]! * robustness[index]!;
      const distance = left[row]! + i - point;
      const wx = own * distance;
      const value = y[index]!;
      weight += own;
      x += wx;
      xx += wx * distance;
      sumY += own * value;
      xy += wx * value;
    }
    // Where all weights of a window are zero, the curve is a straight line between its neighbours.
    if (!(weight > 0)) continue;
    fitted[point + 1] = lineAtZero(weight, x, xx, sumY, xy, count);
    if (before >= 0) interpolate(fitted, before, point + 1);
    else fitted.fill(fitted[point + 1]!, 0, point + 1);
    before = point + 1;
  }
  if (before >= 0) fitted.fill(fitted[before]!, before + 1);
  else for (let k = 0; k < fitted.length; k++) fitted[k] = y[from + Math.max(0, Math.min(count - 1, k - 1)) * stride]!;
  return fitted;
}

/** At the middle of a whole window. Without robustness weights its line passes through the weighted mean there. */
function loessInside(
  y: Float64Array,
  left: number,
  weights: Float64Array,
  degree: 0 | 1,
  robustness: Float64Array | undefined,
): number {
  const span = weights.length;
  if (robustness === undefined) {
    let total = 0;
    let sum = 0;
    for (let i = 0; i < span; i++) {
      total += weights[i]!;
      sum += weights[i]! * y[left + i]!;
    }
    return sum / total;
  }
  const half = (span - 1) / 2;
  let weight = 0;
  let x = 0;
  let xx = 0;
  let sumY = 0;
  let xy = 0;
  for (let i = 0; i < span; i++) {
    const own = weights[i]! * robustness[left + i]!;
    const wx = own * (i - half);
    const value = y[left + i]!;
    weight += own;
    x += wx;
    xx += wx * (i - half);
    sumY += own * value;
    xy += wx * value;
  }
  if (!(weight > 0)) return Number.NaN;
  return degree === 0 ? sumY / weight : lineAtZero(weight, x, xx, sumY, xy, y.length);
}

/** The line through weighted points at x = 0, from sums over them: of the weights, w x, w x², w y and w x y. */
function lineAtZero(weight: number, x: number, xx: number, y: number, xy: number, n: number): number {
  const meanX = x / weight;
  const meanY = y / weight;
  const spread = xx / weight - meanX * meanX;
  // As in the published routine: with hardly any spread a line has no slope.
  if (!(Math.sqrt(spread) > 0.001 * (n - 1))) return meanY;
  return meanY - (meanX * (xy / weight - meanX * meanY)) / spread;
}

function tricube(distance: number, reach: number): number {
  if (distance > 0.999 * reach) return 0;
  if (distance <= 0.001 * reach) return 1;
  const share = distance / reach;
  const rest = 1 - share * share * share;
  return rest * rest * rest;
}
