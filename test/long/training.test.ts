import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningProgram, startProgram } from '../program.ts';

/** The real program trains its network on what it has recorded, since the settings say that it is time. */

const MAIN = join(import.meta.dirname, '..', '..', 'dist', 'main.js');
const STEP = 300;
const DAYS = 3;
const POLICY = `
apiVersion: foresail.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: web, namespace: shop}
spec:
  target: {name: web}
  demand: {name: web_rps, query: rps, step: 5m, history: ${DAYS}d, capacity: {perReplica: 10}}
  replicas: {min: 1, max: 50}
`;

interface Version {
  readonly version: string;
  readonly inForce: boolean;
  readonly occasion: string | null;
  readonly loss: number | null;
}

let folder: string;
let program: RunningProgram;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'foresail-training-'));
  const settings = join(folder, 'foresail.yaml');
  writeFileSync(settings, 'training: {every: 2s, epochs: 2}\nkubernetes: off\n');
  program = await startProgram(['--config', settings]);
  const end = Math.floor(Date.now() / 1000 / STEP) * STEP;
  const timestamps = Array.from({ length: (DAYS * 86_400) / STEP }, (_, i) => (end - i * STEP) * 1000).reverse();
  // Twenty minutes up, twenty minutes down: a habit that no load has that the shipped network saw.
  const values = timestamps.map((t) => 100 + 40 * Math.sign(Math.sin((2 * Math.PI * t) / 2_400_000 + 0.1)));
  const line = JSON.stringify({ metric: { __name__: 'rps' }, timestamps, values });
  expect((await fetch(`${program.url}/api/v1/import`, { method: 'POST', body: line })).status).toBe(200);
  expect((await fetch(`${program.url}/api/v1/policies/shop/web`, { method: 'PUT', body: POLICY })).status).toBe(201);
});
afterAll(async () => {
  await program?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function versions(): Promise<readonly Version[]> {
  const answer = await fetch(`${program.url}/api/v1/networks`);
  return ((await answer.json()) as { data: readonly Version[] }).data;
}

test('a version appears with its scores, is taken up as it is better, and the log and the metrics tell of it', async () => {
  await expect.poll(async () => (await versions()).length, { timeout: 300_000, interval: 250 }).toBeGreaterThan(1);
  const [shipped, first] = await versions();
  expect(shipped).toMatchObject({ version: 'shipped', loss: null, occasion: null });
  expect(first).toMatchObject({ version: 'v1', against: 'shipped', series: 1, epochs: 2, loss: expect.any(Number) });
  expect(program.output()).toMatch(/"epoch":1,.*"training goes on"/);
  // The version is there a moment before the log and the metrics tell of it.
  const wait = { timeout: 240_000, interval: 250 };
  await expect.poll(() => program.output(), wait).toMatch(/"version":"v1".*"isTakenUp":true.*"training has ended"/);
  const read = async () => await (await fetch(`${program.url}/metrics`)).text();
  await expect.poll(read, wait).toMatch(/^foresail_trainings_total\{outcome="taken-up",occasion="[a-z-]+"\} [1-9]/m);
  const metrics = await read();
  expect(metrics).toMatch(/^foresail_network_loss_ratio\{tenant="default",network="candidate"\} 0\.\d/m);
  expect(metrics).not.toMatch(/^foresail_(training_failures|loop_failures|forecast_thread_ends)_total(\{.*\})? [1-9]/m);
});

test('`foresail train --list` shows it, and a roll-back is taken up by the running server', async () => {
  const run = async (...words: string[]) => {
    const data = ['--data', join(program.folder, 'data')];
    return (await promisify(execFile)(process.execPath, [MAIN, 'train', ...words, ...data])).stdout;
  };
  expect(await run('--list')).toMatch(/^[ *] {2}v1 +\S+ +0\.\d{4} +0\.\d{4} \(shipped\)/m);
  // A training that ends between a roll-back and the server's next look at it puts its own version in force.
  const rollBack = async () => {
    await run('--rollback', 'shipped');
    return program.output();
  };
  await expect.poll(rollBack, { timeout: 240_000, interval: 2_000 }).toMatch(/"version":"shipped".*in force/);
});
