/** Rows taken in at once: sums stay in registers for four products, which halves the time of one by one. */
export const ROWS_AT_ONCE = 4;

/**
 * Adds the sum of a bᵀ over four rows to a matrix: entry (i, j) at `out[i * rowLength + j]`.
 * @param a Four rows of `m` values; `b` four rows of `n` values.
 */
export function addProducts(
  out: Float64Array,
  rowLength: number,
  { a, m, b, n }: { readonly a: Float64Array; readonly m: number; readonly b: Float64Array; readonly n: number },
): void {
  for (let i = 0; i < m; i++) {
    const a0 = a[i]!;
    const a1 = a[m + i]!;
    const a2 = a[2 * m + i]!;
    const a3 = a[3 * m + i]!;
    let at = i * rowLength;
    for (let j = 0; j < n; j++, at++) {
      out[at] = out[at]! + a0 * b[j]! + a1 * b[n + j]! + a2 * b[2 * n + j]! + a3 * b[3 * n + j]!;
    }
  }
}

/**
 * Adds the sum of a aᵀ over four rows to a lower triangle: entry (i, j), j at most i, at `out[i * rowLength + from + j]`.
 * @param a Four rows of `m` values.
 */
export function addSquares(out: Float64Array, rowLength: number, from: number, a: Float64Array, m: number): void {
  for (let i = 0; i < m; i++) {
    const a0 = a[i]!;
    const a1 = a[m + i]!;
    const a2 = a[2 * m + i]!;
    const a3 = a[3 * m + i]!;
    if (a0 === 0 && a1 === 0 && a2 === 0 && a3 === 0) continue;
    let at = i * rowLength + from;
    for (let j = 0; j <= i; j++, at++) {
      out[at] = out[at]! + a0 * a[j]! + a1 * a[m + j]! + a2 * a[2 * m + j]! + a3 * a[3 * m + j]!;
    }
  }
}

/** Adds the four rows of `a`, each times its weight, to the `m` values at `out[from]`. */
export function addWeighted(out: Float64Array, from: number, a: Float64Array, m: number, weights: Float64Array): void {
  const [w0, w1, w2, w3] = [weights[0]!, weights[1]!, weights[2]!, weights[3]!];
  for (let i = 0; i < m; i++) {
    out[from + i] = out[from + i]! + w0 * a[i]! + w1 * a[m + i]! + w2 * a[2 * m + i]! + w3 * a[3 * m + i]!;
  }
}
