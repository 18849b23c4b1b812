import { choleskyInPlace, solveCholesky } from './cholesky.ts';

/** Sums of x xᵀ (lower triangle, row-major p × p) and x y over rows taken in one by one. Plain data. */
export interface NormalEquations {
  readonly p: number;
  readonly gram: Float64Array;
  readonly moment: Float64Array;
  /** Weight of all rows. */
  rows: number;
}

export function normalEquations(p: number): NormalEquations {
  return { p, gram: new Float64Array(p * p), moment: new Float64Array(p), rows: 0 };
}

export function addRow({ p, gram, moment }: NormalEquations, x: Float64Array, y: number): void {
  for (let i = 0; i < p; i++) {
    const xi = x[i]!;
    moment[i] = moment[i]! + xi * y;
    const row = i * p;
    for (let j = 0; j <= i; j++) gram[row + j] = gram[row + j]! + xi * x[j]!;
  }
}

/**
 * Ridge coefficients: the penalty of each coefficient is `lambda` times the mean diagonal of the Gram matrix, so that
 * neither the number of rows nor the unit matters. The first regressor is the intercept and is hardly penalised.
 * @param gram Lower triangle; spoiled.
 * @param moment Becomes the coefficients.
 * @returns False where there is no solution (no rows, or values beyond double precision).
 */
export function solveRidgeInPlace(gram: Float64Array, moment: Float64Array, lambda: number): boolean {
  const p = moment.length;
  let trace = 0;
  for (let i = 1; i < p; i++) trace += gram[i * p + i]!;
  const penalty = lambda * (trace / Math.max(1, p - 1)) + 1e-9 * (gram[0]! + 1);
  gram[0] = gram[0]! * (1 + 1e-9) + 1e-12;
  for (let i = 1; i < p; i++) gram[i * p + i] = gram[i * p + i]! + penalty;
  if (!choleskyInPlace(gram, p)) return false;
  solveCholesky(gram, p, moment);
  return moment.every(Number.isFinite);
}
