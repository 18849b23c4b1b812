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
  const { m, n } = rows;
  let i = 0;
  for (; i + 3 < m; i += 4) addFourColumnsTimes(out, i * rowLength, rowLength, n, rows, i);
  for (; i < m; i++) addColumnTimes(out, i * rowLength, n, rows, i);
}

/**
 * Adds the sum of a aᵀ over eight rows to a lower triangle: entry (i, j), j at most i, at `out[i * rowLength + from + j]`.
 * Up to three entries to the right of the diagonal are spoiled.
 * @param a Eight rows of `m` values.
 */
export function addSquares(out: Float64Array, rowLength: number, from: number, a: Float64Array, m: number): void {
  const rows = { a, m, b: a, n: m };
  let i = 0;
  for (; i + 3 < m; i += 4) addFourColumnsTimes(out, i * rowLength + from, rowLength, i + 4, rows, i);
  for (; i < m; i++) addColumnTimes(out, i * rowLength + from, i + 1, rows, i);
}

/**
 * Adds columns `i` to `i + 3` of `a` times each of the first `count` columns of `b`. What is read of `b` serves four
 * sums, which takes little more than half of the time of one by one.
 */
function addFourColumnsTimes(
  out: Float64Array,
  at: number,
  rowLength: number,
  count: number,
  { a, m, b, n }: RowPairs,
  i: number,
): void {
  const p0 = a[i]!;
  const p1 = a[m + i]!;
  const p2 = a[2 * m + i]!;
  const p3 = a[3 * m + i]!;
  const p4 = a[4 * m + i]!;
  const p5 = a[5 * m + i]!;
  const p6 = a[6 * m + i]!;
  const p7 = a[7 * m + i]!;
  const q0 = a[i + 1]!;
  const q1 = a[m + i + 1]!;
  const q2 = a[2 * m + i + 1]!;
  const q3 = a[3 * m + i + 1]!;
  const q4 = a[4 * m + i + 1]!;
  const q5 = a[5 * m + i + 1]!;
  const q6 = a[6 * m + i + 1]!;
  const q7 = a[7 * m + i + 1]!;
  const r0 = a[i + 2]!;
  const r1 = a[m + i + 2]!;
  const r2 = a[2 * m + i + 2]!;
  const r3 = a[3 * m + i + 2]!;
  const r4 = a[4 * m + i + 2]!;
  const r5 = a[5 * m + i + 2]!;
  const r6 = a[6 * m + i + 2]!;
  const r7 = a[7 * m + i + 2]!;
  const s0 = a[i + 3]!;
  const s1 = a[m + i + 3]!;
  const s2 = a[2 * m + i + 3]!;
  const s3 = a[3 * m + i + 3]!;
  const s4 = a[4 * m + i + 3]!;
  const s5 = a[5 * m + i + 3]!;
  const s6 = a[6 * m + i + 3]!;
  const s7 = a[7 * m + i + 3]!;
  const second = at + rowLength;
  const third = second + rowLength;
  const fourth = third + rowLength;
  for (let j = 0; j < count; j++) {
    const b0 = b[j]!;
    const b1 = b[n + j]!;
    const b2 = b[2 * n + j]!;
    const b3 = b[3 * n + j]!;
    const b4 = b[4 * n + j]!;
    const b5 = b[5 * n + j]!;
    const b6 = b[6 * n + j]!;
    const b7 = b[7 * n + j]!;
    const pSum = p0 * b0 + p1 * b1 + (p2 * b2 + p3 * b3) + (p4 * b4 + p5 * b5 + (p6 * b6 + p7 * b7));
    out[at + j] = out[at + j]! + pSum;
    const qSum = q0 * b0 + q1 * b1 + (q2 * b2 + q3 * b3) + (q4 * b4 + q5 * b5 + (q6 * b6 + q7 * b7));
    out[second + j] = out[second + j]! + qSum;
    const rSum = r0 * b0 + r1 * b1 + (r2 * b2 + r3 * b3) + (r4 * b4 + r5 * b5 + (r6 * b6 + r7 * b7));
    out[third + j] = out[third + j]! + rSum;
    const sSum = s0 * b0 + s1 * b1 + (s2 * b2 + s3 * b3) + (s4 * b4 + s5 * b5 + (s6 * b6 + s7 * b7));
    out[fourth + j] = out[fourth + j]! + sSum;
  }
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
