import type { Network } from '../forecast/forecaster-options.ts';
import { doSeriesJob, type SeriesJob, type SeriesResults } from '../forecast/jobs/series-job.ts';
import type { ModelBytes } from '../forecast/regressor/model-file.ts';
import type { OwnModel } from '../forecast/regressor/model-version.ts';
import type { Advice } from '../scaling/advice/types.ts';
import type { NotPlayed, PlayedDay } from '../scaling/played-day.ts';
import type { PolicyPreview } from '../scaling/policy-preview.ts';
import { type AdviceJob, doAdvice } from './advice-job.ts';
import { cpuSeconds } from './cpu-seconds.ts';
import { type NetworkSource, networkSource } from './load-regressor.ts';
import { doPreview, type PreviewJob } from './preview-job.ts';
import { doSavings, type SavingsJob } from './savings-job.ts';

/** All that a job thread can do. */
export type Job = SeriesJob | PreviewJob | AdviceJob | SavingsJob;

interface JobResults extends SeriesResults {
  readonly preview: PolicyPreview;
  readonly advice: Advice;
  readonly savings: PlayedDay | NotPlayed;
}

export type JobResult<J extends Job> = JobResults[J['kind']];

/** @param own The tenant's own network, which forecasts are made with in place of the shipped one. */
export type DoJob = <J extends Job>(job: J, own?: OwnModel) => Promise<JobResult<J>>;

/** Does jobs on the calling thread; TF.js is loaded with the first that forecasts. */
export function jobDoer(shipped: ModelBytes | undefined): DoJob {
  const common: NetworkSource = networkSource(shipped);
  const networkOf = async (own: OwnModel | undefined): Promise<Network> => {
    // Opened for this job alone: it takes a millisecond or two of a job's hundreds.
    const network = own === undefined ? {} : await networkSource(own.bytes)();
    return network.regressor === undefined ? await common() : network;
  };
  return async (job, own) => {
    if (job.kind === 'preview') return doPreview(job, await networkOf(own)) as JobResult<typeof job>;
    if (job.kind === 'advice') return doAdvice(job, await networkOf(own)) as JobResult<typeof job>;
    if (job.kind === 'savings') return doSavings(job, await networkOf(own)) as JobResult<typeof job>;
    const forecasts = job.kind === 'forecast' || job.kind === 'backtest' || job.kind === 'rolling';
    return doSeriesJob(job, { cpuSeconds, ...(forecasts && (await networkOf(own))) }) as JobResult<typeof job>;
  };
}
