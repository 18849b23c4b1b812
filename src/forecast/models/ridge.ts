import { baseFeatures, type FeaturePlan, horizonFeatures, planFeatures } from '../features.ts';
import { placeBetween } from '../knots.ts';
import { isOrdinary, type Track } from '../track.ts';
import type { Model, ModelContext } from './model.ts';
import { clearRidge, readRidge, writeRidge } from './ridge-state.ts';
import {
  addRow,
  changeAt,
  fadeSums,
  freshSums,
  joinSums,
  type RidgeRow,
  type RidgeSums,
  ridgeSums,
  solveKnots,
} from './ridge-sums.ts';

/** Share of the targets' size that is cut off: a burst moves the fit no more than a large ordinary move. */
const WINSOR_QUANTILE = 0.995;
/** What is left of a row's weight after a day: half after a week. */
const KEPT_PER_DAY = 0.9;
/**
 * A row whose errors, over the horizons, are more than this many times the usual ones counts less, in proportion: it is
 * the size of an error that costs, not its square, and a burst must not bend the map.
 */
const USUAL_ERROR = 0.7;
/** The usual error follows the median: each row moves it by this share, up or down. */
const USUAL_RATE = 0.003;
/** The first rows are weighted by the errors of a pilot fit on every fourth of them, where that is enough rows. */
const PILOT_STRIDE = 4;
/** Rows for each regressor from which the errors of a fit on them say something. */
const LEAST_ROWS = 4;
/** Rows behind the usual errors of a pilot fit. */
const USUAL_ROWS = 400;

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
  /** Least squares over all rows alike, where the target is an extreme: bursts are what it is asked for. */
  readonly evenly?: boolean;
}

/** One of several ridges over the same rows. */
export interface RidgeMember {
  readonly name: string;
  /** What is left of a row's weight after a day. */
  readonly keptPerDay?: number;
}

/**
 * Ridge regression on lags, in closed form, directly per horizon; between two knots the coefficients are interpolated.
 * Members differ in how fast they forget: rows are taken in once, since that is most of the work. Rows are weighted
 * towards least absolute errors by how wrong the first member was on them, unless `evenly`.
 */
export function ridges(
  context: ModelContext,
  members: readonly RidgeMember[],
  options: RidgeOptions = {},
): readonly Model[] {
  const { target = valueAhead, rowStride = 1, evenly = false } = options;
  const plan = planFeatures(context);
  const regressors = (options.regressors ?? stepRegressors)(plan);
  const { knots } = context;
  const { ridgeKeptPerDay = KEPT_PER_DAY, ridgeLambda } = context.tuning ?? {};
  const p1 = plan.baseCount;
  const p2 = regressors.count;
  const farthest = knots[knots.length - 1]!;
  const states = members.map(() => ridgeSums(knots.length, p1, p2));
  const clips = new Float64Array(knots.length);
  const usual = new Float64Array(knots.length);
  let next = plan.firstOrigin;
  let length = 0;

  function takeRows(track: Track): void {
    if (track.length === length) return;
    length = track.length;
    const row: RidgeRow = {
      base: new Float64Array(p1),
      owns: Array.from(knots, () => new Float64Array(p2)),
      ahead: new Float64Array(knots.length),
    };
    const isFirst = states[0]!.rows === 0;
    if (isFirst) for (let k = 0; k < clips.length; k++) clips[k] = clipOf(plan, track, target, knots[k]!);
    const judge = isFirst && !evenly ? pilot(track, row) : states[0]!;
    const judging = !evenly && judge.rows >= LEAST_ROWS * (p1 + p2) && judge.knots.every(({ solved }) => solved);
    if (judging && usual[0] === 0) setUsual(track, judge, row);
    const days = isFirst ? 0 : (length - 1 - farthest - next) / (context.cycles[0] ?? Number.POSITIVE_INFINITY);
    const fresh = freshSums(knots.length, p1, p2);
    for (; next + farthest < length; next += rowStride) {
      if (!isOrdinary(track, next)) continue;
      writeRow(track, next, row);
      addRow(fresh, row, judging ? weightOf(row, judge, usual) : 1, clips);
    }
    for (const [i, state] of states.entries()) {
      if (days > 0) fadeSums(state, (members[i]!.keptPerDay ?? ridgeKeptPerDay) ** days);
      joinSums(state, fresh);
    }
  }

  function writeRow(track: Track, origin: number, row: RidgeRow): void {
    baseFeatures(plan, track, origin, row.base);
    for (let k = 0; k < knots.length; k++) {
      row.ahead[k] = target(track, origin, knots[k]!);
      if (!Number.isNaN(row.ahead[k]!)) regressors.write(track, origin, knots[k]!, row.owns[k]!);
    }
  }

  function pilot(track: Track, row: RidgeRow): RidgeSums {
    const fresh = freshSums(knots.length, p1, p2);
    const rows = (length - farthest - next) / rowStride;
    const stride = rowStride * (rows > PILOT_STRIDE * LEAST_ROWS * (p1 + p2) ? PILOT_STRIDE : 1);
    for (let origin = next; origin + farthest < length; origin += stride) {
      if (!isOrdinary(track, origin)) continue;
      writeRow(track, origin, row);
      addRow(fresh, row, 1, clips);
    }
    const sums = ridgeSums(knots.length, p1, p2);
    joinSums(sums, fresh);
    solveKnots(sums, ridgeLambda);
    return sums;
  }

  /** The median errors over rows that are there already. */
  function setUsual(track: Track, judge: RidgeSums, row: RidgeRow): void {
    const errors: number[][] = Array.from(knots, () => []);
    const from = plan.firstOrigin;
    const stride = Math.max(1, Math.floor((length - farthest - from) / USUAL_ROWS));
    for (let origin = from; origin + farthest < length; origin += stride) {
      if (!isOrdinary(track, origin)) continue;
      writeRow(track, origin, row);
      for (let k = 0; k < knots.length; k++) {
        const error = Math.abs(row.ahead[k]! - changeAt(judge, k, row.base, row.owns[k]!));
        if (!Number.isNaN(error)) errors[k]!.push(error);
      }
    }
    for (const [k, sizes] of errors.entries()) {
      sizes.sort((a, b) => a - b);
      usual[k] = sizes[sizes.length >> 1] ?? 0;
    }
  }

  function save(i: number, track: Track): Uint8Array {
    const behind = Float64Array.of(track.length - next, track.length - length);
    return writeRidge(states[i]!, i === 0 ? { clips, usual, behind } : undefined);
  }

  function restore(i: number, saved: Uint8Array, track: Track): boolean {
    const behind = new Float64Array(2);
    if (!readRidge(saved, states[i]!, i === 0 ? { clips, usual, behind } : states[0]!)) {
      clearRidge(states[i]!);
      return false;
    }
    if (i > 0) return true;
    next = Math.max(plan.firstOrigin, track.length - behind[0]!);
    length = track.length - behind[1]!;
    return true;
  }

  function predictAll(track: Track, origin: number, horizons: Int32Array): void {
    const count = horizons.length;
    predicted.of = states;
    predicted.origin = origin;
    predicted.horizons = horizons;
    if (predicted.all.length < members.length * count) predicted.all = new Float64Array(members.length * count);
    const { all } = predicted;
    const base = scratchOf(p1, 0);
    const own = scratchOf(p2, 1);
    baseFeatures(plan, track, origin, base);
    const last = track.z[origin]!;
    for (let h = 0; h < count; h++) {
      const { low, high, share } = placeBetween(knots, horizons[h]!);
      const isTooWide = share > 0 && knots[high]! - knots[low]! > context.maxGap;
      if (!isTooWide) regressors.write(track, origin, horizons[h]!, own);
      for (let i = 0; i < states.length; i++) {
        const state = states[i]!;
        let change = isTooWide ? Number.NaN : changeAt(state, low, base, own);
        if (share > 0) change += share * (changeAt(state, high, base, own) - change);
        all[i * count + h] = last + change;
      }
    }
  }

  return members.map(({ name }, i) => {
    const state = states[i]!;
    return {
      name,
      refit(track) {
        takeRows(track);
        solveKnots(state, ridgeLambda);
        predicted.origin = -1;
      },
      predict(track, origin, horizons, out) {
        if (origin < plan.firstOrigin) {
          out.fill(Number.NaN);
          return;
        }
        // The mix asks one after the other: what the first is asked is new, and after the last nothing is left to hand out.
        if (i === 0 || predicted.of !== states || predicted.origin !== origin || predicted.horizons !== horizons)
          predictAll(track, origin, horizons);
        const from = i * horizons.length;
        for (let h = 0; h < horizons.length; h++) out[h] = predicted.all[from + h]!;
        if (i === members.length - 1) predicted.origin = -1;
      },
      save: (track) => save(i, track),
      restore: (saved, track) => restore(i, saved, track),
    };
  });
}

/**
 * What the members of one group predict at one origin, -1 for none: regressors are most of the work, and all have the
 * same. One for all series, since it is one at a time that is asked.
 */
const predicted: { of: readonly RidgeSums[]; origin: number; horizons: Int32Array; all: Float64Array } = {
  of: [],
  origin: -1,
  horizons: new Int32Array(0),
  all: new Float64Array(0),
};

const scratches = new Map<number, Float64Array>();

/** @param which Of those of this length that are in use at once. */
function scratchOf(length: number, which: 0 | 1): Float64Array {
  const key = 2 * length + which;
  const scratch = scratches.get(key) ?? new Float64Array(length);
  scratches.set(key, scratch);
  return scratch;
}

/** One weight for all horizons, so that they go on sharing a Gram matrix. Moves the usual errors along. */
function weightOf({ base, owns, ahead }: RidgeRow, judge: RidgeSums, usual: Float64Array): number {
  let sum = 0;
  let known = 0;
  for (let k = 0; k < owns.length; k++) {
    if (Number.isNaN(ahead[k]!)) continue;
    const error = Math.abs(ahead[k]! - changeAt(judge, k, base, owns[k]!));
    const size = Math.max(usual[k]!, 1e-12);
    sum += error / size;
    known++;
    usual[k] = size * (1 + (error > size ? USUAL_RATE : -USUAL_RATE));
  }
  return known === 0 ? 1 : 1 / Math.max(USUAL_ERROR, sum / known);
}

function valueAhead(track: Track, origin: number, horizon: number): number {
  return isOrdinary(track, origin + horizon) ? track.z[origin + horizon]! - track.z[origin]! : Number.NaN;
}

function clipOf(plan: FeaturePlan, track: Track, target: Target, horizon: number): number {
  const sizes: number[] = [];
  const stride = Math.max(1, Math.floor(track.length / 2000));
  for (let origin = plan.firstOrigin; origin + horizon < track.length; origin += stride) {
    if (!isOrdinary(track, origin)) continue;
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
