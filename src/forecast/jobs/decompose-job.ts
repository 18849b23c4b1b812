import type { RegularSeries } from '../../model/series.ts';
import { DAY } from '../../model/time.ts';
import { maskedAutocorrelation } from '../../numeric/fft.ts';
import { type Decomposition, mstl } from '../decomposition.ts';
import { type LocalClock, localClock } from '../local-clock.ts';
import { explainSeasons, findSeasons, type SeasonCandidate } from '../seasonality.ts';
import { regularOf, type SeriesInput } from './series-input.ts';

const MOST_LAGS = 50_000;

export interface SeasonsJob extends SeriesInput {
  readonly kind: 'seasons';
  /** Whether the autocorrelation is sent back, for a picture. */
  readonly withAutocorrelation?: boolean;
}

export type SeasonsJobResult =
  | {
      readonly kind: 'seasons';
      /** Lengths of those that were found, in steps, ascending. */
      readonly seasons: readonly number[];
      /** All that were looked at, each with its verdict. */
      readonly candidates: readonly SeasonCandidate[];
      readonly stepMs: number;
      readonly steps: number;
      /** At lags of 0 steps and more; empty where it was not asked for. */
      readonly autocorrelation: Float64Array;
    }
  | { readonly kind: 'no-data' };

export interface DecomposeJob extends SeriesInput {
  readonly kind: 'decompose';
  /** In steps; those that the series does not hold twice are left out. */
  readonly seasons: 'auto' | readonly number[];
}

export type DecomposeJobResult =
  | { readonly kind: 'decompose'; readonly series: RegularSeries; readonly parts: Decomposition }
  | { readonly kind: 'no-data' };

export function doSeasons(job: SeasonsJob): SeasonsJobResult {
  const series = regularOf(job);
  if (series === undefined) return { kind: 'no-data' };
  const { stepMs, values } = series;
  const candidates = explainSeasons(series, clockOf(job, series));
  const seasons = candidates.filter(({ verdict }) => verdict === 'found').map(({ length }) => length);
  const autocorrelation = job.withAutocorrelation === true ? autocorrelationOf(values, seasons) : new Float64Array(0);
  return { kind: 'seasons', seasons, candidates, stepMs, steps: values.length, autocorrelation };
}

function clockOf({ calendar }: SeriesInput, { start, stepMs }: RegularSeries): LocalClock | undefined {
  return calendar && localClock(calendar, start, stepMs);
}

/** Far enough to see the longest season come again, or a third of the history. */
function autocorrelationOf(values: Float64Array, seasons: readonly number[]): Float64Array {
  const wanted = Math.max(48, Math.ceil(2.2 * (seasons.at(-1) ?? values.length / 3)));
  return maskedAutocorrelation(values, Math.min(wanted, Math.floor(values.length / 2), MOST_LAGS));
}

export function doDecompose(job: DecomposeJob): DecomposeJobResult {
  const series = regularOf(job);
  if (series === undefined) return { kind: 'no-data' };
  const clock = clockOf(job, series);
  const seasons = job.seasons === 'auto' ? findSeasons(series, clock).map(({ length }) => length) : job.seasons;
  const local = { clock, day: Math.round(DAY / series.stepMs) };
  return { kind: 'decompose', series, parts: mstl(series.values, seasons, {}, local) };
}
