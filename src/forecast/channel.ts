import { roomOf } from '../numeric/together.ts';
import {
  type ConformalScratch,
  type ConformalState,
  conformalBytes,
  conformalState,
  pinballLoss,
  type Scored,
  scoreConformal,
  WATCHED,
} from './intervals.ts';
import { MIX_TUNING, type MixState, type MixTuning, mixed, mixState, mixWeights, scoreExperts } from './mix.ts';
import { compare, createSkill, type Skill } from './skill.ts';
import { MOST_VALUE } from './track.ts';
import { fromModel, type Transform } from './transform.ts';

/** Memory of the residuals behind the quantiles: a week, within these bounds. Fewer than 500 make the far quantiles uncertain. */
const RESIDUAL_DAYS = 7;
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
  readonly mix: MixState;
  readonly weights: Float64Array;
  readonly conformal: ConformalState;
  /** Undefined where nobody asks how the quantiles compare. */
  readonly skill: Skill | undefined;
  /** A slot for each waiting origin: the experts' predictions and the mix in model space, and both spreads. */
  readonly waiting: Float32Array;
  readonly waitingOrigins: Float64Array;
  /** The median and the 0.95 quantile said at each waiting origin, where they were not those around the mix; else NaN. */
  readonly served: Float64Array | undefined;
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
    tuning = MIX_TUNING,
    residualDays = RESIDUAL_DAYS,
    scratch,
    sparse = false,
  }: {
    readonly stride: number;
    readonly day: number;
    readonly warmUp: number;
    readonly naives: number;
    readonly tuning?: MixTuning;
    readonly residualDays?: number | undefined;
    readonly scratch: ConformalScratch;
    /** Whether other quantiles than those around the mix may be served. */
    readonly sparse?: boolean;
  },
): Channel {
  const slots = Math.floor(horizon / stride) + 2;
  const residuals = Math.max(LEAST_KEPT, Math.min(MOST_KEPT, Math.round((residualDays * day) / stride)));
  const compared = naives > 1 ? naives : 0;
  const doubles = experts + slots + 2 * tuning.memories.length * experts + compared + 1;
  const room = roomOf((1 + compared) * conformalBytes() + 8 * doubles + 4 * (slots * (experts + BESIDE) + 1));
  const channel = {
    horizon,
    warmUp,
    scored: 0,
    mix: mixState(experts, { horizon, day, stride }, tuning, room),
    weights: room.doubles(experts),
    conformal: conformalState(residuals, scratch, room),
    skill: naives > 1 ? createSkill(naives, { stride, day, residuals, scratch, room }) : undefined,
    waiting: room.singles(slots * (experts + BESIDE)),
    waitingOrigins: room.doubles(slots).fill(-1),
    served: sparse ? new Float64Array(2 * slots).fill(Number.NaN) : undefined,
    sums: { origins: 0, error: 0, naiveError: 0, watched: 0, covered: 0 },
  };
  mixWeights(channel.mix, channel.weights);
  return channel;
}

/** What is kept in a slot beside the experts' predictions. */
const BESIDE = 3;

/**
 * Keeps what is forecast at the `turn`-th scored origin until its truth is known.
 * @param predictions The experts' in model space: expert e's at `predictions[from + e * stride]`.
 */
export function awaitTruth(
  channel: Channel,
  { turn, origin }: { readonly turn: number; readonly origin: number },
  predictions: Float64Array,
  { from, stride }: { readonly from: number; readonly stride: number },
  { spreadZ, spreadY }: { readonly spreadZ: number; readonly spreadY: number },
): void {
  const { weights, waiting } = channel;
  const experts = weights.length;
  const z = mixed(weights, predictions, from, stride);
  if (Number.isNaN(z)) return;
  const slot = turn % channel.waitingOrigins.length;
  const at = slot * (experts + BESIDE);
  for (let e = 0; e < experts; e++) waiting[at + e] = predictions[from + e * stride]!;
  waiting[at + experts] = channel.scored < channel.warmUp ? Number.NaN : z;
  waiting[at + experts + 1] = spreadZ;
  waiting[at + experts + 2] = spreadY;
  channel.waitingOrigins[slot] = origin;
  channel.served?.fill(Number.NaN, 2 * slot, 2 * slot + 2);
}

/** Says which quantiles were served at an origin whose truth is awaited, in the series' unit, instead of those around the mix. */
export function awaitServed(
  { served, waitingOrigins }: Channel,
  { turn, origin }: { readonly turn: number; readonly origin: number },
  quantile: (q: number) => number,
): void {
  const slot = turn % waitingOrigins.length;
  if (served === undefined || waitingOrigins[slot] !== origin) return;
  served[2 * slot] = quantile(0.5);
  served[2 * slot + 1] = quantile(WATCHED);
}

/** How the quantiles did that were served, where those around the mix were not. */
function scoreServed(
  { served, skill }: Channel,
  slot: number,
  y: number,
  around: Scored | undefined,
): Scored | undefined {
  if (around === undefined || served === undefined || Number.isNaN(served[2 * slot + 1]!)) return around;
  const [median, upper] = [served[2 * slot]!, served[2 * slot + 1]!];
  const loss = pinballLoss(y - upper, WATCHED) + (skill !== undefined ? pinballLoss(y - median, 0.5) : 0);
  return { covered: y <= upper, loss };
}

/** Whether what was forecast at this origin waits for its truth. */
export function isWaiting(
  { waitingOrigins }: Channel,
  { turn, origin }: { readonly turn: number; readonly origin: number },
): boolean {
  return origin >= 0 && waitingOrigins[turn % waitingOrigins.length] === origin;
}

/** The error in model space, over the spread that was expected, of what waits for this truth; NaN where nothing does. */
export function scaledError(
  { weights, waiting, waitingOrigins }: Channel,
  { turn, origin }: { readonly turn: number; readonly origin: number },
  truthZ: number,
): number {
  const slot = turn % waitingOrigins.length;
  if (waitingOrigins[slot] !== origin) return Number.NaN;
  const at = slot * (weights.length + BESIDE) + weights.length;
  return (truthZ - waiting[at]!) / waiting[at + 1]!;
}

/** A truth in model space and in the series' unit (NaN: it never came), with the naive forecasts of its origin. */
export interface Truth {
  readonly z: number;
  readonly y: number;
  readonly naives: readonly number[];
  /** The first of the naive forecasts in the series' unit. */
  readonly naiveY: number;
}

/** Scores what was forecast at the `turn`-th scored origin, now that its truth is there. */
export function settle(
  channel: Channel,
  { turn, origin }: { readonly turn: number; readonly origin: number },
  truth: Truth,
  transform: Transform,
): void {
  const { weights, waiting, waitingOrigins } = channel;
  const experts = weights.length;
  const slot = turn % waitingOrigins.length;
  if (waitingOrigins[slot] !== origin) return;
  waitingOrigins[slot] = -1;
  if (Number.isNaN(truth.z)) return;
  const at = slot * (experts + BESIDE);
  const { own } = channel.mix;
  for (let e = 0; e < experts; e++) own[e] = errorOf(fromModel(transform, waiting[at + e]!), truth.y);
  scoreExperts(channel.mix, own);
  mixWeights(channel.mix, weights);
  channel.scored++;

  const z = waiting[at + experts]!;
  if (Number.isNaN(z)) return;
  const footing = { z, spreadZ: waiting[at + experts + 1]!, spreadY: waiting[at + experts + 2]! };
  const { sums, conformal, skill } = channel;
  sums.origins++;
  sums.error += errorOf(fromModel(transform, z), truth.y);
  sums.naiveError += errorOf(truth.naiveY, truth.y);
  const around = scoreConformal(conformal, transform, footing, truth, skill !== undefined);
  const scored = scoreServed(channel, slot, truth.y, around);
  if (skill !== undefined) compare(skill, scored, transform, footing, truth);
  if (scored === undefined) return;
  sums.watched++;
  if (scored.covered) sums.covered++;
}

/** Bounded, so that sums of errors stay finite. */
function errorOf(forecast: number, truth: number): number {
  return Math.min(MOST_VALUE, Math.abs(forecast - truth));
}
