import { type ConformalState, conformalState, type Footing, scoreConformal, TAILS_AND_MEDIAN } from './intervals.ts';
import { type MixState, mixState, mixWeights, scoreExperts } from './mix.ts';
import { compare, createSkill, type Skill } from './skill.ts';
import { fromModel, type Transform } from './transform.ts';

/** An expert's errors are remembered for six hours of the day, or for this many horizons where that is longer. */
const MEMORY_HORIZONS = 6;
/** Residuals kept behind the quantiles: a week's, within these bounds. Fewer than 500 make the far quantiles uncertain. */
const LEAST_KEPT = 504;
const MOST_KEPT = 2016;

/**
 * One question about the future, a step ahead or the peak of a window: the experts' weights, the residuals of their mix,
 * and the forecasts that still wait for their truth. Plain data.
 */
export interface Channel {
  readonly horizon: number;
  /** Scored origins before which the weights are a guess: forecasts made until then train the mix, but are not judged. */
  readonly warmUp: number;
  scored: number;
  /** What an expert's error keeps of its weight per scored origin. */
  readonly kept: number;
  readonly mix: MixState;
  readonly weights: Float64Array;
  readonly conformal: ConformalState;
  /** Undefined where nobody asks how the quantiles compare. */
  readonly skill: Skill | undefined;
  /** A slot for each waiting origin: the experts' predictions and the mix in model space, both spreads. */
  readonly waiting: Float64Array;
  readonly waitingOrigins: Float64Array;
  readonly sums: ChannelSums;
}

/** Sums over scored origins: errors of the mix and of the naive forecast, and how often the 0.95 quantile held. */
export interface ChannelSums {
  origins: number;
  error: number;
  naiveError: number;
  watched: number;
  covered: number;
}

/** @param naives Naive forecasts to compare with: the error with the first, the quantiles with all where there are several. */
export function createChannel(
  experts: number,
  horizon: number,
  {
    stride,
    day,
    warmUp,
    naives,
  }: { readonly stride: number; readonly day: number; readonly warmUp: number; readonly naives: number },
): Channel {
  const slots = Math.floor(horizon / stride) + 2;
  const memory = Math.max(MEMORY_HORIZONS * horizon, day / 4);
  const residuals = Math.max(LEAST_KEPT, Math.min(MOST_KEPT, Math.round((7 * day) / stride)));
  const channel = {
    horizon,
    warmUp,
    scored: 0,
    kept: Math.exp(-stride / memory),
    mix: mixState(experts),
    weights: new Float64Array(experts),
    conformal: conformalState(residuals),
    skill: naives > 1 ? createSkill(naives, { stride, day, residuals }) : undefined,
    waiting: new Float64Array(slots * (experts + 3)),
    waitingOrigins: new Float64Array(slots).fill(-1),
    sums: { origins: 0, error: 0, naiveError: 0, watched: 0, covered: 0 },
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
  channel.waiting[at + experts] = channel.scored < channel.warmUp ? Number.NaN : footing.z;
  channel.waiting[at + experts + 1] = footing.spreadZ;
  channel.waiting[at + experts + 2] = footing.spreadY;
  channel.waitingOrigins[slot] = origin;
}

/**
 * Scores what was forecast at the `turn`-th scored origin, now that its truth is there. NaN: it never came. The naive
 * forecasts are those of the origin, in model space.
 */
export function settle(
  channel: Channel,
  turn: number,
  origin: number,
  truth: { readonly z: number; readonly naives: readonly number[] },
  transform: Transform,
): void {
  const experts = channel.weights.length;
  const slot = turn % channel.waitingOrigins.length;
  if (channel.waitingOrigins[slot] !== origin) return;
  channel.waitingOrigins[slot] = -1;
  if (Number.isNaN(truth.z)) return;
  const at = slot * (experts + 3);
  const truthY = fromModel(transform, truth.z);
  const errors = new Float64Array(experts);
  for (let e = 0; e < experts; e++) errors[e] = Math.abs(fromModel(transform, channel.waiting[at + e]!) - truthY);
  scoreExperts(channel.mix, errors, channel.kept);
  mixWeights(channel.mix, channel.weights);
  channel.scored++;

  const z = channel.waiting[at + experts]!;
  if (Number.isNaN(z)) return;
  const footing = { z, spreadZ: channel.waiting[at + experts + 1]!, spreadY: channel.waiting[at + experts + 2]! };
  const { sums, conformal, skill } = channel;
  sums.origins++;
  sums.error += Math.abs(fromModel(transform, z) - truthY);
  sums.naiveError += Math.abs(fromModel(transform, truth.naives[0]!) - truthY);
  const scored = scoreConformal(conformal, transform, footing, truth.z, truthY, skill && TAILS_AND_MEDIAN);
  if (skill !== undefined) compare(skill, scored, transform, footing, truth, truthY);
  if (scored === undefined) return;
  sums.watched++;
  if (scored.covered) sums.covered++;
}
