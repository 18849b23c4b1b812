import type { RegularSeries } from '../../model/series.ts';
import { type Decomposition, mstl } from '../decomposition.ts';
import { explainSeasons, findSeasons, type SeasonCandidate } from '../seasonality.ts';
import { regularOf, type SeriesInput } from './series-input.ts';

export interface SeasonsJob extends SeriesInput {
  readonly kind: 'seasons';
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
  const candidates = explainSeasons(series);
  const seasons = candidates.filter(({ verdict }) => verdict === 'found').map(({ length }) => length);
  return { kind: 'seasons', seasons, candidates, stepMs, steps: values.length };
}

export function doDecompose(job: DecomposeJob): DecomposeJobResult {
  const series = regularOf(job);
  if (series === undefined) return { kind: 'no-data' };
  const seasons = job.seasons === 'auto' ? findSeasons(series).map(({ length }) => length) : job.seasons;
  return { kind: 'decompose', series, parts: mstl(series.values, seasons) };
}
