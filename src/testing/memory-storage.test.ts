import { expect, test } from 'vitest';
import { encodeLabels, labelsOf } from '../model/labels.ts';
import { isStaleMarker, setStaleMarker } from '../model/series.ts';
import { DEFAULT_TENANT, parseTenant } from '../model/tenant.ts';
import { OUTCOME } from '../storage/write.ts';
import { memoryStorage, memoryTenant } from './memory-storage.ts';

const ALL = { start: Number.NEGATIVE_INFINITY, end: Number.POSITIVE_INFINITY };
const up = labelsOf({ __name__: 'up', job: 'api' });

test('memoryTenant() takes live samples and shows them after the commit', async () => {
  const store = memoryTenant({ now: () => 1000 });
  const [answer] = await store.ref([encodeLabels(up)]);
  expect(answer).toEqual({ kind: 'ref', ref: 1 });
  const values = Float64Array.of(1, 2, 0, 9);
  setStaleMarker(values, 2);
  const batch = { refs: Uint32Array.of(1, 1, 1, 7), times: Float64Array.of(10, 20, 30, 40), values };
  expect([...(await store.write(batch))]).toEqual([0, 0, 0, OUTCOME.gone]);
  expect(await store.select([], ALL)).toEqual([]);
  await store.commit();
  const [series] = await store.select([{ name: 'job', op: '=~', value: 'a.*' }], { start: 20, end: 30 });
  expect(series?.labels).toEqual(up);
  expect([...series!.chunks[0]!.times]).toEqual([20, 30]);
  expect(isStaleMarker(series!.chunks[0]!.values, 1)).toBe(true);

  const again = {
    refs: Uint32Array.of(1, 1, 1, 1),
    times: Float64Array.of(20, 20, 15, 10 ** 9),
    values: Float64Array.of(2, 3, 1, 1),
  };
  expect([...(await store.write(again))]).toEqual([
    ...[OUTCOME.duplicate, OUTCOME.conflict, OUTCOME.outOfOrder, OUTCOME.tooFarInFuture],
  ]);
});

test('memoryTenant() backfills in any order and counts what it met', async () => {
  const store = memoryTenant();
  const run = (times: number[], values: number[]) => [
    { labels: up, times: Float64Array.from(times), values: Float64Array.from(values) },
  ];
  expect(await store.backfill(run([30, 50], [3, 5]))).toMatchObject({ appended: 2 });
  expect(await store.backfill(run([10, 30, 50], [1, 3, 6]))).toEqual({
    ...{ appended: 1, duplicates: 1, conflicts: 1, outOfBounds: 0 },
  });
  const [series] = await store.select([], ALL);
  expect([...series!.chunks[0]!.times]).toEqual([10, 30, 50]);
  expect([...series!.chunks[0]!.values]).toEqual([1, 3, 5]);
  await expect(store.select([], ALL, { maxSamples: 2 })).rejects.toMatchObject({ code: 'too_many_samples' });
});

test('memoryStorage() keeps tenants apart and answers questions about labels', async () => {
  await using storage = memoryStorage();
  const times = Float64Array.of(10);
  for (const job of ['b', 'a']) {
    await storage
      .tenant(DEFAULT_TENANT)
      .backfill([{ labels: labelsOf({ __name__: 'up', job }), times, values: times }]);
  }
  const other = storage.tenant(parseTenant('other'));
  expect(await storage.tenants()).toEqual([DEFAULT_TENANT]);
  expect(await other.series([], ALL)).toEqual([]);
  const store = storage.tenant(DEFAULT_TENANT);
  expect(await store.labelNames([], ALL)).toEqual(['__name__', 'job']);
  expect(await store.labelValues('job', [], ALL)).toEqual(['a', 'b']);
  expect(await store.labelValues('job', [], { start: 11, end: 20 })).toEqual([]);
  expect(await store.series([[{ name: 'job', op: '!=', value: 'b' }]], ALL)).toEqual([
    labelsOf({ __name__: 'up', job: 'a' }),
  ]);
});
