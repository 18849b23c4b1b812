import { pathOf } from '../forecast/backtest-sums.ts';
import type { DecomposeJobResult, SeasonsJobResult } from '../forecast/jobs/decompose-job.ts';
import type { ForecastJobResult } from '../forecast/jobs/forecast-job.ts';
import type { NoForecast } from '../model/forecast.ts';
import { formatDuration } from '../model/time.ts';
import { formatValue } from './envelope.ts';

/** What comes of jobs, in Prometheus's form: pairs of seconds and a value as text. Gaps are left out. */

export function forecastOf(result: ForecastJobResult, quantiles: readonly number[]): object {
  if (result.kind !== 'forecast') return { noForecast: reasonOf(result) };
  const { issuedAt, stepMs, point, model, seasons, accuracy, historyMs } = result.forecast;
  const start = issuedAt + stepMs;
  return {
    issuedAt: issuedAt / 1000,
    stepSeconds: stepMs / 1000,
    values: pairsOf(start, stepMs, point),
    quantiles: quantiles.map((quantile) => ({
      quantile,
      values: pairsOf(start, stepMs, pathOf(result.forecast, quantile)),
    })),
    model,
    seasons: seasons.map((steps) => (steps * stepMs) / 1000),
    accuracy: {
      mae: finiteOrNull(accuracy.mae),
      maeVsLast: finiteOrNull(accuracy.maeVsLast),
      coverage: finiteOrNull(accuracy.coverage),
      origins: accuracy.origins,
    },
    historySeconds: historyMs / 1000,
  };
}

export function decompositionOf(result: DecomposeJobResult): object {
  if (result.kind !== 'decompose') return { noParts: reasonOf(result) };
  const { series, parts } = result;
  const { start, stepMs, values } = series;
  return {
    stepSeconds: stepMs / 1000,
    values: pairsOf(start, stepMs, values),
    trend: pairsOf(start, stepMs, parts.trend),
    seasons: parts.seasons.map((season) => ({
      seconds: (season.length * stepMs) / 1000,
      values: pairsOf(start, stepMs, season.values),
    })),
    remainder: pairsOf(start, stepMs, parts.remainder),
  };
}

export function seasonsOf(result: SeasonsJobResult): object {
  if (result.kind !== 'seasons') return { noSeasons: reasonOf(result) };
  const { seasons, candidates, stepMs, steps } = result;
  return {
    stepSeconds: stepMs / 1000,
    historySeconds: (steps * stepMs) / 1000,
    seasons: seasons.map((length) => (length * stepMs) / 1000),
    candidates: candidates.map(({ lengthMs, origin, verdict, cycles, ...figures }) => ({
      seconds: lengthMs / 1000,
      ...{ origin, verdict, cycles },
      strength: finiteOrNull(figures.strength),
      confidence: finiteOrNull(figures.confidence),
      autocorrelation: finiteOrNull(figures.autocorrelation),
    })),
  };
}

/** Why there is nothing: a word for programs, a sentence for people. */
export function reasonOf(why: NoForecast): object {
  switch (why.kind) {
    case 'no-data':
      return { reason: why.kind, message: 'it has fewer than two values' };
    case 'insufficient-history': {
      const { haveMs, needMs } = why;
      const message = `its history is ${formatDuration(haveMs)} long, or has that many values; ${formatDuration(needMs)} are needed`;
      return { reason: why.kind, message, haveSeconds: haveMs / 1000, needSeconds: needMs / 1000 };
    }
    case 'stale':
      return { reason: why.kind, message: 'its last value is too old', lastSampleAt: why.lastSampleAt / 1000 };
  }
}

function pairsOf(start: number, stepMs: number, values: Float64Array): readonly (readonly [number, string])[] {
  const pairs: [number, string][] = [];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!Number.isNaN(value)) pairs.push([(start + i * stepMs) / 1000, formatValue(value)]);
  }
  return pairs;
}

export function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
