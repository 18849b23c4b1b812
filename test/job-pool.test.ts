import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

/** The built pool of job threads: a thread cannot read TypeScript. */
const DIST = new URL('../dist/workers/', import.meta.url);
const { openJobPool } = (await import(
  new URL('job-pool.js', DIST).href
)) as typeof import('../src/workers/job-pool.ts');
const { threadShare } = (await import(
  new URL('thread-share.js', DIST).href
)) as typeof import('../src/workers/thread-share.ts');

const HOUR = 3_600_000;
const values = Float64Array.from({ length: 500 }, (_, t) => 100 + 40 * Math.sin((2 * Math.PI * t) / 24));
const JOB = { kind: 'seasons' as const, times: values.map((_, i) => i * HOUR), values, stepMs: HOUR };

test('jobs of a pool that shares wait while forecasters are busy, but for one, and leave nothing taken', async () => {
  const share = threadShare(3);
  const forecasters = [share.begin(), share.begin()];
  await using pool = openJobPool(share.most, undefined, share);
  const jobs = [pool.run(JOB), pool.run(JOB), pool.run(JOB)];
  expect(share.beginJob()).toBeUndefined();
  for (const { kind } of await Promise.all(jobs)) expect(kind).toBe('seasons');
  for (const end of forecasters) end();
  const stop = new AbortController();
  const cancelled = pool.run(JOB, { signal: stop.signal });
  await Promise.resolve();
  stop.abort();
  await expect(cancelled).rejects.toThrow();
  expect([share.beginJob(), share.beginJob(), share.beginJob()].map((end) => end !== undefined)).toEqual([
    true,
    true,
    false,
  ]);
});

test.runIf(process.platform === 'linux')('threads of jobs give way to the others of the process', async () => {
  const share = threadShare(2);
  await using pool = openJobPool(share.most, undefined, share);
  await pool.run(JOB);
  const tasks = readdirSync('/proc/self/task').map((task) => readFileSync(`/proc/self/task/${task}/stat`, 'utf8'));
  // proc(5): the 19th field, the 17th after the name, which may hold blanks.
  const nices = tasks.map((stat) => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]));
  expect(nices.filter((nice) => nice === 10)).toHaveLength(1);
  expect(nices.filter((nice) => nice === 0).length).toBeGreaterThan(1);
});
