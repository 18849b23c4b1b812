import type { Network } from '../forecaster-options.ts';
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

/** What a thread lends its jobs. */
export interface JobMeans extends Network {
  /** CPU time of this thread so far. */
  readonly cpuSeconds: () => number;
}

export function doSeriesJob<J extends SeriesJob>(job: J, means: JobMeans): ResultOf<J> {
  return resultOf(job, means) as ResultOf<J>;
}

function resultOf(job: SeriesJob, { cpuSeconds, ...network }: JobMeans): SeriesResults[SeriesJob['kind']] {
  switch (job.kind) {
    case 'forecast':
      return doForecast(job, network);
    case 'backtest':
      return doBacktest(job, cpuSeconds, network);
    case 'rolling':
      return doRolling(job, network);
    case 'seasons':
      return doSeasons(job);
    case 'decompose':
      return doDecompose(job);
  }
}
