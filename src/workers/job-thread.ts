import { parentPort, workerData } from 'node:worker_threads';
import type { JobThreadData } from './job-pool.ts';
import { type Job, jobDoer } from './jobs.ts';

const doJob = jobDoer((workerData as JobThreadData).model);

/** One thread of the job pool: a job comes in, and its result or its error goes out. */
parentPort?.on('message', (job: Job) => {
  doJob(job).then(
    (result) => parentPort?.postMessage({ result }),
    (error: unknown) => parentPort?.postMessage({ error }),
  );
});
