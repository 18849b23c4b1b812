import { cp, mkdtemp, rm, symlink, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startServe } from './serve-process.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MINUTE = 60_000;
const DAY = 1440 * MINUTE;
const POLICY = `
apiVersion: foresail.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: web, namespace: shop}
spec:
  target: {name: web}
  demand: {name: web_rps, query: rps, step: 5m, history: 1d, capacity: {perReplica: 10}}
  replicas: {min: 1, max: 50}
`;

/** The program as it is installed, with the weights of its network cut short. */
let installed: string;
beforeAll(async () => {
  installed = await mkdtemp(join(tmpdir(), 'foresail-damaged-'));
  for (const part of ['dist', 'models', 'package.json']) {
    await cp(join(ROOT, part), join(installed, part), { recursive: true });
  }
  await symlink(join(ROOT, 'node_modules'), join(installed, 'node_modules'));
  await truncate(join(installed, 'models', 'weights.bin'), 1000);
});
afterAll(() => rm(installed, { recursive: true, force: true }));

test('a server whose network is damaged starts, says so, counts it, and forecasts without it', async () => {
  await using server = await startServe(join(installed, 'data'), [], join(installed, 'dist', 'main.js'));
  expect(server.output()).toMatch(/"code":"unusable_model".*the network of the forecasts cannot be used/);
  expect(await (await fetch(`${server.url}/metrics`)).text()).toContain(
    'foresail_network_unusable_total{code="unusable_model"} 1',
  );
  const now = Math.floor(Date.now() / MINUTE) * MINUTE;
  const timestamps = Array.from({ length: 288 }, (_, i) => now - DAY + i * 5 * MINUTE);
  const values = timestamps.map((t) => 100 + 50 * Math.sin((2 * Math.PI * t) / DAY) + 5 * Math.sin(t / 7e5));
  const line = JSON.stringify({ metric: { __name__: 'rps' }, timestamps, values });
  expect((await fetch(`${server.url}/api/v1/import`, { method: 'POST', body: line })).status).toBe(200);
  expect((await fetch(`${server.url}/api/v1/policies/shop/web`, { method: 'PUT', body: POLICY })).status).toBe(201);
  const fitted = async () =>
    /^foresail_forecasts_fitted_total (\d+)$/m.exec(await (await fetch(`${server.url}/metrics`)).text())?.[1];
  await expect.poll(fitted, { timeout: 240_000, interval: 250 }).toBe('1');
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  expect(metrics).not.toMatch(/^foresail_forecast_thread_(ends|fallbacks)_total(\{.*\})? [1-9]/m);
});
