import { cp, mkdtemp, rm, symlink, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startDailyPolicy } from '../daily-policy.ts';
import { startServe } from '../serve-process.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
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
  await startDailyPolicy(server, 1);
  const fitted = async () =>
    /^foresail_forecasts_fitted_total (\d+)$/m.exec(await (await fetch(`${server.url}/metrics`)).text())?.[1];
  await expect.poll(fitted, { timeout: 240_000, interval: 250 }).toBe('1');
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  expect(metrics).not.toMatch(/^foresail_forecast_thread_(ends|fallbacks)_total(\{.*\})? [1-9]/m);
});
