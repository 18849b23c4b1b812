import { parentPort, workerData } from 'node:worker_threads';
import { giveWay } from './give-way.ts';
import type { JobMessage, JobThreadData } from './job-pool.ts';
import { jobDoer } from './jobs.ts';

const { shipped, givesWay } = workerData as JobThreadData;
if (givesWay) giveWay('late');
const doJob = jobDoer(shipped);

/** One thread of the job pool: a job comes in, and its result or its error goes out. */
parentPort?.on('message', ({ job, own }: JobMessage) => {
  doJob(job, own).then(
    (result) => parentPort?.postMessage({ result }),
    (error: unknown) => parentPort?.postMessage({ error }),
  );
});
