import { solveRidgeInPlace } from '../../numeric/normal-equations.ts';
import { addProducts, addSquares, addWeighted, ROWS_AT_ONCE } from '../../numeric/outer-products.ts';
import { baseFeatures, type FeaturePlan, horizonFeatures, planFeatures } from '../features.ts';
import { placeBetween } from '../knots.ts';
import { isKnown, type Track } from '../track.ts';
import type { Model, ModelContext } from './model.ts';

/** Relative to the mean diagonal of the normal equations. */
const LAMBDA = 0.0002;
/** Share of the targets' size that is cut off: a burst moves the fit no more than a large ordinary move. */
const WINSOR_QUANTILE = 0.995;
/** What is left of a row's weight after a day: half after a week. */
const KEPT_PER_DAY = 0.9;
/**
 * Everything the ridge has learnt. The Gram matrix of the regressors that all knots share is summed once; a row whose
 * target is missing at one knot is kept apart in that knot's `absent` and subtracted there.
 */
interface RidgeState {
  readonly shared: Float32Array;
  readonly knots: readonly KnotState[];
  rows: number;
}

interface KnotState {
  /** Regressors of the horizon against all: (p2 × (p1 + p2)), its own square in the lower triangle. */
  readonly cross: Float32Array;
  readonly moment: Float32Array;
  readonly coefficients: Float32Array;
  absent: Float32Array | undefined;
  rows: number;
  solved: boolean;
}

/** Sums over the rows since the last refit, in double precision before they join the others. */
interface FreshSums {
  readonly shared: Float64Array;
  readonly knots: readonly FreshKnot[];
  rows: number;
}

interface FreshKnot {
  readonly cross: Float64Array;
  readonly moment: Float64Array;
  absent: Float64Array | undefined;
  rows: number;
}

/** What a row's target is, in model space relative to the last value: NaN where it is not known. */
export type Target = (track: Track, origin: number, horizon: number) => number;

export interface HorizonRegressors {
  readonly count: number;
  write(track: Track, origin: number, horizon: number, out: Float64Array): void;
}

export interface RidgeOptions {
  readonly target?: Target;
  /** Regressors that belong to one horizon, when they are not those of a single step. */
  readonly regressors?: (plan: FeaturePlan) => HorizonRegressors;
  /** Takes every n-th origin in. Neighbouring rows at fine steps say nearly the same. */
  readonly rowStride?: number;
}

/** One of several ridges over the same rows. */
export interface RidgeMember {
  readonly name: string;
  /** What is left of a row's weight after a day. */
  readonly keptPerDay?: number;
}

/**
 * Ridge regression on lags, in closed form, directly per horizon; between two knots the coefficients are interpolated.
 * Members differ in how fast they forget: rows are taken in once, since that is most of the work.
 */
export function ridges(
  context: ModelContext,
  members: readonly RidgeMember[],
  options: RidgeOptions = {},
): readonly Model[] {
  const { target = valueAhead, rowStride = 1 } = options;
  const plan = planFeatures(context);
  const regressors = (options.regressors ?? stepRegressors)(plan);
  const p1 = plan.baseCount;
  const p2 = regressors.count;
  const { knots } = context;
  const farthest = knots[knots.length - 1]!;
  const clips = new Float64Array(knots.length);
  const rowParts: RowParts = { plan, regressors, target, knots, clips };
  const scratch = { base: new Float64Array(p1), own: new Float64Array(p2) };
  const states = members.map(() => emptyState(knots.length, p1, p2));
  let next = plan.firstOrigin;
  let length = 0;

  function takeRows(track: Track): void {
    if (track.length === length) return;
    length = track.length;
    const isFirst = states[0]!.rows === 0;
    if (isFirst) for (let k = 0; k < knots.length; k++) clips[k] = clipOf(plan, track, target, knots[k]!);
    const days = isFirst ? 0 : (length - 1 - farthest - next) / (context.cycles[0] ?? Number.POSITIVE_INFINITY);
    const fresh = freshSums(knots.length, p1, p2);
    const block = rowBlock(knots.length, p1, p2);
    for (; next + farthest < length; next += rowStride) {
      if (isKnown(track, next)) collectRow(block, fresh, rowParts, track, next);
    }
    takeBlock(block, fresh);
    for (const [i, state] of states.entries()) {
      if (days > 0) forget(state, (members[i]!.keptPerDay ?? KEPT_PER_DAY) ** days);
      join(state, fresh);
    }
  }

  return members.map(({ name }, i) => modelOf(name, states[i]!, { context, rowParts, takeRows, scratch }));
}

interface Shared {
  readonly context: ModelContext;
  readonly rowParts: RowParts;
  readonly takeRows: (track: Track) => void;
  readonly scratch: { readonly base: Float64Array; readonly own: Float64Array };
}

function modelOf(name: string, state: RidgeState, { context, rowParts, takeRows, scratch }: Shared): Model {
  const { plan, regressors, knots } = rowParts;
  const { base, own } = scratch;
  const p = base.length + own.length;
  return {
    name,
    refit(track) {
      takeRows(track);
      for (const knot of state.knots) knot.solved = solveKnot(state, knot, base.length, own.length);
    },
    predict(track, origin, horizons, out) {
      if (origin < plan.firstOrigin) {
        out.fill(Number.NaN);
        return;
      }
      baseFeatures(plan, track, origin, base);
      const last = track.z[origin]!;
      for (let i = 0; i < horizons.length; i++) {
        regressors.write(track, origin, horizons[i]!, own);
        const { low, high, share } = placeBetween(knots, horizons[i]!);
        if (share > 0 && knots[high]! - knots[low]! > context.maxGap) {
          out[i] = Number.NaN;
          continue;
        }
        let change = dotWith(state.knots[low]!, base, own, p);
        if (share > 0) change += share * (dotWith(state.knots[high]!, base, own, p) - change);
        out[i] = last + change;
      }
    },
  };
}

function valueAhead(track: Track, origin: number, horizon: number): number {
  return isKnown(track, origin + horizon) ? track.z[origin + horizon]! - track.z[origin]! : Number.NaN;
}

function emptyState(knots: number, p1: number, p2: number): RidgeState {
  return {
    shared: new Float32Array(p1 * p1),
    knots: Array.from({ length: knots }, () => emptyKnot(p1, p2)),
    rows: 0,
  };
}

function freshSums(knots: number, p1: number, p2: number): FreshSums {
  return {
    shared: new Float64Array(p1 * p1),
    knots: Array.from({ length: knots }, () => ({
      cross: new Float64Array(p2 * (p1 + p2)),
      moment: new Float64Array(p1 + p2),
      absent: undefined,
      rows: 0,
    })),
    rows: 0,
  };
}

function emptyKnot(p1: number, p2: number): KnotState {
  return {
    cross: new Float32Array(p2 * (p1 + p2)),
    moment: new Float32Array(p1 + p2),
    coefficients: new Float32Array(p1 + p2),
    absent: undefined,
    rows: 0,
    solved: false,
  };
}

function clipOf(plan: FeaturePlan, track: Track, target: Target, horizon: number): number {
  const sizes: number[] = [];
  const stride = Math.max(1, Math.floor(track.length / 2000));
  for (let origin = plan.firstOrigin; origin + horizon < track.length; origin += stride) {
    if (!isKnown(track, origin)) continue;
    const size = Math.abs(target(track, origin, horizon));
    if (!Number.isNaN(size)) sizes.push(size);
  }
  sizes.sort((a, b) => a - b);
  const clip = sizes[Math.floor(WINSOR_QUANTILE * (sizes.length - 1))];
  return clip !== undefined && clip > 0 ? clip : Number.POSITIVE_INFINITY;
}

function stepRegressors(plan: FeaturePlan): HorizonRegressors {
  return {
    count: plan.horizonCount,
    write: (track, origin, horizon, out) => horizonFeatures(plan, track, origin, horizon, out),
  };
}

/** What it takes to turn an origin into a row. */
interface RowParts {
  readonly plan: FeaturePlan;
  readonly regressors: HorizonRegressors;
  readonly target: Target;
  readonly knots: Int32Array;
  /** The size at which each knot's target is cut off. */
  readonly clips: Float64Array;
}

/** A few rows that are taken in at once: unused ones are zero and so add nothing. */
interface RowBlock {
  readonly base: Float64Array;
  readonly own: readonly Float64Array[];
  /** Row r's target at knot k: `targets[k][r]`. */
  readonly targets: readonly Float64Array[];
  count: number;
}

function rowBlock(knots: number, p1: number, p2: number): RowBlock {
  return {
    base: new Float64Array(ROWS_AT_ONCE * p1),
    own: Array.from({ length: knots }, () => new Float64Array(ROWS_AT_ONCE * p2)),
    targets: Array.from({ length: knots }, () => new Float64Array(ROWS_AT_ONCE)),
    count: 0,
  };
}

function collectRow(
  block: RowBlock,
  fresh: FreshSums,
  { plan, regressors, target, knots, clips }: RowParts,
  track: Track,
  origin: number,
): void {
  const p1 = plan.baseCount;
  const p2 = regressors.count;
  const r = block.count++;
  const base = block.base.subarray(r * p1, (r + 1) * p1);
  baseFeatures(plan, track, origin, base);
  fresh.rows++;
  for (let k = 0; k < knots.length; k++) {
    const knot = fresh.knots[k]!;
    const ahead = target(track, origin, knots[k]!);
    if (Number.isNaN(ahead)) {
      knot.absent ??= new Float64Array(p1 * p1);
      addOuter(knot.absent, base, p1);
      continue;
    }
    knot.rows++;
    block.targets[k]![r] = Math.max(-clips[k]!, Math.min(clips[k]!, ahead));
    if (p2 > 0) regressors.write(track, origin, knots[k]!, block.own[k]!.subarray(r * p2, (r + 1) * p2));
  }
  if (block.count === ROWS_AT_ONCE) takeBlock(block, fresh);
}

function takeBlock(block: RowBlock, fresh: FreshSums): void {
  if (block.count === 0) return;
  const { base, own, targets } = block;
  const p1 = base.length / ROWS_AT_ONCE;
  const p2 = own[0]!.length / ROWS_AT_ONCE;
  const p = p1 + p2;
  addSquares(fresh.shared, p1, 0, base, p1);
  for (let k = 0; k < own.length; k++) {
    const { cross, moment } = fresh.knots[k]!;
    const mine = own[k]!;
    addWeighted(moment, 0, base, p1, targets[k]!);
    addWeighted(moment, p1, mine, p2, targets[k]!);
    addProducts(cross, p, { a: mine, m: p2, b: base, n: p1 });
    addSquares(cross, p, p1, mine, p2);
    mine.fill(0);
    targets[k]!.fill(0);
  }
  base.fill(0);
  block.count = 0;
}

function addOuter(gram: Float64Array, x: Float64Array, p: number): void {
  for (let i = 0; i < p; i++) {
    const xi = x[i]!;
    if (xi === 0) continue;
    const row = i * p;
    for (let j = 0; j <= i; j++) gram[row + j] = gram[row + j]! + xi * x[j]!;
  }
}

function solveKnot(state: RidgeState, knot: KnotState, p1: number, p2: number): boolean {
  const p = p1 + p2;
  if (knot.rows < 2 * Math.sqrt(p)) return false;
  const gram = new Float64Array(p * p);
  for (let i = 0; i < p1; i++) {
    for (let j = 0; j <= i; j++) gram[i * p + j] = state.shared[i * p1 + j]! - (knot.absent?.[i * p1 + j] ?? 0);
  }
  for (let i = 0; i < p2; i++) gram.set(knot.cross.subarray(i * p, i * p + p1 + i + 1), (p1 + i) * p);
  const solution = Float64Array.from(knot.moment);
  if (!solveRidgeInPlace(gram, solution, LAMBDA)) return false;
  knot.coefficients.set(solution);
  return true;
}

function join(state: RidgeState, fresh: FreshSums): void {
  add(state.shared, fresh.shared);
  state.rows += fresh.rows;
  for (const [k, knot] of state.knots.entries()) {
    const { cross, moment, absent, rows } = fresh.knots[k]!;
    add(knot.cross, cross);
    add(knot.moment, moment);
    if (absent !== undefined) {
      knot.absent ??= new Float32Array(absent.length);
      add(knot.absent, absent);
    }
    knot.rows += rows;
  }
}

function add(sums: Float32Array, more: Float64Array): void {
  for (let i = 0; i < sums.length; i++) sums[i] = sums[i]! + more[i]!;
}

function forget(state: RidgeState, kept: number): void {
  scale(state.shared, kept);
  state.rows *= kept;
  for (const knot of state.knots) {
    scale(knot.cross, kept);
    scale(knot.moment, kept);
    if (knot.absent !== undefined) scale(knot.absent, kept);
    knot.rows *= kept;
  }
}

function scale(values: Float32Array, by: number): void {
  for (let i = 0; i < values.length; i++) values[i] = values[i]! * by;
}

/** The predicted change; NaN while nothing was learnt. */
function dotWith(knot: KnotState, base: Float64Array, own: Float64Array, p: number): number {
  if (!knot.solved) return Number.NaN;
  const { coefficients } = knot;
  const p1 = base.length;
  let sum = 0;
  for (let i = 0; i < p1; i++) sum += coefficients[i]! * base[i]!;
  for (let i = p1; i < p; i++) sum += coefficients[i]! * own[i - p1]!;
  return sum;
}
