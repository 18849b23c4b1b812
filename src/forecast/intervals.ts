import { appendSorted, quantileSorted, type SortedWindow, sortedWindow } from '../numeric/quantile.ts';
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
  /** Scores of each route, a window of origins each. */
  readonly scores: readonly SortedWindow[];
  /** Decayed pinball losses of each route: at 0.05, then at 0.95. */
  readonly losses: Float64Array;
  /** Log factors on the upper and lower tail's probability: adaptive conformal inference. */
  readonly tails: Float64Array;
}

const WATCHED = 0.95;
/** Quantiles mean something from this many residuals on. */
export const LEAST_RESIDUALS = 20;
const LOSS_KEPT = 0.99;
/** Step of the adaptive tail per scored origin. */
const TAIL_RATE = 0.02;
const TAIL_LIMIT = Math.log(8);

export function conformalState(capacity: number): ConformalState {
  return {
    scores: ROUTES.map(() => sortedWindow(capacity)),
    losses: new Float64Array(2 * ROUTES.length),
    tails: new Float64Array(2),
  };
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
    for (let route = 0; route < routes; route++)
      scores[i * routes + route] = scoreQuantile(state, quantiles[i]!, route);
  }
  const weights = new Float64Array(2 * routes);
  for (const side of [0, 1]) {
    const first = side * routes;
    let least = Number.POSITIVE_INFINITY;
    for (let i = first; i < first + routes; i++) if (state.losses[i]! < least) least = state.losses[i]!;
    let total = 0;
    for (let i = first; i < first + routes; i++) {
      const ratio = least / state.losses[i]!;
      const weight = least > 0 ? ratio * ratio * ratio : state.losses[i] === least ? 1 : 0;
      weights[i] = weight;
      total += weight;
    }
    for (let i = first; i < first + routes; i++) weights[i] = weights[i]! / total;
  }
  return { quantiles, scores, weights };
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

function scoreQuantile({ scores, tails }: ConformalState, q: number, route: number): number {
  const { sorted, count } = scores[route]!;
  const upper = q >= 0.5;
  const tail = Math.min(0.5, (upper ? 1 - q : q) * Math.exp(tails[upper ? 0 : 1]!));
  // One more residual is to come: the finite-sample correction of split conformal prediction.
  const beyond = Math.max(0, tail * (count + 1) - 1) / Math.max(1, count - 1);
  return quantileSorted(sorted, count, upper ? 1 - beyond : beyond);
}

const TAILS = [1 - WATCHED, WATCHED] as const;
/** For those who want a loss: a median costs as much as a tail. */
export const TAILS_AND_MEDIAN = [1 - WATCHED, 0.5, WATCHED] as const;

/** How the quantiles made without a truth did at it. */
export interface Scored {
  /** Whether the truth was at or below the 0.95 quantile. */
  readonly covered: boolean;
  /** Pinball losses at 0.95 and, where it was made, at 0.5 added up, in the series' unit. */
  readonly loss: number;
}

/**
 * Takes a truth in: scores the quantiles that were made without it, then adds its residual.
 * @returns Undefined while there are too few residuals to tell.
 */
export function scoreConformal(
  state: ConformalState,
  transform: Transform,
  footing: Footing,
  truthZ: number,
  truthY: number,
  quantiles: readonly number[] = TAILS,
): Scored | undefined {
  const point = fromModel(transform, footing.z);
  let scored: Scored | undefined;
  if (state.scores[0]!.count >= LEAST_RESIDUALS) {
    const routes = ROUTES.length;
    const fan = fanOf(state, quantiles);
    const made = new Float64Array(quantiles.length);
    spreadFan(fan, fan, 0, transform, footing, made);
    const upper = quantiles.length - 1;
    let loss = 0;
    for (let i = 1; i <= upper; i++) loss += pinballLoss(truthY - made[i]!, quantiles[i]!);
    scored = { covered: truthY <= made[upper]!, loss };
    adaptTail(state, 0, !scored.covered);
    adaptTail(state, 1, truthY < made[0]!);
    for (let route = 0; route < routes; route++) {
      const below = truthY - carried(route, fan.scores[route]!, transform, footing, point);
      const above = truthY - carried(route, fan.scores[upper * routes + route]!, transform, footing, point);
      loseBy(state, route, below, 1 - WATCHED);
      loseBy(state, routes + route, above, WATCHED);
    }
  }
  const residualZ = truthZ - footing.z;
  appendSorted(state.scores[0]!, residualZ / footing.spreadZ);
  appendSorted(state.scores[1]!, residualZ);
  appendSorted(state.scores[2]!, (truthY - point) / footing.spreadY);
  appendSorted(state.scores[3]!, truthY - point);
  return scored;
}

/** A miss makes the tail's share smaller (the interval wider), a hit a little larger, level at the nominal rate. */
function adaptTail({ tails }: ConformalState, side: 0 | 1, missed: boolean): void {
  const next = tails[side]! + TAIL_RATE * (1 - WATCHED - (missed ? 1 : 0));
  tails[side] = Math.max(-TAIL_LIMIT, Math.min(TAIL_LIMIT, next));
}

function loseBy({ losses }: ConformalState, at: number, over: number, q: number): void {
  losses[at] = losses[at]! * LOSS_KEPT + (1 - LOSS_KEPT) * pinballLoss(over, q);
}

function pinballLoss(over: number, q: number): number {
  return over >= 0 ? q * over : (q - 1) * over;
}
