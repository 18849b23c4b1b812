import type { Forecast, NoForecast } from '../model/forecast.ts';
import type { RegularSeries } from '../model/series.ts';
import { advance, advanceScored, refit } from './advance.ts';
import { checkOptions, type ForecasterOptions } from './forecaster-options.ts';
import { createState, factsOf, learntOf, replayFrom, type State } from './forecaster-state.ts';
import { predict } from './predict.ts';
import { writeState } from './saved-state.ts';

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

/** Known values below which there is nothing to learn from. */
const LEAST_VALUES = 12;
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

export function forecasterOf(state: State): Forecaster {
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

function saveState(state: State): Uint8Array {
  const { facts, track, stepMs } = state;
  const end = facts.start + (track.length - 1) * stepMs;
  const learned = track.specials?.learned ?? [];
  return writeState(state.owner, { ...facts, end, negative: track.negative, learned }, learntOf(state), track);
}
