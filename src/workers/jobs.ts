import { doSeriesJob, type SeriesJob, type SeriesResults } from '../forecast/jobs/series-job.ts';

/** All that a job thread can do. */
export type Job = SeriesJob;

export type JobResult<J extends Job> = SeriesResults[J['kind']];

export function doJob<J extends Job>(job: J, cpuSeconds: () => number): JobResult<J> {
  return doSeriesJob(job, cpuSeconds);
}
