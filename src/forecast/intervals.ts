import {
  appendFading,
  effectiveCount,
  type FadingQuantiles,
  fadingBytes,
  fadingQuantile,
  fadingTogether,
} from '../numeric/fading-quantiles.ts';
import type { Room } from '../numeric/together.ts';
import { MOST_VALUE } from './track.ts';
import { fromModel, type Transform } from './transform.ts';

/** Where a forecast stood and how lively the series was: what an interval is scaled by. */
export interface Footing {
  /** The point forecast in model space. */
  readonly z: number;
  /** Local volatility in model space and in the series' unit. */
  readonly spreadZ: number;
  readonly spreadY: number;
}

/**
 * Ways to carry past residuals over to now. Margins that grow with the level suit load; on a bursty series they explode
 * where plain differences do not, so each route is weighted by the pinball loss that it had, to the power of -3.
 */
const ROUTES = ['proportional-scaled', 'proportional', 'additive-scaled', 'additive'] as const;

/** Past residuals of the deployed mix at one horizon, and how the quantiles made from them did. Plain data. */
export interface ConformalState {
  /** Scores of each route. */
  readonly scores: readonly FadingQuantiles[];
  /** Decayed pinball losses of each route: at 0.05, then at 0.95. */
  readonly losses: Float64Array;
  /** Log factors on the upper and lower tail's probability: adaptive conformal inference. */
  readonly tails: Float64Array;
  readonly scratch: ConformalScratch;
}

/** The routes' weights of now, and what each makes of one quantile: states that are scored one after the other share it. */
export interface ConformalScratch {
  readonly weights: Float64Array;
  readonly carried: Float64Array;
}

export const WATCHED = 0.95;
/** Quantiles mean something from this many residuals on. */
export const LEAST_RESIDUALS = 20;
const LOSS_KEPT = 0.99;
/** Step of the adaptive tail per scored origin. */
const TAIL_RATE = 0.02;
const TAIL_LIMIT = Math.log(8);

/** @param memory Scored origins after which a residual counts little more than a third. */
export function conformalState(memory: number, scratch: ConformalScratch, room: Room): ConformalState {
  return {
    scores: fadingTogether(memory, ROUTES.length, room),
    losses: room.doubles(2 * ROUTES.length),
    tails: room.doubles(2),
    scratch,
  };
}

/** Room that a state takes. */
export function conformalBytes(): number {
  return fadingBytes(ROUTES.length) + 8 * (2 * ROUTES.length + 2);
}

export function conformalScratch(): ConformalScratch {
  return { weights: new Float64Array(2 * ROUTES.length), carried: new Float64Array(ROUTES.length) };
}

/** Score quantiles of one state, ready to be carried over to any footing. */
export interface Fan {
  readonly quantiles: readonly number[];
  /** `scores[i * routes + route]` for `quantiles[i]`. */
  readonly scores: Float64Array;
  /** Weights of the routes below the median, then above. */
  readonly weights: Float64Array;
}

export function fanOf(state: ConformalState, quantiles: readonly number[]): Fan {
  const routes = ROUTES.length;
  const scores = new Float64Array(quantiles.length * routes);
  for (let i = 0; i < quantiles.length; i++) {
    const tail = tailOf(state, quantiles[i]!);
    for (let route = 0; route < routes; route++)
      scores[i * routes + route] = scoreQuantile(state.scores[route]!, tail, quantiles[i]! >= 0.5);
  }
  const weights = new Float64Array(2 * routes);
  writeWeights(state.losses, weights);
  return { quantiles, scores, weights };
}

function writeWeights(losses: Float64Array, out: Float64Array): void {
  const routes = ROUTES.length;
  for (let first = 0; first < 2 * routes; first += routes) {
    let least = Number.POSITIVE_INFINITY;
    for (let i = first; i < first + routes; i++) if (losses[i]! < least) least = losses[i]!;
    let total = 0;
    for (let i = first; i < first + routes; i++) {
      const ratio = least / losses[i]!;
      const weight = least > 0 ? ratio * ratio * ratio : losses[i] === least ? 1 : 0;
      out[i] = weight;
      total += weight;
    }
    for (let i = first; i < first + routes; i++) out[i] = out[i]! / total;
  }
}

/**
 * The values below which the truth lies with each probability of the fans, ascending. Between two horizons the scores
 * are interpolated, `share` of the way from `low` to `high`. NaN until a residual is known.
 */
export function spreadFan(
  low: Fan,
  high: Fan,
  share: number,
  transform: Transform,
  footing: Footing,
  out: Float64Array,
): void {
  const routes = ROUTES.length;
  const point = fromModel(transform, footing.z);
  let least = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < low.quantiles.length; i++) {
    const side = low.quantiles[i]! < 0.5 ? 0 : routes;
    let value = 0;
    for (let route = 0; route < routes; route++) {
      const at = i * routes + route;
      const score = low.scores[at]! + share * (high.scores[at]! - low.scores[at]!);
      const weight = low.weights[side + route]! + share * (high.weights[side + route]! - low.weights[side + route]!);
      if (weight > 0) value += weight * carried(route, score, transform, footing, point);
    }
    if (value < least) value = least;
    least = value;
    out[i] = value;
  }
}

function carried(route: number, score: number, transform: Transform, footing: Footing, point: number): number {
  if (route === 0) return fromModel(transform, footing.z + score * footing.spreadZ);
  if (route === 1) return fromModel(transform, footing.z + score);
  return route === 2 ? point + score * footing.spreadY : point + score;
}

/** The share of residuals that is to lie beyond a quantile, adapted. */
function tailOf({ tails }: ConformalState, q: number): number {
  const upper = q >= 0.5;
  return Math.min(0.5, (upper ? 1 - q : q) * Math.exp(tails[upper ? 0 : 1]!));
}

function scoreQuantile(score: FadingQuantiles, tail: number, upper: boolean): number {
  const count = effectiveCount(score);
  // One more residual is to come: the finite-sample correction of split conformal prediction. Of n residuals,
  // tail (n + 1) - 1 are to lie beyond, and half of the weight of the one that is the quantile.
  return fadingQuantile(score, Math.max(0.5, tail * (count + 1) - 0.5) / count, upper);
}

/** How the quantiles made without a truth did at it. */
export interface Scored {
  /** Whether the truth was at or below the 0.95 quantile. */
  readonly covered: boolean;
  /** Pinball losses at 0.95 and, where it was asked for, at 0.5 added up, in the series' unit. */
  readonly loss: number;
}

/**
 * Takes a truth in: scores the quantiles that were made without it, then adds its residual.
 * @param withMedian For those who want a loss: a median costs as much as a tail.
 * @returns Undefined while there are too few residuals to tell.
 */
export function scoreConformal(
  state: ConformalState,
  transform: Transform,
  footing: Footing,
  truth: { readonly z: number; readonly y: number },
  withMedian: boolean,
): Scored | undefined {
  const point = fromModel(transform, footing.z);
  const { scores } = state;
  let scored: Scored | undefined;
  if (scores[0]!.seen >= LEAST_RESIDUALS) {
    writeWeights(state.losses, state.scratch.weights);
    const low = made(state, 1 - WATCHED, transform, footing, point);
    loseAll(state, 0, 1 - WATCHED, truth.y);
    const middle = withMedian ? Math.max(low, made(state, 0.5, transform, footing, point)) : low;
    const high = Math.max(middle, made(state, WATCHED, transform, footing, point));
    loseAll(state, ROUTES.length, WATCHED, truth.y);
    const loss = pinballLoss(truth.y - high, WATCHED) + (withMedian ? pinballLoss(truth.y - middle, 0.5) : 0);
    scored = { covered: truth.y <= high, loss };
    adaptTail(state, 0, !scored.covered);
    adaptTail(state, 1, truth.y < low);
  }
  const residualZ = truth.z - footing.z;
  appendFading(scores[0]!, residualZ / footing.spreadZ);
  appendFading(scores[1]!, residualZ);
  appendFading(scores[2]!, (truth.y - point) / footing.spreadY);
  appendFading(scores[3]!, truth.y - point);
  return scored;
}

/** One quantile; what each route says stays in `carried`. */
function made(state: ConformalState, q: number, transform: Transform, footing: Footing, point: number): number {
  const { weights, carried: all } = state.scratch;
  const side = q < 0.5 ? 0 : ROUTES.length;
  const tail = tailOf(state, q);
  let value = 0;
  for (let route = 0; route < ROUTES.length; route++) {
    const own = carried(route, scoreQuantile(state.scores[route]!, tail, q >= 0.5), transform, footing, point);
    all[route] = own;
    if (weights[side + route]! > 0) value += weights[side + route]! * own;
  }
  return value;
}

/** Each route's loss at a quantile, at `first` and after. */
function loseAll({ losses, scratch }: ConformalState, first: number, q: number, truthY: number): void {
  const { carried } = scratch;
  for (let route = 0; route < ROUTES.length; route++) {
    losses[first + route] =
      losses[first + route]! * LOSS_KEPT + (1 - LOSS_KEPT) * pinballLoss(truthY - carried[route]!, q);
  }
}

/** A miss makes the tail's share smaller (the interval wider), a hit a little larger, level at the nominal rate. */
function adaptTail({ tails }: ConformalState, side: 0 | 1, missed: boolean): void {
  const next = tails[side]! + TAIL_RATE * (1 - WATCHED - (missed ? 1 : 0));
  tails[side] = Math.max(-TAIL_LIMIT, Math.min(TAIL_LIMIT, next));
}

export function pinballLoss(over: number, q: number): number {
  return Math.min(MOST_VALUE, over >= 0 ? q * over : (q - 1) * over);
}
