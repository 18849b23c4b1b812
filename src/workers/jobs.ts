import { doSeriesJob, type SeriesJob, type SeriesResults } from '../forecast/jobs/series-job.ts';
import type { ModelBytes } from '../forecast/regressor/model-file.ts';
import type { PolicyPreview } from '../scaling/policy-preview.ts';
import { cpuSeconds } from './cpu-seconds.ts';
import { type NetworkSource, networkSource } from './load-regressor.ts';
import { doPreview, type PreviewJob } from './preview-job.ts';

/** All that a job thread can do. */
export type Job = SeriesJob | PreviewJob;

interface JobResults extends SeriesResults {
  readonly preview: PolicyPreview;
}

export type JobResult<J extends Job> = JobResults[J['kind']];

/** Does jobs on the calling thread; TF.js is loaded with the first that forecasts. */
export function jobDoer(model: ModelBytes | undefined): <J extends Job>(job: J) => Promise<JobResult<J>> {
  const network: NetworkSource = networkSource(model);
  return async (job) => {
    if (job.kind === 'preview') return doPreview(job) as JobResult<typeof job>;
    const forecasts = job.kind === 'forecast' || job.kind === 'backtest' || job.kind === 'rolling';
    return doSeriesJob(job, { cpuSeconds, ...(forecasts && (await network())) }) as JobResult<typeof job>;
  };
}
