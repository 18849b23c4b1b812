import type { RegularSeries } from '../model/series.ts';
import { DAY, MINUTE, WEEK } from '../model/time.ts';
import { within } from '../numeric/within.ts';
import type { SeriesCalendar } from './calendar.ts';
import { type Channel, createChannel } from './channel.ts';
import type { ForecasterOptions } from './forecaster-options.ts';
import { type AllHours, createAllHours } from './hours.ts';
import { conformalScratch } from './intervals.ts';
import { knotsUpTo } from './knots.ts';
import { localClock } from './local-clock.ts';
import { MIX_TUNING, PEAK_MIX_TUNING } from './mix.ts';
import { defaultModels, modelsByName } from './models/default-models.ts';
import type { Model, ModelContext } from './models/model.ts';
import { rhythmsOf } from './models/rhythm.ts';
import { peakModels } from './peak.ts';
import { createRises, type Rises } from './rises.ts';
import type { Learnt, StateFacts, StateOwner } from './saved-state.ts';
import { findSeasons } from './seasonality.ts';
import { isSparse, type SparseQuantiles, sparseQuantiles } from './sparse.ts';
import { specialsOf } from './special-times.ts';
import { createTrack, MOST_VALUE, type Track } from './track.ts';
import { fitTransform } from './transform.ts';
import { createVolatility, type Volatility } from './volatility.ts';

const DEFAULT_QUANTILES = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.8, 0.9, 0.95, 0.975, 0.99] as const;
/** The share of the history, and the time, over which the deployed mix is replayed for its weights and residuals. */
const REPLAYED_SHARE = 0.5;
const REPLAYED_MS = 14 * DAY;
/** Time between two scored origins where steps are finer. */
const SCORED_EVERY_MS = 5 * MINUTE;

/** What a forecaster of one series is made of. */
export interface State {
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
  /** How far the mix is off by the time of day. */
  readonly hours: AllHours;
  /** Undefined where the series has no season to expect one by. */
  readonly rises: Rises | undefined;
  /** Steps between scored origins, and between refits in the replay. */
  readonly stride: number;
  readonly refitEvery: number;
}

export function createState(history: RegularSeries, options: ForecasterOptions, facts: StateFacts): State {
  const { stepMs, values, start } = history;
  const { historyLength } = facts;
  const { horizonSteps, peakWindowMs } = options;
  const peakWindow = Int32Array.of(Math.max(1, Math.round(peakWindowMs / stepMs)));
  const cycles = covered(options, stepMs, historyLength);
  const day = cycles[0] ?? 24;
  // A regression's coefficients change smoothly over half an hour of the day, not over a quarter of it.
  const maxGap = Math.max(1, Math.floor(day / 48));
  const knots = knotsUpTo(horizonSteps, maxGap);
  const clock = options.calendar && localClock(options.calendar, start, stepMs);
  const sparse = facts.sparse ? sparseQuantiles(day, { clock, phase: facts.phase }) : undefined;
  const context: ModelContext = {
    sparse: sparse !== undefined,
    rhythms: (options.seasons ?? 'auto') === 'auto' ? rhythmsOf(facts.seasons, stepMs) : [],
    ...{ stepMs, knots, maxGap, cycles, historyLength },
    ...(options.tuning && { tuning: options.tuning }),
    ...(options.regressor && { regressor: options.regressor }),
  };
  const models = chosen(context, options.models);
  const peaks = peakModels({ ...context, knots: peakWindow });
  const specials = options.calendar && specialsOf(options.calendar, history, facts.learned);
  const stride = Math.max(1, Math.round(SCORED_EVERY_MS / stepMs));
  const replayed = historyLength - replayFrom(historyLength, stepMs);
  const { residualDays, mix = MIX_TUNING } = options.tuning ?? {};
  const scoring = {
    ...{ stride, day, residualDays, scratch: conformalScratch(), sparse: facts.sparse },
    warmUp: Math.round(Math.min(day, replayed / 8) / stride),
  };
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
    channels: Array.from(knots, (knot) => createChannel(models.length, knot, { ...scoring, naives: 1, tuning: mix })),
    peakChannel: createChannel(peaks.length, peakWindow[0]!, { ...scoring, naives: 2, tuning: PEAK_MIX_TUNING }),
    hours: createAllHours(cycles[0], stride),
    rises: createRises(peaks.length, peakWindow[0]!, { cycles, stride, scratch: scoring.scratch }),
    stride,
    refitEvery: Math.max(day, 24),
  };
}

function chosen(context: ModelContext, names: readonly string[] | undefined): readonly Model[] {
  const models = defaultModels(context);
  if (names === undefined) return models;
  const kept = [...models, ...modelsByName(context)].filter(({ name }) => names.includes(name));
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

/** What a cold fit starts from. */
export function factsOf(history: RegularSeries, options: ForecasterOptions): StateFacts {
  const { seasons = 'auto', calendar } = options;
  const { start, values, stepMs } = history;
  return {
    transform: fitTransform(
      values.map((value) => (Number.isFinite(value) ? within(-MOST_VALUE, value, MOST_VALUE) : value)),
    ),
    historyLength: values.length,
    seasons:
      seasons === 'auto'
        ? findSeasons(history, calendar && localClock(calendar, start, stepMs)).map(({ length }) => length)
        : covered(options, stepMs, values.length),
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

export function ownerOf(options: ForecasterOptions, stepMs: number): StateOwner {
  const { horizonSteps, peakWindowMs, seasons = 'auto', models = 'all', calendar } = options;
  return { stepMs, horizonSteps, peakWindowMs, seasons, models, local: calendar !== undefined };
}

export function offsetAt(calendar: SeriesCalendar | undefined, time: number): number {
  const { offsets } = calendar ?? { offsets: [] };
  return (offsets.findLast(({ from }) => from <= time) ?? offsets[0])?.offsetMs ?? 0;
}

/** The first value that the deployed mix is replayed on. */
export function replayFrom(length: number, stepMs: number): number {
  return Math.floor(Math.max(length * (1 - REPLAYED_SHARE), length - REPLAYED_MS / stepMs));
}

export function learntOf({ volatility, hours, channels, peakChannel, rises, models, peakModels }: State): Learnt {
  return { volatility, hours, channels: [...channels, peakChannel], rises, models: [...models, ...peakModels] };
}

/** Every so many steps of the whole series, whatever of it was dropped. */
export function isScored({ facts, stride }: Pick<State, 'facts' | 'stride'>, origin: number): boolean {
  return origin >= 0 && (facts.dropped + origin) % stride === 0;
}

/** The place of an origin among those before rises: all are scored. */
export function risingAt({ facts }: State, origin: number): { turn: number; origin: number } {
  return { turn: facts.dropped + origin, origin };
}

export function waitingAt({ facts, stride }: State, origin: number): { turn: number; origin: number } {
  return { turn: (facts.dropped + origin) / stride, origin };
}
