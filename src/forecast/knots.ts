/** Steps ahead that get their own fit, weights and residuals: dense at first, then about a third apart. */
export function knotsUpTo(horizon: number): Int32Array {
  const knots: number[] = [];
  for (const step of [1, 2, 3, 4, 6, 9, 12, 18, 24, 36, 48, 72, 96]) if (step < horizon) knots.push(step);
  for (let step = 120; step < horizon; step = Math.round(step * 1.3)) knots.push(step);
  knots.push(horizon);
  return Int32Array.from(knots);
}

/** Where a horizon lies among the knots: `share` of the way from `low` to `high`. Outside, the nearest knot. */
export function placeBetween(knots: Int32Array, horizon: number): { low: number; high: number; share: number } {
  const last = knots.length - 1;
  if (horizon <= knots[0]!) return { low: 0, high: 0, share: 0 };
  if (horizon >= knots[last]!) return { low: last, high: last, share: 0 };
  let low = 0;
  while (knots[low + 1]! <= horizon) low++;
  return { low, high: low + 1, share: (horizon - knots[low]!) / (knots[low + 1]! - knots[low]!) };
}
