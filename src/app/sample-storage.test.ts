import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadSettings } from '../config/load.ts';
import { labelsOf } from '../model/labels.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { evaluatorOver } from '../promql/run.ts';
import { appendSeries } from '../storage/append-series.ts';
import { createLogger } from '../telemetry/logger.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { type ScriptedEngine, startScriptedEngine } from '../testing/scripted-engine.ts';
import { simClock } from '../testing/sim-clock.ts';
import { openTsdb, type Tsdb } from '../tsdb/open-tsdb.ts';
import { openSampleStorage } from './sample-storage.ts';

const NOW = 1_800_000_000_000;
const clock = simClock(NOW);
let engine: ScriptedEngine;
let folder: string;
let tsdb: Tsdb;

beforeEach(async () => {
  engine = await startScriptedEngine();
  folder = await mkdtemp(join(tmpdir(), 'foresail-sample-storage-'));
  tsdb = await openTsdb({ dir: folder, clock });
});
afterEach(async () => {
  await tsdb[Symbol.asyncDispose]();
  await engine[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const demandOf = (workload: string, samples = 1) => ({
  labels: labelsOf({ __name__: 'rps', namespace: 'shop', policy: workload, workload }),
  times: Float64Array.from({ length: samples }, (_, i) => NOW + i),
  values: new Float64Array(samples),
});

test('what is derived is written for the targets that this process acts on alone; what is sent goes straight on', async () => {
  const settings = {
    ...loadSettings({ env: {} }),
    storage: {
      ...({ kind: 'prometheus', writeUrl: `${engine.url}/api/v1/write`, queryUrl: engine.url } as const),
      ...({ tenantBy: { kind: 'none' }, bearerTokenFile: undefined, basicAuth: undefined } as const),
      ...{ headers: { 'x-cluster': 'a' }, timeoutMs: 1000, bufferedSamples: 100, queueBytes: 0 },
    },
  };
  const metrics = createMetrics();
  const membership = { tenureOf: ({ name }: { readonly name: string }) => (name === 'mine' ? '1' : undefined) };
  const log = createLogger('silent');
  const samples = await openSampleStorage({
    settings,
    tsdb,
    clock,
    metrics,
    log,
    membership,
    evaluator: evaluatorOver,
  });
  const own = samples.own(DEFAULT_TENANT);
  const { outbox } = samples.engine!;

  expect(await appendSeries(own, [demandOf('mine'), demandOf('theirs')])).toMatchObject({ stored: 2, dropped: {} });
  expect([outbox.waiting(), engine.received.length]).toEqual([1, 0]);
  await outbox.pass();
  expect(engine.received.map((each) => each.samples)).toEqual([1]);
  expect(engine.received[0]!.headers['x-cluster']).toBe('a');
  await own.backfill([demandOf('mine', 7), demandOf('theirs', 9)]);
  expect(engine.received[1]!.samples).toBe(7);
  await appendSeries(samples.storage.tenant(DEFAULT_TENANT), [demandOf('mine'), demandOf('theirs')]);
  expect(engine.received[2]!.samples).toBe(2);

  engine.answer({ status: 400, body: 'out of order' });
  await appendSeries(own, [demandOf('mine', 3)]);
  await outbox.pass();
  await appendSeries(own, [demandOf('mine', 130)]);
  const counted = await metrics.registry.getSingleMetricAsString('foresail_dropped_samples_total');
  expect(counted).toContain('{reason="engine_refused"} 3');
  expect(counted).toContain('{reason="outbox_full"} 130');
});

test('without an engine everything is here', async () => {
  const settings = loadSettings({ env: {} });
  const samples = await openSampleStorage({
    ...{ settings, tsdb, clock, metrics: createMetrics(), log: createLogger('silent'), membership: undefined },
    evaluator: evaluatorOver,
  });
  expect(samples).toMatchObject({ storage: tsdb.storage, engine: undefined });
});

test('what others send is answered once it is on disk, and goes once the engine takes it', async () => {
  const settings = {
    ...loadSettings({ env: {} }),
    storage: {
      ...({ kind: 'prometheus', writeUrl: `${engine.url}/api/v1/write`, queryUrl: engine.url } as const),
      ...({ tenantBy: { kind: 'none' }, bearerTokenFile: undefined, basicAuth: undefined } as const),
      ...{ headers: {}, timeoutMs: 1000, bufferedSamples: 100, queueBytes: 1e6 },
    },
  };
  const metrics = createMetrics();
  const log = createLogger('silent');
  const deps = { settings, tsdb, clock, metrics, log, membership: undefined, evaluator: evaluatorOver };
  const before = await openSampleStorage(deps);
  engine.answer({ status: 503, headers: { 'retry-after': '60' } });
  const sent = [demandOf('web', 10), demandOf('api', 6)];
  expect(await appendSeries(before.receiver.tenant(DEFAULT_TENANT), sent)).toMatchObject({ stored: 16 });
  await before.engine!.queue!.pass().catch(() => {});
  expect(before.engine!.queue!.waiting().items).toBe(16);

  // The next start finds it. An engine that refuses a whole request for one sample gets the others on their own.
  const after = await openSampleStorage(deps);
  const refused = { status: 400, body: 'out of order' };
  engine.answer(refused, { status: 204 }, refused, { status: 204 }, refused, refused, { status: 204 });
  await after.engine!.queue!.pass();
  expect(engine.received.slice(1).map(({ samples }) => samples)).toEqual([16, 10, 6, 3, 3, 1, 2]);
  expect(after.engine!.queue!.waiting()).toEqual({ items: 0, bytes: 0 });
  const counted = await metrics.registry.getSingleMetricAsString('foresail_dropped_samples_total');
  expect(counted).toContain('{reason="engine_refused"} 1');
});
