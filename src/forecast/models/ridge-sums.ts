import { solveRidgeInPlace } from '../../numeric/normal-equations.ts';
import { addProducts, addSquares, addWeighted, ROWS_AT_ONCE } from '../../numeric/outer-products.ts';

/**
 * The normal equations of a ridge at several horizons. The Gram matrix of the regressors that all knots share is summed
 * once; a row whose target is missing at one knot is kept apart in that knot's `absent` and subtracted there. Plain data.
 */
export interface RidgeSums {
  /** Regressors that all knots share, and those of each knot. */
  readonly p1: number;
  readonly p2: number;
  /** All sums and coefficients: an array for each costs a hundred bytes beside its values, and there are thousands. */
  readonly all: Float32Array;
  readonly knots: readonly KnotSums[];
  rows: number;
}

export interface KnotSums {
  /** A lower triangle as the shared one. */
  absent: Float32Array | undefined;
  rows: number;
  solved: boolean;
}

/** The lower triangle, row by row. */
export function sharedOf({ all, p1 }: RidgeSums): Float32Array {
  return all.subarray(0, triangle(p1));
}

/** Regressors of a knot's horizon against all, row by row: row i against all p1 and the first i + 1 of its own. */
export function crossOf(sums: RidgeSums, k: number): Float32Array {
  const { p1, p2, all } = sums;
  const from = firstOf(sums, k);
  return all.subarray(from, from + p2 * p1 + triangle(p2));
}

export function momentOf(sums: RidgeSums, k: number): Float32Array {
  const to = firstOf(sums, k + 1) - (sums.p1 + sums.p2);
  return sums.all.subarray(to - (sums.p1 + sums.p2), to);
}

export function coefficientsOf(sums: RidgeSums, k: number): Float32Array {
  const to = firstOf(sums, k + 1);
  return sums.all.subarray(to - (sums.p1 + sums.p2), to);
}

/** Where what belongs to a knot begins: its cross products, its moment, its coefficients. */
function firstOf({ p1, p2 }: RidgeSums, k: number): number {
  return triangle(p1) + k * (p2 * p1 + triangle(p2) + 2 * (p1 + p2));
}

/** Sums over new rows, in double precision before they join the others, and the few rows that wait to be added at once. */
export interface FreshSums {
  readonly shared: Float64Array;
  readonly knots: readonly FreshKnot[];
  /** Unused rows are zero and so add nothing. */
  readonly base: Float64Array;
  waiting: number;
  rows: number;
}

interface FreshKnot {
  readonly cross: Float64Array;
  readonly moment: Float64Array;
  absent: Float64Array | undefined;
  rows: number;
  readonly own: Float64Array;
  readonly targets: Float64Array;
}

/** One origin's regressors, those of each knot, and the targets: NaN where one is not known. */
export interface RidgeRow {
  readonly base: Float64Array;
  readonly owns: readonly Float64Array[];
  readonly ahead: Float64Array;
}

/** Relative to the mean diagonal of the normal equations. */
const LAMBDA = 0.00002;

/** @param p1 Regressors that all knots share. @param p2 Regressors of each knot. */
export function ridgeSums(knots: number, p1: number, p2: number): RidgeSums {
  return {
    p1,
    p2,
    all: new Float32Array(triangle(p1) + knots * (p2 * p1 + triangle(p2) + 2 * (p1 + p2))),
    knots: Array.from({ length: knots }, () => ({ absent: undefined, rows: 0, solved: false })),
    rows: 0,
  };
}

export function freshSums(knots: number, p1: number, p2: number): FreshSums {
  return {
    shared: new Float64Array(p1 * p1),
    knots: Array.from({ length: knots }, () => ({
      cross: new Float64Array(p2 * (p1 + p2)),
      moment: new Float64Array(p1 + p2),
      absent: undefined,
      rows: 0,
      own: new Float64Array(ROWS_AT_ONCE * p2),
      targets: new Float64Array(ROWS_AT_ONCE),
    })),
    base: new Float64Array(ROWS_AT_ONCE * p1),
    waiting: 0,
    rows: 0,
  };
}

/** @param clips The size at which each knot's target is cut off. */
export function addRow(fresh: FreshSums, { base, owns, ahead }: RidgeRow, weight: number, clips: Float64Array): void {
  const root = Math.sqrt(weight);
  const p1 = base.length;
  const at = fresh.waiting * p1;
  for (let i = 0; i < p1; i++) fresh.base[at + i] = root * base[i]!;
  fresh.rows++;
  for (let k = 0; k < owns.length; k++) {
    const knot = fresh.knots[k]!;
    const target = ahead[k]!;
    if (Number.isNaN(target)) {
      knot.absent ??= new Float64Array(p1 * p1);
      addSquare(knot.absent, base, weight);
      continue;
    }
    knot.rows++;
    knot.targets[fresh.waiting] = root * Math.max(-clips[k]!, Math.min(clips[k]!, target));
    const own = owns[k]!;
    const ownAt = fresh.waiting * own.length;
    for (let i = 0; i < own.length; i++) knot.own[ownAt + i] = root * own[i]!;
  }
  fresh.waiting++;
  if (fresh.waiting === ROWS_AT_ONCE) takeWaiting(fresh);
}

function takeWaiting(fresh: FreshSums): void {
  if (fresh.waiting === 0) return;
  const { base } = fresh;
  const p1 = base.length / ROWS_AT_ONCE;
  addSquares(fresh.shared, p1, 0, base, p1);
  for (const { cross, moment, own, targets } of fresh.knots) {
    const p2 = own.length / ROWS_AT_ONCE;
    addWeighted(moment, 0, base, p1, targets);
    addWeighted(moment, p1, own, p2, targets);
    addProducts(cross, p1 + p2, { a: own, m: p2, b: base, n: p1 });
    addSquares(cross, p1 + p2, p1, own, p2);
    own.fill(0);
    targets.fill(0);
  }
  base.fill(0);
  fresh.waiting = 0;
}

function addSquare(gram: Float64Array, x: Float64Array, weight: number): void {
  const p = x.length;
  for (let i = 0; i < p; i++) {
    const xi = weight * x[i]!;
    if (xi === 0) continue;
    const row = i * p;
    for (let j = 0; j <= i; j++) gram[row + j] = gram[row + j]! + xi * x[j]!;
  }
}

/** Solves each knot; one that has too few rows, or no solution, keeps its coefficients and says so. */
export function solveKnots(sums: RidgeSums, lambda = LAMBDA): void {
  const p = sums.p1 + sums.p2;
  const scratch = { gram: new Float64Array(p * p), solution: new Float64Array(p) };
  for (const [k, knot] of sums.knots.entries()) knot.solved = solveKnot(sums, k, lambda, scratch);
}

function solveKnot(
  sums: RidgeSums,
  k: number,
  lambda: number,
  { gram, solution }: { readonly gram: Float64Array; readonly solution: Float64Array },
): boolean {
  const { p1 } = sums;
  const p = p1 + sums.p2;
  const { absent, rows } = sums.knots[k]!;
  if (rows < 2 * Math.sqrt(p)) return false;
  const shared = sharedOf(sums);
  for (let i = 0; i < p1; i++) {
    const from = triangle(i);
    for (let j = 0; j <= i; j++) gram[i * p + j] = shared[from + j]! - (absent?.[from + j] ?? 0);
  }
  const cross = crossOf(sums, k);
  for (let i = 0; p1 + i < p; i++) {
    const from = i * p1 + triangle(i);
    gram.set(cross.subarray(from, from + p1 + i + 1), (p1 + i) * p);
  }
  solution.set(momentOf(sums, k));
  if (!solveRidgeInPlace(gram, solution, lambda)) return false;
  coefficientsOf(sums, k).set(solution);
  return true;
}

/** The change that is predicted at a knot; NaN while nothing was learnt. */
export function changeAt(sums: RidgeSums, k: number, base: Float64Array, own: Float64Array): number {
  if (!sums.knots[k]!.solved) return Number.NaN;
  const { all, p1, p2 } = sums;
  const ofOwn = firstOf(sums, k + 1) - p2;
  const ofBase = ofOwn - p1;
  let sum = 0;
  for (let i = 0; i < p1; i++) sum += all[ofBase + i]! * base[i]!;
  for (let i = 0; i < p2; i++) sum += all[ofOwn + i]! * own[i]!;
  return sum;
}

export function joinSums(sums: RidgeSums, fresh: FreshSums): void {
  takeWaiting(fresh);
  const { p1, p2 } = sums;
  addLower(sharedOf(sums), fresh.shared, p1, 0);
  sums.rows += fresh.rows;
  for (const [k, knot] of sums.knots.entries()) {
    const { cross, moment, absent, rows } = fresh.knots[k]!;
    addLower(crossOf(sums, k), cross, p1 + p2, p1);
    add(momentOf(sums, k), moment);
    if (absent !== undefined) {
      knot.absent ??= new Float32Array(triangle(p1));
      addLower(knot.absent, absent, p1, 0);
    }
    knot.rows += rows;
  }
}

/** Leaves the share `kept` of the weight of all rows. */
export function fadeSums(sums: RidgeSums, kept: number): void {
  scale(sharedOf(sums), kept);
  sums.rows *= kept;
  for (const [k, knot] of sums.knots.entries()) {
    scale(crossOf(sums, k), kept);
    scale(momentOf(sums, k), kept);
    if (knot.absent !== undefined) scale(knot.absent, kept);
    knot.rows *= kept;
  }
}

/** Entries in the lower triangle of a square of so many rows. */
function triangle(rows: number): number {
  return (rows * (rows + 1)) / 2;
}

/** Adds the first `before + i + 1` entries of each row i of a matrix of so many columns. */
function addLower(sums: Float32Array, matrix: Float64Array, width: number, before: number): void {
  for (let at = 0, row = 0, count = before + 1; at < sums.length; count++, row += width) {
    for (let j = 0; j < count; j++, at++) sums[at] = sums[at]! + matrix[row + j]!;
  }
}

function add(sums: Float32Array, more: Float64Array): void {
  for (let i = 0; i < sums.length; i++) sums[i] = sums[i]! + more[i]!;
}

function scale(values: Float32Array, by: number): void {
  for (let i = 0; i < values.length; i++) values[i] = values[i]! * by;
}
