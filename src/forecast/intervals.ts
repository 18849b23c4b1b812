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
 * where plain differences do not, so each route is weighted by the pinball loss that it had.
 */
const ROUTES = ['proportional-scaled', 'proportional', 'additive-scaled', 'additive'] as const;

/** Past residuals of the deployed mix at one horizon, and how the quantiles made from them did. Plain data. */
export interface ConformalState {
  /** Scores of each route, a window of origins each. */
  readonly scores: readonly SortedWindow[];
  /** Decayed pinball losses of each route: at 0.95, then at 0.05. */
  readonly losses: Float64Array;
  /** Log factors on the upper and lower tail's probability: adaptive conformal inference. */
  readonly tails: Float64Array;
}

const WATCHED = 0.95;
const LOSS_KEPT = 0.99;
const LOSS_POWER = 3;
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

/** The value below which the truth lies with probability `q`, by all routes together. NaN until a residual is known. */
export function conformalQuantile(
  states: readonly [ConformalState, ConformalState],
  share: number,
  transform: Transform,
  footing: Footing,
  q: number,
): number {
  let sum = 0;
  let total = 0;
  const upper = q >= 0.5;
  for (let route = 0; route < ROUTES.length; route++) {
    const value = routeQuantile(states, share, transform, footing, q, route);
    const loss = states[0].losses[upper ? route : ROUTES.length + route]!;
    const weight = loss > 0 ? loss ** -LOSS_POWER : 1e30;
    sum += weight * value;
    total += weight;
  }
  return sum / total;
}

function routeQuantile(
  [low, high]: readonly [ConformalState, ConformalState],
  share: number,
  transform: Transform,
  { z, spreadZ, spreadY }: Footing,
  q: number,
  route: number,
): number {
  let score = scoreQuantile(low, q, route);
  if (share > 0) score += share * (scoreQuantile(high, q, route) - score);
  if (route === 0) return fromModel(transform, z + score * spreadZ);
  if (route === 1) return fromModel(transform, z + score);
  return fromModel(transform, z) + (route === 2 ? score * spreadY : score);
}

function scoreQuantile({ scores, tails }: ConformalState, q: number, route: number): number {
  const { sorted, count } = scores[route]!;
  const upper = q >= 0.5;
  const tail = Math.min(0.5, (upper ? 1 - q : q) * Math.exp(tails[upper ? 0 : 1]!));
  // One more residual is to come: the finite-sample correction of split conformal prediction.
  const beyond = Math.max(0, tail * (count + 1) - 1) / Math.max(1, count - 1);
  return quantileSorted(sorted, count, upper ? 1 - beyond : beyond);
}

/** Takes a truth in: scores the quantiles that were made without it, then adds its residual. */
export function scoreConformal(
  state: ConformalState,
  transform: Transform,
  footing: Footing,
  truthZ: number,
  truthY: number,
): void {
  const pair = [state, state] as const;
  if (state.scores[0]!.count >= 20) {
    adaptTail(state, 0, truthY > conformalQuantile(pair, 0, transform, footing, WATCHED));
    adaptTail(state, 1, truthY < conformalQuantile(pair, 0, transform, footing, 1 - WATCHED));
    for (let route = 0; route < ROUTES.length; route++) {
      loseBy(state, route, truthY - routeQuantile(pair, 0, transform, footing, WATCHED, route), WATCHED);
      const below = truthY - routeQuantile(pair, 0, transform, footing, 1 - WATCHED, route);
      loseBy(state, ROUTES.length + route, below, 1 - WATCHED);
    }
  }
  const residualZ = truthZ - footing.z;
  const residualY = truthY - fromModel(transform, footing.z);
  appendSorted(state.scores[0]!, residualZ / footing.spreadZ);
  appendSorted(state.scores[1]!, residualZ);
  appendSorted(state.scores[2]!, residualY / footing.spreadY);
  appendSorted(state.scores[3]!, residualY);
}

/** A miss makes the tail's share smaller (the interval wider), a hit a little larger, level at the nominal rate. */
function adaptTail({ tails }: ConformalState, side: 0 | 1, missed: boolean): void {
  const next = tails[side]! + TAIL_RATE * (1 - WATCHED - (missed ? 1 : 0));
  tails[side] = Math.max(-TAIL_LIMIT, Math.min(TAIL_LIMIT, next));
}

function loseBy({ losses }: ConformalState, at: number, over: number, q: number): void {
  losses[at] = losses[at]! * LOSS_KEPT + (1 - LOSS_KEPT) * (over >= 0 ? q * over : (q - 1) * over);
}
