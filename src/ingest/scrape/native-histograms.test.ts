import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { formatLabels, type Labels } from '../../model/labels.ts';
import { DEFAULT_TENANT } from '../../model/tenant.ts';
import { OUTCOME } from '../../storage/write.ts';
import { PLAIN_TARGET } from '../../testing/plain-target.ts';
import { loadCore } from '../../tsdb/core.ts';
import { openTsdb } from '../../tsdb/open-tsdb.ts';
import { CoreMemory } from '../../wire/core-memory.ts';
import { decodeNativeHistogram } from '../../wire/native-histogram.ts';
import { TargetSeries } from './target-series.ts';

const NOW = Date.parse('2026-08-03T10:00:00Z');
const field = (tag: number, bytes: readonly number[]) => [tag, bytes.length, ...bytes];

/** `span`, five observations in two buckets of schema 3, that counts since 1,000 s: io.prometheus.client.MetricFamily. */
function exposed(): Buffer {
  // sample_count, schema, positive_span {length}, positive_delta, created_timestamp {seconds}
  const histogram = [
    0x08,
    5,
    0x28,
    6,
    ...field(0x62, [0x10, 2]),
    ...field(0x6a, [4, 2]),
    ...field(0x7a, [0x08, 0xe8, 7]),
  ];
  const family = [...field(0x0a, [...Buffer.from('span')]), 0x18, 4, ...field(0x22, field(0x3a, histogram))];
  return Buffer.from([family.length, ...family]);
}

test('a native histogram that a target exposes is stored, with the time since when it counts', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'foresail-native-'));
  await using tsdb = await openTsdb({ dir, clock: { now: () => NOW } });
  const tenant = tsdb.storage.tenant(DEFAULT_TENANT);
  const dropped: string[] = [];
  const series = new TargetSeries({
    ...PLAIN_TARGET,
    writer: tenant,
    memory: tsdb.labels.memory,
    onDropped: (reason) => dropped.push(reason),
  });
  const counts = { scraped: 0, kept: 0, added: 0, stored: 0 };
  await series.append(exposed(), 'protobuf', NOW - 15_000, counts);
  await series.append(exposed(), 'protobuf', NOW, counts);
  await series.report(NOW, true, 0.1, counts);
  const matcher = { name: '__name__', op: '=' as const, value: 'span' };
  const [found] = await tenant.histograms([matcher], { start: 0, end: NOW });
  expect(found!.histograms.map(({ time, start }) => [time - NOW, start])).toEqual([
    [-15_000, 1_000_000],
    [0, 1_000_000],
  ]);
  expect(decodeNativeHistogram(found!.histograms[0]!.bytes)).toMatchObject({ count: 5, schema: 3 });
  expect([dropped, counts]).toEqual([[], { scraped: 1, kept: 1, added: 0, stored: 2 }]);
  series.leave();
  await rm(dir, { recursive: true });
});

/** Families `requests` (counter), `latency` (histogram) and `size` (summary) that count since 1,000 s, and `load` (gauge). */
function counting(): Buffer {
  const double = (tag: number, value: number) => {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(value);
    return [tag, ...bytes];
  };
  const since = [0x08, 0xe8, 7];
  const quantile = field(0x1a, [...double(0x09, 0.5), ...double(0x11, 2)]);
  const bucket = field(0x1a, [0x08, 3, ...double(0x11, 1)]);
  const families = [
    { name: 'requests', type: 0, value: field(0x1a, [...double(0x09, 7), ...field(0x1a, since)]) },
    { name: 'latency', type: 4, value: field(0x3a, [0x08, 4, ...bucket, ...field(0x7a, since)]) },
    { name: 'size', type: 2, value: field(0x22, [0x08, 4, ...quantile, ...field(0x22, since)]) },
    { name: 'load', type: 1, value: field(0x12, double(0x09, 7)) },
  ];
  const bytes = families.flatMap(({ name, type, value }) => {
    const family = [...field(0x0a, [...Buffer.from(name)]), 0x18, type, ...field(0x22, value)];
    return [family.length, ...family];
  });
  return Buffer.from(bytes);
}

test('the time since when counters, histograms and summaries count is stored with their samples, and makes no series', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'foresail-started-'));
  await using tsdb = await openTsdb({ dir, clock: { now: () => NOW } });
  const tenant = tsdb.storage.tenant(DEFAULT_TENANT);
  const series = new TargetSeries({ ...PLAIN_TARGET, writer: tenant, memory: tsdb.labels.memory });
  const counts = { scraped: 0, kept: 0, added: 0, stored: 0 };
  await series.append(counting(), 'protobuf', NOW - 15_000, counts);
  await series.append(counting(), 'protobuf', NOW, counts);
  await tenant.commit();
  const range = { start: 0, end: NOW };
  const named = (labels: Labels) => formatLabels(labels.filter(([name]) => name !== 'instance'));
  expect((await tenant.series([], range)).map(named)).toEqual([
    ...['latency_bucket{le="+Inf"}', 'latency_bucket{le="1.0"}', 'latency_count', 'latency_sum', 'load'],
    ...['requests', 'size{quantile="0.5"}', 'size_count', 'size_sum'],
  ]);
  const starts = await tenant.starts([], range);
  expect(starts.map(({ labels, times, starts: at }) => [named(labels), [...times], [...at]])).toEqual(
    [
      ...['latency_bucket{le="+Inf"}', 'latency_bucket{le="1.0"}', 'latency_count', 'latency_sum'],
      ...['requests', 'size_count', 'size_sum'],
    ].map((name) => [name, [NOW - 15_000], [1_000_000]]),
  );
  series.leave();
  await rm(dir, { recursive: true });
});

test('a native histogram whose series the store has forgotten gets another', async () => {
  const stored: number[] = [];
  /** Up to this reference. */
  let gone = 0;
  let last = 0;
  const series = new TargetSeries({
    ...PLAIN_TARGET,
    writer: {
      ref: async (all) => all.map(() => ({ kind: 'ref', ref: ++last })),
      write: async ({ refs }) => new Uint8Array(refs.length),
      attach: async ({ histograms }) => {
        const outcomes = histograms.map(({ ref }) => (ref <= gone ? OUTCOME.gone : OUTCOME.appended));
        stored.push(...histograms.flatMap(({ ref }) => (ref <= gone ? [] : [ref])));
        return { exemplars: new Uint8Array(), histograms: Uint8Array.from(outcomes) };
      },
      describe: async () => {},
      commit: async () => {},
    },
    memory: new CoreMemory(await loadCore()),
  });
  const counts = { scraped: 0, kept: 0, added: 0, stored: 0 };
  await series.append(exposed(), 'protobuf', NOW - 15_000, counts);
  gone = 1;
  await series.append(exposed(), 'protobuf', NOW, counts);
  expect(stored).toEqual([1, 2]);
  series.leave();
});
