import { awaitTruth, isWaiting, scaledError, settle } from './channel.ts';
import { isScored, risingAt, type State, waitingAt } from './forecaster-state.ts';
import { farChannel, hourFactor, spreadsAt, stepHours, takeError } from './hours.ts';
import { largestIn, largestKnown } from './largest.ts';
import { predictAll } from './predict-all.ts';
import { type Rises, refitRises, spreadsBeforeRise } from './rises.ts';
import { serveSparse, sparseIsBetter, takeSparse } from './sparse.ts';
import { closeSpecials, takeValue } from './special-effects.ts';
import { isKnown, isOrdinary, valueAt } from './track.ts';
import { fromModel } from './transform.ts';
import { appendVolatility, spreads } from './volatility.ts';

/** A step's error is compared with that of the last value only, its quantiles with none. */
const NO_NAIVES: readonly number[] = [];
/** Values that come at once from which a batch is worth its making. */
const LEAST_BATCH = 8;

/** Learns from what came since the last refit. */
export function refit(state: State): void {
  for (const model of state.models) model.refit(state.track);
  for (const model of state.peakModels) model.refit(state.track);
  if (state.rises !== undefined) refitRises(state.rises, state.track);
}

/** Values in, each scored; models that work in batches hear of the origins first. */
export function advanceScored(state: State, values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; ) {
    const end = i + batchLength(state, values.length - i);
    if (end - i >= LEAST_BATCH) prepareModels(state, values, i, end);
    for (; i < end; i++) advance(state, values[i]!, true);
  }
}

/** A batch ends where a special time does: what its values are to the origins after it is not known before. */
function batchLength({ track }: State, most: number): number {
  closeSpecials(track);
  const { windows, next } = track.specials ?? { windows: [], next: 0 };
  return Math.min(most, (windows[next]?.to ?? Infinity) - track.length);
}

/** Shows the models the values to come, of [from, to), origins and all, and then takes the values back. */
function prepareModels(state: State, values: ArrayLike<number>, from: number, to: number): void {
  const { track, models, peakModels } = state;
  const preparing = [...models, ...peakModels].filter((model) => model.prepare !== undefined);
  if (preparing.length === 0) return;
  const { length, gap, negative } = track;
  const origins: number[] = [];
  for (let i = from; i < to; i++) {
    takeValue(track, values[i]!);
    const now = track.length - 1;
    if (isScored(state, now) && isKnown(track, now)) origins.push(now);
  }
  for (const model of preparing) model.prepare!(track, Int32Array.from(origins));
  track.length = length;
  track.gap = gap;
  track.negative = negative;
}

/** One value in: what waited for it is scored, and where this is a scored origin, forecasts start to wait. */
export function advance(state: State, value: number, scored: boolean): void {
  const { track } = state;
  closeSpecials(track);
  takeValue(track, value);
  appendVolatility(state.volatility, track);
  for (const model of state.running) model.append!(track);
  const now = track.length - 1;
  if (state.sparse !== undefined && isOrdinary(track, now)) {
    takeSparse(state.sparse, now, value, scored && now % state.stride === 0);
  }
  if (!scored) return;
  const z = isOrdinary(track, now) ? track.z[now]! : Number.NaN;
  const y = valueAt(track, now);
  const { hours, channels } = state;
  const far = farChannel(channels);
  for (const channel of channels) {
    const origin = now - channel.horizon;
    if (!isScored(state, origin)) continue;
    const truth = { z, y, naives: NO_NAIVES, naiveY: fromModel(track.transform, track.z[origin]!) };
    const waiting = waitingAt(state, origin);
    if (channel === channels[0]) takeError(hours.near, track, now, scaledError(channel, waiting, z));
    if (channel === far) takeError(hours.far, track, now, scaledError(channel, waiting, z));
    settle(channel, waiting, truth, track.transform);
  }
  settlePeak(state, now);
  if (isScored(state, now) && isKnown(track, now)) awaitAll(state, now);
  if (state.rises !== undefined && isKnown(track, now)) awaitRise(state, state.rises, now);
}

function settlePeak(state: State, now: number): void {
  const { track, peakChannel, rises } = state;
  const window = peakChannel.horizon;
  const origin = now - window;
  const scored = isScored(state, origin);
  const rising = rises !== undefined && isWaiting(rises.channel, risingAt(state, origin));
  if (!scored && !rising) return;
  const { transform } = track;
  const z = largestKnown(track, origin + 1, now + 1);
  const naives = [largestIn(track, origin + 1 - window, origin + 1), track.z[origin]!];
  const truth = { z, y: fromModel(transform, z), naives, naiveY: fromModel(transform, naives[0]!) };
  if (scored) {
    takeError(state.hours.peak, track, now, scaledError(peakChannel, waitingAt(state, origin), z));
    settle(peakChannel, waitingAt(state, origin), truth, transform);
  }
  if (rising) settle(rises.channel, risingAt(state, origin), truth, transform);
}

function awaitAll(state: State, origin: number): void {
  const { knots, channels, peakChannel, track, sparse, hours } = state;
  const spread = spreads(state.volatility);
  const waiting = waitingAt(state, origin);
  const all = predictAll(state.models, track, origin, knots);
  for (let k = 0; k < channels.length; k++) {
    const factor = hourFactor(stepHours(hours, channels, knots[k]!), track, origin + knots[k]!);
    awaitTruth(channels[k]!, waiting, all, { from: k, stride: knots.length }, spreadsAt(spread, factor));
  }
  const peaks = predictAll(state.peakModels, track, origin, state.peakWindow);
  const factor = hourFactor(hours.peak, track, origin + peakChannel.horizon);
  awaitTruth(peakChannel, waiting, peaks, { from: 0, stride: 1 }, spreadsAt(spread, factor));
  if (sparse !== undefined && sparseIsBetter(sparse, channels[0]!)) {
    serveSparse(sparse, waiting, { steps: channels, peak: peakChannel });
  }
}

function awaitRise(state: State, rises: Rises, origin: number): void {
  const { track, volatility, peakModels, peakWindow } = state;
  const spread = spreadsBeforeRise(rises, track, origin, spreads(volatility));
  if (spread === undefined) return;
  const peaks = predictAll(peakModels, track, origin, peakWindow);
  awaitTruth(rises.channel, risingAt(state, origin), peaks, { from: 0, stride: 1 }, spread);
}
