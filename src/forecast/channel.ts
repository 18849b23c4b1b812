import { type ConformalState, conformalQuantile, conformalState, type Footing, scoreConformal } from './intervals.ts';
import { type MixState, mixed, mixState, mixWeights, scoreExperts } from './mix.ts';
import { fromModel, type Transform } from './transform.ts';

/** Origins kept behind the quantiles. */
const RESIDUALS = 1000;
/** Quantiles mean something from this many residuals on. */
export const LEAST_RESIDUALS = 20;

/**
 * One question about the future, a step ahead or the peak of a window: the experts' weights, the residuals of their mix,
 * and the forecasts that still wait for their truth. Plain data.
 */
export interface Channel {
  readonly horizon: number;
  readonly mix: MixState;
  readonly weights: Float64Array;
  readonly conformal: ConformalState;
  /** A slot for each waiting origin: the experts' predictions and the mix in model space, both spreads. */
  readonly waiting: Float64Array;
  readonly waitingOrigins: Float64Array;
  readonly sums: ChannelSums;
}

/** Sums over scored origins: errors of the mix and of the last value, and how often the 0.95 quantile held. */
export interface ChannelSums {
  origins: number;
  error: number;
  lastError: number;
  watched: number;
  covered: number;
}

export function createChannel(experts: number, horizon: number, stride: number): Channel {
  const slots = Math.floor(horizon / stride) + 2;
  const channel = {
    horizon,
    mix: mixState(experts),
    weights: new Float64Array(experts),
    conformal: conformalState(RESIDUALS),
    waiting: new Float64Array(slots * (experts + 3)),
    waitingOrigins: new Float64Array(slots).fill(-1),
    sums: { origins: 0, error: 0, lastError: 0, watched: 0, covered: 0 },
  };
  mixWeights(channel.mix, channel.weights);
  return channel;
}

/** Keeps what is forecast at the `turn`-th scored origin until its truth is known. */
export function awaitTruth(
  channel: Channel,
  turn: number,
  origin: number,
  predictions: Float64Array,
  footing: Footing,
): void {
  const experts = channel.weights.length;
  const slot = turn % channel.waitingOrigins.length;
  const at = slot * (experts + 3);
  channel.waiting.set(predictions, at);
  channel.waiting[at + experts] = footing.z;
  channel.waiting[at + experts + 1] = footing.spreadZ;
  channel.waiting[at + experts + 2] = footing.spreadY;
  channel.waitingOrigins[slot] = origin;
}

/** Scores what was forecast at the `turn`-th scored origin, now that its truth is there. NaN: it never came. */
export function settle(
  channel: Channel,
  turn: number,
  origin: number,
  truth: { readonly z: number; readonly lastZ: number },
  context: { readonly transform: Transform; readonly kept: number },
): void {
  const experts = channel.weights.length;
  const slot = turn % channel.waitingOrigins.length;
  if (channel.waitingOrigins[slot] !== origin) return;
  channel.waitingOrigins[slot] = -1;
  if (Number.isNaN(truth.z)) return;
  const { transform, kept } = context;
  const at = slot * (experts + 3);
  const truthY = fromModel(transform, truth.z);
  const errors = new Float64Array(experts);
  for (let e = 0; e < experts; e++) errors[e] = Math.abs(fromModel(transform, channel.waiting[at + e]!) - truthY);
  scoreExperts(channel.mix, errors, kept);
  mixWeights(channel.mix, channel.weights);

  const z = channel.waiting[at + experts]!;
  const footing = { z, spreadZ: channel.waiting[at + experts + 1]!, spreadY: channel.waiting[at + experts + 2]! };
  const { sums, conformal } = channel;
  sums.origins++;
  sums.error += Math.abs(fromModel(transform, z) - truthY);
  sums.lastError += Math.abs(fromModel(transform, truth.lastZ) - truthY);
  if (conformal.scores[0]!.count >= LEAST_RESIDUALS) {
    sums.watched++;
    if (truthY <= conformalQuantile([conformal, conformal], 0, transform, footing, 0.95)) sums.covered++;
  }
  scoreConformal(conformal, transform, footing, truth.z, truthY);
}

/** The mix of what the experts say, in model space. */
export function mixOf(channel: Channel, predictions: Float64Array): number {
  return mixed(channel.weights, predictions, 0, 1);
}
