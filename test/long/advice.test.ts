import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AdviceAnswer } from '../../src/http/advice-schemas.ts';
import { type RunningProgram, startProgram } from '../program.ts';

/** Right-sizing advice by the real program, from a demand and usage that were imported: over the API and on the shell. */

const runFile = promisify(execFile);
const MAIN = join(import.meta.dirname, '..', '..', 'dist', 'main.js');
const HOUR = 3600;
const STEP = 300;
const DAYS = 4;
const END = Math.floor(Date.now() / 1000 / STEP) * STEP;

const policyOf = (name: string, more: string) => `
apiVersion: foresail.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: ${name}, namespace: shop}
spec:
  target: {name: web}
  demand: {name: web_rps, query: rps, step: 5m, history: ${DAYS}d, capacity: {perReplica: 10}}
  replicas: {min: 1, max: 50}
  safety: {minHistory: 1d}
${more}
`;

let program: RunningProgram;
beforeAll(async () => {
  program = await startProgram();
  const times = (every: number) =>
    Array.from({ length: (DAYS * 24 * HOUR) / every }, (_, i) => END - i * every).reverse();
  const line = (labels: object, every: number, valueAt: (t: number) => number) =>
    JSON.stringify({
      metric: labels,
      timestamps: times(every).map((t) => t * 1000),
      values: times(every).map(valueAt),
    });
  const of = (name: string, pod: string) => ({ __name__: name, namespace: 'shop', pod, container: 'app' });
  const lines = [
    line(
      { __name__: 'rps' },
      STEP,
      (t) => 150 + 100 * Math.sin((2 * Math.PI * t) / (24 * HOUR)) + 5 * Math.sin(t / 977),
    ),
    ...['web-a', 'web-b'].flatMap((pod) => [
      line(of('cpu_cores', pod), 60, (t) => 0.2 + 0.1 * Math.sin((2 * Math.PI * t) / (24 * HOUR))),
      line(of('memory_bytes', pod), 60, () => 500 * 1024 ** 2),
    ]),
  ];
  const response = await fetch(`${program.url}/api/v1/import`, { method: 'POST', body: lines.join('\n') });
  expect(response.status).toBe(200);
  const usage = '  usage: {cpu: cpu_cores, memory: memory_bytes}';
  for (const [name, more] of [
    ['web', usage],
    ['bare', ''],
  ] as const) {
    const put = await fetch(`${program.url}/api/v1/policies/shop/${name}`, {
      method: 'PUT',
      body: policyOf(name, more),
    });
    expect(put.status).toBe(201);
  }
});
afterAll(async () => await program?.[Symbol.asyncDispose]());

async function ask(
  path: string,
): Promise<{ readonly status: number; readonly body: { data?: unknown; error?: string } }> {
  const response = await fetch(`${program.url}/api/v1/policies/shop/${path}`);
  return { status: response.status, body: (await response.json()) as object };
}

test('the advice has the form that the API says, from a replay of the demand and from what pods used', async () => {
  const { status, body } = await ask('web/advice?judge=6h');
  expect(status).toBe(200);
  const { replay, target, findings, requests } = AdviceAnswer.strict().parse(body.data);
  expect(replay).toMatchObject({
    perReplica: 10,
    bounds: { min: 1, max: 50 },
    hpaTarget: { ratio: 0.7, setting: null },
  });
  const { from, to, asIs } = replay as { from: number; to: number; asIs: { podHoursPerDay: number } };
  expect(to - from).toBe(6 * HOUR);
  expect(to).toBeGreaterThan(END - HOUR);
  expect(asIs.podHoursPerDay).toBeGreaterThan(24);
  expect(target).toHaveProperty('text');
  // No cluster, so no HPA and no requests to read: that is said, and the rest is advised on.
  expect(findings).toEqual({ message: expect.stringContaining('no cluster is configured') });
  expect(requests).toMatchObject({
    message: expect.stringContaining('no cluster is configured'),
    containers: [{ container: 'app', cpu: { verdict: 'unknown', request: null }, memory: { verdict: 'unknown' } }],
  });
  const [{ cpu, memory } = {} as never] = (
    requests as { containers: { cpu: { target: number }; memory: { target: number } }[] }
  ).containers;
  // The most is 0.3 cores and 500 MiB, and 15 % come on top of a bucket's end.
  expect(cpu.target).toBeGreaterThan(0.29 * 1.15);
  expect(cpu.target).toBeLessThan(0.33 * 1.15);
  expect(memory.target).toBeGreaterThan(500 * 1024 ** 2 * 1.15);
  expect(memory.target).toBeLessThan(560 * 1024 ** 2 * 1.15);
});

test('what is not known is a reason, what is wrong an error', async () => {
  const bare = await ask('bare/advice?judge=1h');
  expect(bare.body.data).toMatchObject({
    replay: { perReplica: 10 },
    requests: { message: expect.stringContaining('the policy names no queries') },
  });
  expect(await ask('none/advice')).toMatchObject({ status: 404, body: { error: 'there is no policy shop/none' } });
  expect(await ask('web/advice?judge=1s')).toMatchObject({ status: 400 });
  expect(await ask('web/advice?days=1')).toMatchObject({ status: 400 });
});

test('`foresail advise` tells it, and prints the same as JSON', async () => {
  const run = async (...words: string[]) =>
    (await runFile(process.execPath, [MAIN, 'advise', ...words, '--url', program.url])).stdout;
  const text = await run('shop/web', '--judge', '6h');
  for (const words of ['with the floor:', 'the HPA alone:', 'TARGET', 'app cpu', 'app memory', 'ask for']) {
    expect(text).toContain(words);
  }
  const { namespace, policy, requests } = AdviceAnswer.parse(
    JSON.parse(await run('shop/web', '--judge', '6h', '--json')),
  );
  expect({ namespace, policy }).toEqual({ namespace: 'shop', policy: 'web' });
  expect(requests).toHaveProperty('containers');
  await expect(run('shop/none')).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('there is no policy'),
  });
  await expect(run('web')).rejects.toMatchObject({ code: 2 });
});
