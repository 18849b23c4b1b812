import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { EngineStorage } from '../../src/backends/engine-storage.ts';
import { openPrometheus } from '../../src/backends/prometheus/open-prometheus.ts';
import type { TenantBy } from '../../src/backends/prometheus/tenant-place.ts';
import { encodeLabels, labelsOf } from '../../src/model/labels.ts';
import { decodeSamples, isStaleMarker, setStaleMarker } from '../../src/model/series.ts';
import { DEFAULT_TENANT, parseTenant } from '../../src/model/tenant.ts';
import { DAY, MINUTE, SECOND } from '../../src/model/time.ts';
import { appendSeries } from '../../src/storage/append-series.ts';
import { OUTCOME } from '../../src/storage/write.ts';
import { systemClock } from '../../src/system-clock.ts';
import { waitFor } from '../../src/testing/control-plane.ts';
import {
  findVictoriaMetrics,
  NO_VICTORIA_METRICS,
  startVictoriaMetrics,
  type VictoriaMetrics,
} from './victoria-metrics.ts';

const program = await findVictoriaMetrics();

/** The contract of `storage/` over the real engine. */
describe('the backend prometheus over VictoriaMetrics', () => {
  let engine: VictoriaMetrics;

  beforeEach(({ skip }) => {
    if (program === undefined) skip(NO_VICTORIA_METRICS);
  });
  beforeAll(async () => {
    if (program !== undefined) engine = await startVictoriaMetrics(program);
  });
  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]();
  });

  const now = Math.floor(Date.now() / MINUTE) * MINUTE;

  function open(tenantBy: TenantBy = { kind: 'none' }, timeoutMs = 10 * SECOND): EngineStorage {
    return openPrometheus({
      write: `${engine.url}/api/v1/write`,
      query: engine.url,
      tenantBy,
      tenants: [DEFAULT_TENANT],
      clock: systemClock,
      timeoutMs,
      credentials: async () => ({}),
    });
  }

  const series = (name: string, values: readonly number[], more: Record<string, string> = {}) => ({
    labels: labelsOf({ __name__: name, ...more }),
    times: Float64Array.from(values, (_, i) => now - (values.length - 1 - i) * MINUTE),
    values: Float64Array.from(values),
  });
  const fresh = () => `metric_${randomUUID().replaceAll('-', '')}`;
  const exact = (name: string) => [{ name: '__name__', op: '=' as const, value: name }];
  /** The engine shows what it took some seconds later. */
  const shown = (storage: ReturnType<EngineStorage['tenant']>, name: string, count: number) =>
    waitFor('the samples to be shown', async () => {
      const range = { start: now - 40 * DAY, end: now };
      const found = await storage.select(exact(name), range);
      return found.reduce((sum, { chunks }) => sum + decodeSamples(chunks, range).times.length, 0) === count;
    });

  test('what was committed is read back as it was written, over slices, and not beyond the range', async () => {
    const storage = open().tenant(DEFAULT_TENANT);
    const name = fresh();
    const long = series(
      name,
      Array.from({ length: 20 * 1440 }, (_, i) => i + 0.25),
    );
    expect(await storage.backfill([long], 'demand')).toEqual({
      ...{ appended: 28_800, duplicates: 0, conflicts: 0, outOfBounds: 0 },
    });
    await shown(storage, name, 28_800);
    const range = { start: long.times[5]!, end: long.times.at(-3)! };
    const [found] = await storage.select(exact(name), range);
    const samples = decodeSamples(found!.chunks, range);
    expect([...samples.times]).toEqual([...long.times.slice(5, -2)]);
    expect([...samples.values]).toEqual([...long.values.slice(5, -2)]);
    await expect(storage.select(exact(name), range, { maxSamples: 1000 })).rejects.toMatchObject({
      code: 'too_many_samples',
    });
  });

  test('live samples: references, outcomes, a commit, labels, metadata', async () => {
    const storage = open().tenant(DEFAULT_TENANT);
    const name = fresh();
    const [a, b] = await storage.ref([
      encodeLabels(labelsOf({ __name__: name, app: 'a "quoted" \n one' })),
      encodeLabels(labelsOf({ __name__: name, app: 'b' })),
    ]);
    if (a?.kind !== 'ref' || b?.kind !== 'ref') throw new Error('refused');
    const batch = {
      refs: Uint32Array.of(a.ref, b.ref, b.ref),
      times: Float64Array.of(now, now - MINUTE, now),
      values: Float64Array.of(1, 2, 3),
    };
    expect([...(await storage.write(batch))]).toEqual([OUTCOME.appended, OUTCOME.appended, OUTCOME.appended]);
    await storage.describe([{ metric: name, type: 'gauge', help: 'of a test', unit: '' }]);
    await storage.commit();
    await shown(storage, name, 3);
    const range = { start: now - MINUTE, end: now };
    expect(await storage.series([exact(name)], range)).toEqual([
      labelsOf({ __name__: name, app: 'a "quoted" \n one' }),
      labelsOf({ __name__: name, app: 'b' }),
    ]);
    expect(await storage.labelNames([exact(name)], range)).toEqual(['__name__', 'app']);
    expect(await storage.labelValues('app', [exact(name)], range)).toEqual(['a "quoted" \n one', 'b']);
    expect(await storage.metadata()).toContainEqual({ metric: name, type: 'gauge', help: 'of a test', unit: '' });
  });

  test('the newest sample counts at once, steps are those that were asked for, scalars are scalars', async () => {
    const storage = open().tenant(DEFAULT_TENANT);
    const name = fresh();
    const values = Array.from({ length: 130 }, (_, i) => i);
    await appendSeries(storage, [series(name, values, { app: 'a' }), series(name, values, { app: 'b' })]);
    await shown(storage, name, 260);
    const sum = await storage.instant(`sum(${name})`, now);
    expect(sum.value).toEqual({ kind: 'vector', samples: [{ labels: [], time: now, value: 258 }] });
    const start = now - 120 * MINUTE + 7 * SECOND;
    const { value } = await storage.range(`sum(${name})`, { start, end: now, stepMs: MINUTE });
    if (value.kind !== 'matrix') throw new Error(value.kind);
    expect([...value.series[0]!.times]).toEqual(Array.from({ length: 120 }, (_, i) => start + i * MINUTE));
    expect(value.series[0]!.values.at(-1)).toBe(256);
    expect((await storage.instant(`scalar(sum(${name}))`, now)).value).toEqual({
      kind: 'scalar',
      time: now,
      value: 258,
    });
    expect((await storage.instant(`sum(${name}) / 0`, now)).value).toMatchObject({
      samples: [{ value: Number.POSITIVE_INFINITY }],
    });
    expect((await storage.range('up', { start: now, end: now - MINUTE, stepMs: 1 })).value).toEqual({
      kind: 'matrix',
      series: [],
    });
    await expect(storage.instant(`sum(${name}`, now)).rejects.toMatchObject({ name: 'QueryError', code: 'bad_data' });
  });

  test('a staleness marker travels as its bits, and ends a series', async () => {
    const storage = open().tenant(DEFAULT_TENANT);
    const name = fresh();
    const ended = series(name, [1, 2, 3]);
    setStaleMarker(ended.values, 2);
    await appendSeries(storage, [ended, series(name, [1, 2, 3], { app: 'other' })]);
    await waitFor('the other one', async () => {
      const { value } = await storage.instant(name, now);
      return value.kind === 'vector' && value.samples.length > 0;
    });
    const { value } = await storage.instant(name, now);
    expect(value).toMatchObject({ samples: [{ labels: labelsOf({ __name__: name, app: 'other' }) }] });
    expect(isStaleMarker(ended.values, 2)).toBe(true);
  });

  test('tenants by a label reach their own series alone, and do not see the label', async () => {
    const storage = open({ kind: 'label', name: 'org' });
    const [acme, other] = [storage.tenant(parseTenant('acme')), storage.tenant(parseTenant('other'))];
    const name = fresh();
    await appendSeries(acme, [series(name, [1, 2], { app: 'a' })]);
    await appendSeries(other, [series(name, [10, 20], { app: 'a' })]);
    await shown(acme, name, 2);
    await shown(other, name, 2);
    const labels = labelsOf({ __name__: name, app: 'a' });
    expect((await acme.instant(name, now)).value).toEqual({
      kind: 'vector',
      samples: [{ labels, time: now, value: 2 }],
    });
    const query = `sum without (app) (last_over_time(${name}[5m])) + on () max_over_time(sum(${name})[5m:1m])`;
    expect((await other.instant(query, now)).value).toMatchObject({ samples: [{ labels: [], value: 40 }] });
    const range = { start: now - MINUTE, end: now };
    expect((await acme.select(exact(name), range)).map((each) => each.labels)).toEqual([labels]);
    expect(await acme.series([], range)).toEqual([labels]);
    expect(await acme.labelNames([], range)).toEqual(['__name__', 'app']);
    expect(await acme.labelValues('org', [], range)).toEqual([]);
    const refused = await acme.ref([encodeLabels(labelsOf({ __name__: name, org: 'other' }))]);
    expect(refused).toMatchObject([{ kind: 'refused', id: 'tenant_label' }]);
    await expect(acme.instant(`info(${name})`, now)).rejects.toMatchObject({ name: 'QueryError' });
  });

  test('while the engine is down nothing is promised; afterwards it goes on', async () => {
    const storage = open({ kind: 'none' }, 2 * SECOND);
    const tenant = storage.tenant(DEFAULT_TENANT);
    const name = fresh();
    await engine.stop();
    const unavailable = { code: 'engine_unavailable', message: expect.stringContaining(engine.url) };
    await expect(appendSeries(tenant, [series(name, [1])])).rejects.toMatchObject(unavailable);
    await expect(tenant.instant(name, now)).rejects.toMatchObject(unavailable);
    expect(storage.problems()).toHaveLength(2);
    await engine.start();
    // It rests for a second after a failure.
    await waitFor('a write to be taken', () =>
      appendSeries(tenant, [series(name, [1])]).then(
        () => true,
        () => false,
      ),
    );
    await shown(tenant, name, 1);
    expect(storage.problems()).toEqual([]);
  });

  test('a wrong address is told with what was expected', async () => {
    const wrong = openPrometheus({
      write: `${engine.url}/api/v1/wrong`,
      query: `${engine.url}/nowhere`,
      tenantBy: { kind: 'none' },
      tenants: [DEFAULT_TENANT],
      clock: systemClock,
      timeoutMs: 2 * SECOND,
      credentials: async () => ({}),
    });
    await wrong.probe();
    expect(wrong.problems()).toEqual([
      expect.stringMatching(
        /cannot write to the engine at .*\/api\/v1\/wrong: it answered 400 .*storage\.write\.url is to be the whole address/,
      ),
      expect.stringMatching(
        /cannot ask the engine at .*\/nowhere\/api\/v1\/query: .*storage\.query\.url is to be what stands before/,
      ),
    ]);
  });
});
