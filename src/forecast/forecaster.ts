import type { Forecast, NoForecast, PeakForecast } from '../model/forecast.ts';
import type { RegularSeries } from '../model/series.ts';
import { DAY, MINUTE, WEEK } from '../model/time.ts';
import { accuracyOf } from './accuracy.ts';
import type { SeriesCalendar } from './calendar.ts';
import { awaitTruth, type Channel, createChannel, settle } from './channel.ts';
import { fanOf, spreadFan } from './intervals.ts';
import { knotsUpTo, placeBetween } from './knots.ts';
import { localClock } from './local-clock.ts';
import { mixed, PEAK_MIX_TUNING } from './mix.ts';
import { defaultModels } from './models/default-models.ts';
import { demandQuantile } from './models/intermittent.ts';
import type { Model, ModelContext } from './models/model.ts';
import { largestIn, largestKnown, peakModels } from './peak.ts';
import type { Regressor } from './regressor/regressor.ts';
import { type Learnt, openState, type StateFacts, type StateOwner, writeState } from './saved-state.ts';
import { findSeasons } from './seasonality.ts';
import { isSparse, type SparseQuantiles, sparseIsBetter, sparseQuantiles, takeSparse } from './sparse.ts';
import { asSpecial, closeSpecials, effectAt, largestEffect, takeValue } from './special-effects.ts';
import { isSpecial, specialsOf } from './special-times.ts';
import { DamagedStateError } from './state-bytes.ts';
import { createTrack, isKnown, isOrdinary, MOST_VALUE, type Track, valueAt } from './track.ts';
import { fitTransform, fromModel } from './transform.ts';
import { appendVolatility, createVolatility, spreads, type Volatility } from './volatility.ts';

export interface ForecasterOptions extends Network {
  /** Steps ahead. */
  readonly horizonSteps: number;
  /** The window of the peak forecast: lead time plus refresh. */
  readonly peakWindowMs: number;
  /** Quantiles wanted, of each step and of the peak; 0.01 to 0.99. The default has what plans and pictures need. */
  readonly quantiles?: readonly number[];
  /** Season lengths in steps; `auto` takes the calendar's and what is found. */
  readonly seasons?: 'auto' | readonly number[];
  /** Names of the models that may take part; all by default. Names that this series has no model for are ignored. */
  readonly models?: readonly string[];
  /** Local time and special days; without it seasons are those of UTC. */
  readonly calendar?: SeriesCalendar;
}

/** The global network, where there is one: one more expert. It is not plain data: each thread opens its own. */
export interface Network {
  readonly regressor?: Regressor;
}

/** Follows one series: takes new values in, learns again when told to, and forecasts at any moment. */
export interface Forecaster {
  /** Names of the models in the mix. */
  readonly models: readonly string[];
  /** Takes the values of the next steps in (NaN: a gap): scores the forecasts that waited for them. No refit. */
  update(values: ArrayLike<number>): void;
  /** Learns from what came since the last refit. Once a day is enough. */
  refit(): void;
  /** The future as seen after the last value. */
  predict(): Forecast;
  /** Everything learnt, versioned, in at most 64 KiB; not the history. `restoreForecaster` takes it up. */
  save(): Uint8Array;
}

export type FitResult =
  | { readonly kind: 'fitted'; readonly forecaster: Forecaster }
  | Extract<NoForecast, { kind: 'insufficient-history' | 'no-data' }>;

const DEFAULT_QUANTILES = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.8, 0.9, 0.95, 0.975, 0.99] as const;
/** Known values below which there is nothing to learn from. */
const LEAST_VALUES = 12;
/** The share of the history, and the time, over which the deployed mix is replayed for its weights and residuals. */
const REPLAYED_SHARE = 0.5;
const REPLAYED_MS = 14 * DAY;
/** A step's error is compared with that of the last value only, its quantiles with none. */
const NO_NAIVES: readonly number[] = [];
/** Values that come at once from which a batch is worth its making. */
const LEAST_BATCH = 8;
/** Time between two scored origins where steps are finer. */
const SCORED_EVERY_MS = 5 * MINUTE;

/**
 * Fits everything on a history: the models, and by replaying the last part of the history value by value, refitting
 * daily, the mix's weights, its residuals and its accuracy. What the forecaster is afterwards is what it would be had it
 * run all along.
 *
 * @throws {RangeError} If an option is out of its range.
 */
export function fitForecaster(history: RegularSeries, options: ForecasterOptions): FitResult {
  checkOptions(history, options);
  const known = history.values.reduce((count, value) => (Number.isFinite(value) ? count + 1 : count), 0);
  if (known === 0) return { kind: 'no-data' };
  const { stepMs, values } = history;
  if (known < LEAST_VALUES) {
    return { kind: 'insufficient-history', haveMs: values.length * stepMs, needMs: LEAST_VALUES * stepMs };
  }
  const state = createState(history, options, factsOf(history, options));
  const from = replayFrom(values.length, stepMs);
  for (let t = 0; t < from; t++) advance(state, values[t]!, false);
  for (let t = from; t < values.length; t += state.refitEvery) {
    refit(state);
    advanceScored(state, values.subarray(t, t + state.refitEvery));
  }
  refit(state);
  return { kind: 'fitted', forecaster: forecasterOf(state) };
}

function forecasterOf(state: State): Forecaster {
  return {
    models: state.models.map(({ name }) => name),
    update(added) {
      advanceScored(state, added);
    },
    refit: () => refit(state),
    predict: () => predict(state),
    save: () => saveState(state),
  };
}

/** A state that cannot be taken up: it is of another version, damaged, for other options, or the history does not fit. */
export interface UnusableState {
  readonly kind: 'unusable';
  readonly reason: string;
}

/**
 * Takes up a saved state. The history is the recent series: it has to reach back one and a half of the longest seasons (or to
 * the saved start) before the saved end, and may go on after it; what came after is taken in as updates. Right after, the
 * forecast is the one that the saved forecaster would make, to about a hundred-thousandth.
 *
 * @throws {RangeError} If an option is out of its range.
 */
export function restoreForecaster(
  saved: Uint8Array,
  history: RegularSeries,
  options: ForecasterOptions,
): FitResult | UnusableState {
  checkOptions(history, options);
  try {
    return { kind: 'fitted', forecaster: forecasterOf(restoreState(saved, history, options)) };
  } catch (error) {
    if (error instanceof DamagedStateError) return { kind: 'unusable', reason: error.message };
    throw error;
  }
}

function restoreState(saved: Uint8Array, history: RegularSeries, options: ForecasterOptions): State {
  const { stepMs, values } = history;
  const { facts, takeUp } = openState(saved, ownerOf(options, stepMs));
  const from = Math.max(0, (facts.start - history.start) / stepMs);
  const end = (facts.end - history.start) / stepMs;
  if (!Number.isInteger(from) || !Number.isInteger(end)) throw new DamagedStateError('the history is on another grid');
  if (end >= values.length) throw new DamagedStateError('the history ends before the state');
  const start = history.start + from * stepMs;
  const localStart = start + offsetAt(options.calendar, start);
  const state = createState({ start, stepMs, values: values.subarray(from) }, options, {
    ...facts,
    start,
    localStart,
    dropped: facts.dropped + (start - facts.start) / stepMs,
    phase: facts.phase + Math.round((localStart - facts.localStart) / stepMs),
  });
  const need = Math.min(facts.end - facts.start, 1.5 * (state.context.cycles.at(-1) ?? 0) * stepMs);
  if (facts.end - start < need) throw new DamagedStateError('the history does not reach back far enough');
  const { track } = state;
  for (let t = from; t <= end; t++) {
    closeSpecials(track);
    takeValue(track, values[t]!);
    const now = track.length - 1;
    if (state.sparse !== undefined && isOrdinary(track, now)) takeSparse(state.sparse, now, values[t]!, true);
  }
  track.negative = facts.negative;
  const all = learntOf(state);
  const again = takeUp(all, (model, bytes) => model.restore?.(bytes, track) ?? false, track.length - 1);
  learnAgain(again, track);
  advanceScored(state, values.subarray(end + 1));
  return state;
}

/** Models without a state of their own see the values once more, one by one. */
function learnAgain(models: readonly Model[], track: Track): void {
  const { length } = track;
  const running = models.filter((model) => model.append !== undefined);
  if (running.length > 0) {
    for (track.length = 1; track.length <= length; track.length++) for (const model of running) model.append!(track);
    track.length = length;
  }
  for (const model of models) model.refit(track);
}

function saveState(state: State): Uint8Array {
  const { facts, track, stepMs } = state;
  const end = facts.start + (track.length - 1) * stepMs;
  const learned = track.specials?.learned ?? [];
  return writeState(state.owner, { ...facts, end, negative: track.negative, learned }, learntOf(state), track);
}

function learntOf({ volatility, channels, peakChannel, models, peakModels }: State): Learnt {
  return { volatility, channels: [...channels, peakChannel], models: [...models, ...peakModels] };
}

function ownerOf(options: ForecasterOptions, stepMs: number): StateOwner {
  const { horizonSteps, peakWindowMs, seasons = 'auto', models = 'all', calendar } = options;
  return { stepMs, horizonSteps, peakWindowMs, seasons, models, local: calendar !== undefined };
}

/** What a cold fit starts from. */
function factsOf(history: RegularSeries, options: ForecasterOptions): StateFacts {
  const { seasons = 'auto', calendar } = options;
  const { start, values, stepMs } = history;
  return {
    transform: fitTransform(
      values.map((value) => (Number.isFinite(value) ? within(-MOST_VALUE, value, MOST_VALUE) : value)),
    ),
    historyLength: values.length,
    seasons:
      seasons === 'auto' ? findSeasons(history).map(({ length }) => length) : covered(options, stepMs, values.length),
    start,
    localStart: start + offsetAt(calendar, start),
    end: start + (values.length - 1) * stepMs,
    dropped: 0,
    learned: [],
    phase: 0,
    negative: false,
    sparse: isSparse(values),
  };
}

function offsetAt(calendar: SeriesCalendar | undefined, time: number): number {
  const { offsets } = calendar ?? { offsets: [] };
  return (offsets.findLast(({ from }) => from <= time) ?? offsets[0])?.offsetMs ?? 0;
}

/** The first value that the deployed mix is replayed on. */
function replayFrom(length: number, stepMs: number): number {
  return Math.floor(Math.max(length * (1 - REPLAYED_SHARE), length - REPLAYED_MS / stepMs));
}

interface State {
  readonly owner: StateOwner;
  readonly facts: StateFacts;
  readonly context: ModelContext;
  readonly stepMs: number;
  readonly peakWindowMs: number;
  readonly horizons: Int32Array;
  readonly knots: Int32Array;
  readonly peakWindow: Int32Array;
  readonly quantiles: readonly number[];
  readonly track: Track;
  readonly volatility: Volatility;
  readonly models: readonly Model[];
  readonly peakModels: readonly Model[];
  /** Undefined where the series is not zero on many steps. */
  readonly sparse: SparseQuantiles | undefined;
  /** Those of both kinds whose state runs along. */
  readonly running: readonly Model[];
  readonly channels: readonly Channel[];
  readonly peakChannel: Channel;
  /** Steps between scored origins, and between refits in the replay. */
  readonly stride: number;
  readonly refitEvery: number;
}

function createState(history: RegularSeries, options: ForecasterOptions, facts: StateFacts): State {
  const { stepMs, values, start } = history;
  const { historyLength } = facts;
  const { horizonSteps, peakWindowMs } = options;
  const peakWindow = Int32Array.of(Math.max(1, Math.round(peakWindowMs / stepMs)));
  const cycles = covered(options, stepMs, historyLength);
  const day = cycles[0] ?? 24;
  // A regression's coefficients change smoothly over half an hour of the day, not over a quarter of it.
  const maxGap = Math.max(1, Math.floor(day / 48));
  const knots = knotsUpTo(horizonSteps, maxGap);
  const sparse = facts.sparse ? sparseQuantiles(day) : undefined;
  const context: ModelContext = {
    sparse: sparse !== undefined,
    ...{ stepMs, knots, maxGap, cycles, historyLength },
    ...(options.regressor && { regressor: options.regressor }),
  };
  const models = chosen(defaultModels(context), options.models);
  const peaks = peakModels({ ...context, knots: peakWindow });
  const clock = options.calendar && localClock(options.calendar, start, stepMs);
  const specials = options.calendar && specialsOf(options.calendar, history, facts.learned);
  const stride = Math.max(1, Math.round(SCORED_EVERY_MS / stepMs));
  const replayed = historyLength - replayFrom(historyLength, stepMs);
  const scoring = { stride, day, warmUp: Math.round(Math.min(day, replayed / 8) / stride) };
  return {
    owner: ownerOf(options, stepMs),
    facts,
    context,
    stepMs,
    peakWindowMs,
    horizons: Int32Array.from({ length: horizonSteps }, (_, i) => i + 1),
    knots,
    peakWindow,
    quantiles: [...new Set(options.quantiles ?? DEFAULT_QUANTILES)].sort((a, b) => a - b),
    track: createTrack(facts.transform, cycles[0] ?? 0, values.length + 64, { clock, phase: facts.phase, specials }),
    volatility: createVolatility(day),
    models,
    peakModels: peaks,
    sparse,
    running: [...models, ...peaks].filter((model) => model.append !== undefined),
    channels: Array.from(knots, (knot) => createChannel(models.length, knot, { ...scoring, naives: 1 })),
    peakChannel: createChannel(peaks.length, peakWindow[0]!, { ...scoring, naives: 2, tuning: PEAK_MIX_TUNING }),
    stride,
    refitEvery: Math.max(day, 24),
  };
}

function chosen(models: readonly Model[], names: readonly string[] | undefined): readonly Model[] {
  const kept = names === undefined ? models : models.filter(({ name }) => names.includes(name));
  return kept.length > 0 ? kept : models.slice(0, 1);
}

/** Seasons of which there are two. */
function covered(options: ForecasterOptions, stepMs: number, historyLength: number): readonly number[] {
  return cyclesOf(options, stepMs).filter((cycle) => cycle >= 2 && historyLength >= 2 * cycle);
}

function cyclesOf({ seasons = 'auto' }: ForecasterOptions, stepMs: number): readonly number[] {
  if (seasons !== 'auto') return [...seasons].sort((a, b) => a - b);
  return [Math.round(DAY / stepMs), Math.round(WEEK / stepMs)];
}

function refit(state: State): void {
  for (const model of state.models) model.refit(state.track);
  for (const model of state.peakModels) model.refit(state.track);
}

/** Values in, each scored; models that work in batches hear of the origins first. */
function advanceScored(state: State, values: ArrayLike<number>): void {
  if (values.length >= LEAST_BATCH) prepareModels(state, values);
  for (let i = 0; i < values.length; i++) advance(state, values[i]!, true);
}

/** Shows the models the values to come, origins and all, and then takes the values back. */
function prepareModels(state: State, values: ArrayLike<number>): void {
  const { track, models, peakModels } = state;
  const preparing = [...models, ...peakModels].filter((model) => model.prepare !== undefined);
  if (preparing.length === 0) return;
  const { length, gap, negative } = track;
  const origins: number[] = [];
  for (let i = 0; i < values.length; i++) {
    takeValue(track, values[i]!);
    if (isScored(state, length + i) && isKnown(track, length + i)) origins.push(length + i);
  }
  for (const model of preparing) model.prepare!(track, Int32Array.from(origins));
  track.length = length;
  track.gap = gap;
  track.negative = negative;
}

/** One value in: what waited for it is scored, and where this is a scored origin, forecasts start to wait. */
function advance(state: State, value: number, scored: boolean): void {
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
  for (const channel of state.channels) {
    const origin = now - channel.horizon;
    if (!isScored(state, origin)) continue;
    const truth = { z, y, naives: NO_NAIVES, naiveY: fromModel(track.transform, track.z[origin]!) };
    settle(channel, waitingAt(state, origin), truth, track.transform);
  }
  settlePeak(state, now);
  if (isScored(state, now) && isKnown(track, now)) awaitAll(state, now);
}

/** Every so many steps of the whole series, whatever of it was dropped. */
function isScored({ facts, stride }: Pick<State, 'facts' | 'stride'>, origin: number): boolean {
  return origin >= 0 && (facts.dropped + origin) % stride === 0;
}

function waitingAt({ facts, stride }: State, origin: number): { turn: number; origin: number } {
  return { turn: (facts.dropped + origin) / stride, origin };
}

function settlePeak(state: State, now: number): void {
  const { track, peakChannel } = state;
  const window = peakChannel.horizon;
  const origin = now - window;
  if (!isScored(state, origin)) return;
  const { transform } = track;
  const z = largestKnown(track, origin + 1, now + 1);
  const naives = [largestIn(track, origin + 1 - window, origin + 1), track.z[origin]!];
  const truth = { z, y: fromModel(transform, z), naives, naiveY: fromModel(transform, naives[0]!) };
  settle(peakChannel, waitingAt(state, origin), truth, transform);
}

function awaitAll(state: State, origin: number): void {
  const { knots, channels, peakChannel, track } = state;
  const spread = spreads(state.volatility);
  const waiting = waitingAt(state, origin);
  const all = predictAll(state.models, track, origin, knots);
  for (let k = 0; k < channels.length; k++) {
    awaitTruth(channels[k]!, waiting, all, { from: k, stride: knots.length }, spread);
  }
  const peaks = predictAll(state.peakModels, track, origin, state.peakWindow);
  awaitTruth(peakChannel, waiting, peaks, { from: 0, stride: 1 }, spread);
}

/** Each model's predictions in a row of their own: model e's for `horizons[i]` at `e * horizons.length + i`. */
function predictAll(models: readonly Model[], track: Track, origin: number, horizons: Int32Array): Float64Array {
  const { length } = horizons;
  const all = new Float64Array(models.length * length);
  for (let e = 0; e < models.length; e++)
    models[e]!.predict(track, origin, horizons, all.subarray(e * length, (e + 1) * length));
  return all;
}

function predict(state: State): Forecast {
  const { track, horizons, knots, channels, models, quantiles, stepMs } = state;
  const { transform } = track;
  const origin = track.length - 1;
  const spread = spreads(state.volatility);
  const all = predictAll(models, track, origin, horizons);
  const point = new Float64Array(horizons.length);
  const paths = quantiles.map((quantile) => ({ quantile, values: new Float64Array(horizons.length) }));
  const fans = channels.map(({ conformal }) => fanOf(conformal, quantiles));
  const made = new Float64Array(quantiles.length);
  // A point outside of the central 80 % of its own past errors is a point that has been wrong in one direction.
  const belowAll = quantiles.findLastIndex((quantile) => quantile <= 0.1);
  const aboveAll = quantiles.findIndex((quantile) => quantile >= 0.9);
  const sparse = betterSparse(state);
  for (let i = 0; i < horizons.length; i++) {
    const { low, high, share } = placeBetween(knots, horizons[i]!);
    let z = mixed(channels[low]!.weights, all, i, horizons.length);
    if (share > 0) z += share * (mixed(channels[high]!.weights, all, i, horizons.length) - z);
    if (Number.isNaN(z)) z = track.z[origin]!;
    point[i] = bounded(track, fromModel(transform, z));
    spreadFan(fans[low]!, fans[high]!, share, transform, { z, ...spread }, made);
    if (sparse !== undefined) {
      const step = origin + horizons[i]!;
      for (let j = 0; j < made.length; j++) made[j] = demandQuantile(sparse.demand, step - 1, step, quantiles[j]!);
    }
    const t = origin + horizons[i]!;
    if (isSpecial(track, t))
      point[i] = bounded(track, asSpecial(track, effectAt(track, t, origin), z, quantiles, made));
    for (let j = 0; j < paths.length; j++) {
      // What cannot be said is what was said before, so that quantiles stay in order.
      const value = bounded(track, Number.isNaN(made[j]!) ? point[i]! : made[j]!);
      paths[j]!.values[i] = j > 0 ? Math.max(paths[j - 1]!.values[i]!, value) : value;
    }
    point[i] = within(paths[belowAll]?.values[i] ?? -Infinity, point[i]!, paths[aboveAll]?.values[i] ?? Infinity);
  }
  return {
    issuedAt: state.facts.start + origin * stepMs,
    stepMs,
    point,
    quantiles: paths,
    peak: predictPeak(state, origin),
    model: describe(state),
    seasons: state.facts.seasons,
    accuracy: accuracyOf(channels, state.peakChannel),
    historyMs: (state.facts.dropped + track.length) * stepMs,
  };
}

function predictPeak(state: State, origin: number): PeakForecast {
  const { track, peakChannel } = state;
  const own = predictAll(state.peakModels, track, origin, state.peakWindow);
  const mix = mixed(peakChannel.weights, own, 0, 1);
  const z = Number.isNaN(mix) ? track.z[origin]! : mix;
  const fan = fanOf(peakChannel.conformal, state.quantiles);
  const made = new Float64Array(state.quantiles.length);
  spreadFan(fan, fan, 0, track.transform, { z, ...spreads(state.volatility) }, made);
  const sparse = betterSparse(state);
  if (sparse !== undefined) {
    const end = origin + state.peakWindow[0]!;
    for (let j = 0; j < made.length; j++) made[j] = demandQuantile(sparse.demand, origin, end, state.quantiles[j]!);
  }
  const effect = largestEffect(track, z, origin, state.peakWindow[0]!);
  const point = asSpecial(track, effect, z, state.quantiles, made);
  let least = -Number.MAX_VALUE;
  const values = state.quantiles.map((quantile, j) => {
    least = Math.max(least, bounded(track, Number.isNaN(made[j]!) ? point : made[j]!));
    return { quantile, value: least };
  });
  const { factor } = effect;
  return { windowMs: state.peakWindowMs, quantiles: values, ...(factor !== 1 && { eventFactor: factor }) };
}

function betterSparse({ sparse, channels }: State): SparseQuantiles | undefined {
  return sparse !== undefined && sparseIsBetter(sparse, channels[0]!) ? sparse : undefined;
}

/** A series that was never negative is not forecast to be, and nothing is forecast to be infinite. */
function bounded({ negative }: Track, value: number): number {
  return within(negative ? -Number.MAX_VALUE : 0, value, Number.MAX_VALUE);
}

function within(low: number, value: number, high: number): number {
  return value < low ? low : value > high ? high : value;
}

function describe({ channels, models }: State): string {
  const share = models.map((_, e) => channels.reduce((sum, { weights }) => sum + weights[e]!, 0) / channels.length);
  const named = models.map(({ name }, e) => ({ name, share: share[e]! })).filter((entry) => entry.share >= 0.01);
  named.sort((a, b) => b.share - a.share);
  if (named.length === 1) return named[0]!.name;
  return `mix(${named.map((entry) => `${entry.name} ${entry.share.toFixed(2)}`).join(', ')})`;
}

function checkOptions(
  { stepMs }: RegularSeries,
  { horizonSteps, peakWindowMs, quantiles, seasons }: ForecasterOptions,
): void {
  if (!(stepMs > 0)) throw new RangeError(`stepMs must be above zero, got ${stepMs}`);
  if (!Number.isInteger(horizonSteps) || horizonSteps < 1) {
    throw new RangeError(`horizonSteps must be a whole number above zero, got ${horizonSteps}`);
  }
  if (!(peakWindowMs > 0)) throw new RangeError(`peakWindowMs must be above zero, got ${peakWindowMs}`);
  for (const quantile of quantiles ?? []) {
    if (!(quantile >= 0.01 && quantile <= 0.99))
      throw new RangeError(`quantiles must lie within 0.01 and 0.99, got ${quantile}`);
  }
  for (const season of seasons === undefined || seasons === 'auto' ? [] : seasons) {
    if (!Number.isInteger(season) || season < 2)
      throw new RangeError(`seasons must be whole numbers of steps above 1, got ${season}`);
  }
}
