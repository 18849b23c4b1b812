import { doSeriesJob, type SeriesJob, type SeriesResults } from '../forecast/jobs/series-job.ts';
import type { PolicyPreview } from '../scaling/policy-preview.ts';
import { doPreview, type PreviewJob } from './preview-job.ts';

/** All that a job thread can do. */
export type Job = SeriesJob | PreviewJob;

interface JobResults extends SeriesResults {
  readonly preview: PolicyPreview;
}

export type JobResult<J extends Job> = JobResults[J['kind']];

export function doJob<J extends Job>(job: J, cpuSeconds: () => number): JobResult<J> {
  return (job.kind === 'preview' ? doPreview(job) : doSeriesJob(job, cpuSeconds)) as JobResult<J>;
}
