import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { type ServeProcess, startServe } from './serve-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'foresail-restart-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MINUTE = 60_000;
const DAY = 1440 * MINUTE;
const POLICY = `
apiVersion: foresail.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: web, namespace: shop}
spec:
  target: {name: web}
  demand: {name: web_rps, query: rps, step: 5m, history: 3d, capacity: {perReplica: 10}}
  replicas: {min: 1, max: 50}
`;

test('forecasters are taken up after a restart, without a fit, and a termination waits for no thread', async () => {
  await using first = await startServe(folder);
  const times = Array.from(
    { length: 3 * 288 },
    (_, i) => Math.floor(Date.now() / MINUTE) * MINUTE - 3 * DAY + i * 5 * MINUTE,
  );
  const values = times.map((t) => 100 + 50 * Math.sin((2 * Math.PI * t) / DAY) + 5 * Math.sin(t / 7e5));
  const line = JSON.stringify({ metric: { __name__: 'rps' }, timestamps: times, values });
  expect((await fetch(`${first.url}/api/v1/import`, { method: 'POST', body: line })).status).toBe(200);
  expect((await fetch(`${first.url}/api/v1/policies/shop/web`, { method: 'PUT', body: POLICY })).status).toBe(201);
  await expect.poll(() => learnt(first), { timeout: 240_000, interval: 250 }).toEqual({ 'cold start': 1 });
  first.process.kill('SIGTERM');
  expect(await once(first.process, 'exit')).toEqual([0, null]);

  await using second = await startServe(folder);
  await expect.poll(() => learnt(second), { timeout: 240_000, interval: 250 }).toEqual({ 'restored start': 1 });
  await second.kill();
});

/** How often forecasters learnt, by how and why. */
async function learnt(server: ServeProcess): Promise<Record<string, number>> {
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  const lines = metrics.matchAll(/^foresail_forecast_refits_total\{how="([\w-]+)",reason="([\w-]+)"\} (\d+)$/gm);
  return Object.fromEntries([...lines].map(([, how, reason, count]) => [`${how} ${reason}`, Number(count)]));
}
