import { parentPort } from 'node:worker_threads';
import { cpuSeconds } from './cpu-seconds.ts';
import { doJob, type Job } from './jobs.ts';

/** One thread of the job pool: a job comes in, and its result or its error goes out. */
parentPort?.on('message', (job: Job) => {
  try {
    parentPort?.postMessage({ result: doJob(job, cpuSeconds) });
  } catch (error) {
    parentPort?.postMessage({ error });
  }
});
