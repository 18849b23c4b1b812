import { type BacktestJob, type BacktestJobResult, doBacktest } from './backtest-job.ts';
import {
  type DecomposeJob,
  type DecomposeJobResult,
  doDecompose,
  doSeasons,
  type SeasonsJob,
  type SeasonsJobResult,
} from './decompose-job.ts';
import { doForecast, type ForecastJob, type ForecastJobResult } from './forecast-job.ts';
import { doRolling, type RollingJob, type RollingJobResult } from './rolling-job.ts';

/** Work on one series that takes long enough for a thread of its own: plain data in, plain data out. */
export type SeriesJob = ForecastJob | BacktestJob | RollingJob | SeasonsJob | DecomposeJob;

/** What comes of each kind of job. */
export interface SeriesResults {
  readonly forecast: ForecastJobResult;
  readonly backtest: BacktestJobResult;
  readonly rolling: RollingJobResult;
  readonly seasons: SeasonsJobResult;
  readonly decompose: DecomposeJobResult;
}

export type ResultOf<J extends SeriesJob> = SeriesResults[J['kind']];

/** @param cpuSeconds CPU time of this thread so far. */
export function doSeriesJob<J extends SeriesJob>(job: J, cpuSeconds: () => number): ResultOf<J> {
  return resultOf(job, cpuSeconds) as ResultOf<J>;
}

function resultOf(job: SeriesJob, cpuSeconds: () => number): SeriesResults[SeriesJob['kind']] {
  switch (job.kind) {
    case 'forecast':
      return doForecast(job);
    case 'backtest':
      return doBacktest(job, cpuSeconds);
    case 'rolling':
      return doRolling(job);
    case 'seasons':
      return doSeasons(job);
    case 'decompose':
      return doDecompose(job);
  }
}
