/** More knots than these cost more than they tell: a week of hours. */
const MOST_KNOTS = 168;

/**
 * Steps ahead that get their own fit, weights and residuals: every step at first, then up to half as far again, but no
 * more than `maxGap` apart.
 */
export function knotsUpTo(horizon: number, maxGap: number): Int32Array {
  const knots: number[] = [];
  for (let step = 1; step < horizon; ) {
    knots.push(step);
    const wide = Math.max(1, Math.floor(step / 2));
    step += knots.length < MOST_KNOTS ? Math.min(maxGap, wide) : wide;
  }
  knots.push(horizon);
  return Int32Array.from(knots);
}

/** Where a horizon lies among the knots: `share` of the way from `low` to `high`. Outside, the nearest knot. */
export function placeBetween(knots: Int32Array, horizon: number): { low: number; high: number; share: number } {
  const last = knots.length - 1;
  if (horizon <= knots[0]!) return { low: 0, high: 0, share: 0 };
  if (horizon >= knots[last]!) return { low: last, high: last, share: 0 };
  let low = 0;
  let high = last;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (knots[middle]! <= horizon) low = middle;
    else high = middle;
  }
  return { low, high, share: (horizon - knots[low]!) / (knots[high]! - knots[low]!) };
}
