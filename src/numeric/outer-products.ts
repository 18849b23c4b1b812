/** Rows taken in at once: sums stay in registers for eight products, which takes far less time than one by one. */
export const ROWS_AT_ONCE = 8;

/** Eight rows of `m` values, and eight of `n` values. */
interface RowPairs {
  readonly a: Float64Array;
  readonly m: number;
  readonly b: Float64Array;
  readonly n: number;
}

/**
 * Adds the sum of a bᵀ over eight rows to a matrix: entry (i, j) at `out[i * rowLength + j]`.
 */
export function addProducts(out: Float64Array, rowLength: number, rows: RowPairs): void {
  for (let i = 0; i < rows.m; i++) addColumnTimes(out, i * rowLength, rows.n, rows, i);
}

/**
 * Adds the sum of a aᵀ over eight rows to a lower triangle: entry (i, j), j at most i, at `out[i * rowLength + from + j]`.
 * @param a Eight rows of `m` values.
 */
export function addSquares(out: Float64Array, rowLength: number, from: number, a: Float64Array, m: number): void {
  const rows = { a, m, b: a, n: m };
  for (let i = 0; i < m; i++) addColumnTimes(out, i * rowLength + from, i + 1, rows, i);
}

/** Adds column `i` of `a` times each of the first `count` columns of `b`. */
function addColumnTimes(out: Float64Array, at: number, count: number, { a, m, b, n }: RowPairs, i: number): void {
  const a0 = a[i]!;
  const a1 = a[m + i]!;
  const a2 = a[2 * m + i]!;
  const a3 = a[3 * m + i]!;
  const a4 = a[4 * m + i]!;
  const a5 = a[5 * m + i]!;
  const a6 = a[6 * m + i]!;
  const a7 = a[7 * m + i]!;
  for (let j = 0; j < count; j++) {
    const first = a0 * b[j]! + a1 * b[n + j]! + (a2 * b[2 * n + j]! + a3 * b[3 * n + j]!);
    const last = a4 * b[4 * n + j]! + a5 * b[5 * n + j]! + (a6 * b[6 * n + j]! + a7 * b[7 * n + j]!);
    out[at + j] = out[at + j]! + (first + last);
  }
}

/** Adds the eight rows of `a`, each times its weight, to the `m` values at `out[from]`. */
export function addWeighted(out: Float64Array, from: number, a: Float64Array, m: number, weights: Float64Array): void {
  const [w0, w1, w2, w3] = [weights[0]!, weights[1]!, weights[2]!, weights[3]!];
  const [w4, w5, w6, w7] = [weights[4]!, weights[5]!, weights[6]!, weights[7]!];
  for (let i = 0; i < m; i++) {
    const first = w0 * a[i]! + w1 * a[m + i]! + (w2 * a[2 * m + i]! + w3 * a[3 * m + i]!);
    const last = w4 * a[4 * m + i]! + w5 * a[5 * m + i]! + (w6 * a[6 * m + i]! + w7 * a[7 * m + i]!);
    out[from + i] = out[from + i]! + (first + last);
  }
}
