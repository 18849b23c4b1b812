import { cp, mkdtemp, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createForecastDesk } from '../forecast/desk.ts';
import { MINUTE } from '../model/time.ts';
import { readModelBytes, SHIPPED_MODEL } from './load-regressor.ts';
import { openModelVersions } from './model-versions.ts';
import { openNetworks, readTenantModels } from './tenant-models.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foresail-tenants-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function keepVersion(tenant: string): Promise<void> {
  const scores = { candidate: 0.2, current: 0.21, lastValue: 0.3, series: 2, rows: 10, epochs: 1 };
  const versions = openModelVersions(join(folder, 'models', tenant));
  const bytes = await readModelBytes(SHIPPED_MODEL);
  await versions.add(bytes, { trainedAt: 1, digest: 'a', against: 'shipped', scores }, true);
}

test('a tenant has its own network where there is one, the others the shipped one', async () => {
  await keepVersion('shop');
  const models = await readTenantModels(folder, () => expect.unreachable());
  expect([...models.own.keys()]).toEqual(['shop']);
  const networks = await openNetworks(models, () => {});
  expect(networks.of('shop/ns/policy/demand').regressor).not.toBe(networks.of('other/ns/policy/demand').regressor);
  expect(networks.of('other/ns/policy/demand').regressor).toBeDefined();
});

test('what is damaged is told and left out, and forecasts go on', async () => {
  await keepVersion('shop');
  await truncate(join(folder, 'models', 'shop', 'versions', 'v1', 'weights.bin'), 100);
  const shipped = join(folder, 'shipped');
  await cp(join(SHIPPED_MODEL, 'model.json'), join(shipped, 'model.json'));
  const told: string[] = [];
  const models = await readTenantModels(folder, (whose, { code }) => told.push(`${whose} ${code}`), shipped);
  expect(told).toEqual(['shipped unusable_model', 'shop unusable_model']);
  const desk = createForecastDesk(undefined, (await openNetworks(models, () => {})).of);
  const values = Float64Array.from({ length: 200 }, (_, t) => 100 + 10 * Math.sin(t / 9));
  const options = { horizonSteps: 12, peakWindowMs: 10 * MINUTE };
  const history = { start: 0, stepMs: 5 * MINUTE, values };
  const answer = desk.answer({ kind: 'fit', key: 'shop/ns/policy/demand', history, options });
  expect(answer.kind === 'forecast' && answer.forecast.model).not.toContain('network');
});

test('the server forecasts with the shipped network', async () => {
  const networks = await openNetworks(await readTenantModels(folder, () => {}), () => {});
  const desk = createForecastDesk(undefined, networks.of);
  const values = Float64Array.from({ length: 288 }, (_, t) => 100 + 30 * Math.sin(t / 30) + 3 * Math.sin(t * t));
  const options = { horizonSteps: 12, peakWindowMs: 10 * MINUTE };
  const history = { start: 0, stepMs: 5 * MINUTE, values };
  const answer = desk.answer({ kind: 'fit', key: 'default/ns/policy/demand', history, options });
  expect(answer.kind === 'forecast' && answer.forecast.model).toContain('network');
});
