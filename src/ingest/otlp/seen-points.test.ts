import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatLabels } from '../../model/labels.ts';
import { decodeSamples, isStaleMarker } from '../../model/series.ts';
import { DEFAULT_TENANT } from '../../model/tenant.ts';
import { encodeOtlp } from '../../testing/encode-otlp.ts';
import { memoryStorage } from '../../testing/memory-storage.ts';
import { attributes, NOW, nanos, SHOP, useOtlpReceiver } from '../../testing/otlp-receiver.ts';
import { PROPERTY_RUNS } from '../../testing/property-runs.ts';
import { loadCore } from '../../tsdb/core.ts';
import { CoreMemory } from '../../wire/core-memory.ts';
import { decodeOtlpProtobuf } from '../../wire/otlp-protobuf.ts';
import { DEFAULT_LABEL_LIMITS } from '../check-labels.ts';
import { appendOtlp } from './append-otlp.ts';
import { DeltaCounters } from './delta-counters.ts';
import type { OtlpTranslation } from './labels.ts';
import { SeenPoints } from './seen-points.ts';

const core = await loadCore();
const memory = new CoreMemory(core);
const translation: OtlpTranslation = {
  strategy: 'UnderscoreEscapingWithSuffixes',
  promoteResourceAttributes: ['zone'],
  promoteScopeMetadata: true,
};

/** A store, and a way to it that remembers points or does not. */
function open(seen?: SeenPoints) {
  const tenant = memoryStorage({ now: () => NOW }).tenant(DEFAULT_TENANT);
  const counters = new DeltaCounters(() => NOW);
  const options = { translation, limits: DEFAULT_LABEL_LIMITS, counters, turn: async () => {} };
  return {
    async send(bytes: Uint8Array) {
      const scanned = seen?.scan(bytes);
      const decoded = decodeOtlpProtobuf(bytes, scanned?.left);
      const sent = { decoded, scanned, seen, whole: () => decodeOtlpProtobuf(bytes) };
      const { messages: _, ...summary } = await appendOtlp(sent, tenant, options);
      return { summary, decoded: decoded.resources.flatMap(({ scopes }) => scopes.flatMap(({ metrics }) => metrics)) };
    },
    async all() {
      const range = { start: 0, end: Number.MAX_SAFE_INTEGER };
      const found = await tenant.select([{ name: '__name__', op: '!=', value: '' }], range);
      return found
        .map(({ labels, chunks }) => {
          const { times, values } = decodeSamples(chunks, range);
          const shown = [...times].map((time, i) => `${time}=${isStaleMarker(values, i) ? 'stale' : values[i]}`);
          return `${formatLabels(labels)} ${shown.join(' ')}`;
        })
        .sort();
    },
  };
}

type Points = readonly object[];
const gauge = (name: string, dataPoints: Points) => ({ name, unit: 'By', gauge: { dataPoints } });
const sum = (name: string, dataPoints: Points, aggregationTemporality = 2) => {
  return { name, sum: { aggregationTemporality, isMonotonic: true, dataPoints } };
};
const histogram = (name: string, dataPoints: Points) => ({
  name,
  histogram: { aggregationTemporality: 2, dataPoints },
});

function request(metrics: Points, resource: Points = SHOP) {
  const scope = { name: 'lib', version: '1', attributes: attributes({ lang: 'js' }) };
  return encodeOtlp({
    resourceMetrics: [
      { resource: { attributes: resource }, scopeMetrics: [{ scope, metrics, schemaUrl: 'https://x/1' }] },
    ],
  });
}

describe('SeenPoints', () => {
  const at = (time: number, of: string, more: object) => {
    return { timeUnixNano: nanos(time), startTimeUnixNano: nanos(-60_000), attributes: attributes({ of }), ...more };
  };
  const sumless = { count: '6', bucketCounts: ['1', '2', '3'], explicitBounds: [0.5, 1] };
  const buckets = { ...sumless, sum: 7.5 };
  const plain = (time: number) => [
    gauge('heat', [at(time, 'a', { asDouble: 1.5 }), at(time, 'b', { asInt: '-7' })]),
    sum('hits', [at(time, 'a', { asInt: '9' })]),
    histogram('took', [at(time, 'a', buckets), at(time, 'b', sumless)]),
  ];

  test('nothing of what was seen is decoded again', async () => {
    const seen = new SeenPoints(memory, core);
    const { send } = open(seen);
    expect((await send(request(plain(0)))).decoded).toHaveLength(3);
    const second = await send(request(plain(1_000)));
    expect(second.decoded).toEqual([]);
    // Two gauges, a counter, 5 and 4 of histograms, and `target_info` has nothing to tell.
    expect(second.summary).toMatchObject({ stored: 12, rejectedPoints: 0 });
  });

  test.each([
    { name: 'a new attribute', metric: gauge('heat', [at(1_000, 'c', { asInt: '1' })]) },
    { name: 'another unit', metric: { ...gauge('heat', [at(1_000, 'a', { asInt: '1' })]), unit: 's' } },
    { name: 'another kind', metric: sum('heat', [at(1_000, 'a', { asInt: '1' })]) },
    { name: 'a delta', metric: sum('hits', [at(1_000, 'a', { asInt: '1' })], 1) },
    { name: 'no value', metric: gauge('heat', [at(1_000, 'a', {})]) },
    { name: 'the end of a series', metric: gauge('heat', [at(1_000, 'a', { flags: 1 })]) },
    { name: 'no time', metric: gauge('heat', [{ attributes: attributes({ of: 'a' }), asInt: '1' }]) },
    { name: 'other buckets', metric: histogram('took', [at(1_000, 'a', { ...buckets, explicitBounds: [0.5, 2] })]) },
    { name: 'buckets that do not fit', metric: histogram('took', [at(1_000, 'a', { ...buckets, bucketCounts: [] })]) },
    { name: 'an exemplar', metric: sum('hits', [at(1_000, 'a', { asInt: '1', exemplars: [{ asInt: '1' }] })]) },
  ])('$name is decoded', async ({ metric }) => {
    const seen = new SeenPoints(memory, core);
    const { send } = open(seen);
    await send(request(plain(0)));
    const { decoded } = await send(request([...plain(500), metric]));
    expect(decoded.map(({ name }) => name)).toEqual([metric.name]);
  });

  test('what is refused is told as if it had not been seen', async () => {
    const seen = new SeenPoints(memory, core);
    const { send } = open(seen);
    await send(request(plain(0)));
    const { summary } = await send(request([...plain(1_000), gauge('heat', [at(0, 'a', { asInt: '3' })])]));
    expect(summary).toMatchObject({ stored: 12, rejectedPoints: 1, dropped: new Map([['conflict', 1]]) });
  });

  const point = fc
    .record({
      time: fc.constantFrom(0, 1_000, 2_000, 400_000),
      of: fc.constantFrom('a', 'b', ''),
      value: fc.constantFrom({ asInt: '5' }, { asDouble: 2.5 }, { flags: 1 }, {}),
      start: fc.boolean(),
    })
    .map(({ time, of, value, start }) => ({
      ...(time !== 400_000 && { timeUnixNano: nanos(time) }),
      ...(start && { startTimeUnixNano: nanos(-9_000) }),
      attributes: attributes(of === '' ? {} : { of, extra: 'x' }),
      ...value,
    }));
  const numbers = fc.array(point, { maxLength: 3 });
  const metric = fc.oneof(
    fc.tuple(fc.constantFrom('x', 'y'), numbers).map(([name, points]) => gauge(name, points)),
    fc
      .tuple(fc.constantFrom('x', 'y'), numbers, fc.constantFrom(0, 2))
      .map(([name, points, kind]) => sum(name, points, kind)),
    fc.array(fc.constantFrom(...[0, 1_000, 3_000]), { maxLength: 2 }).map((times) =>
      histogram(
        'h',
        times.map((time) => at(time, 'a', time === 3_000 ? sumless : buckets)),
      ),
    ),
  );
  const resource = fc.constantFrom(SHOP, attributes({ zone: 'z' }), [...SHOP, ...attributes({ zone: 'z', host: 'h' })]);

  test('the store is the same with and without them, whatever was sent before', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.array(metric, { maxLength: 3 }), resource), { maxLength: 4 }),
        async (all) => {
          const seen = new SeenPoints(memory, core);
          const [fast, slow] = [open(seen), open()];
          for (const [metrics, of] of all) {
            const bytes = request(metrics, of);
            expect((await fast.send(bytes)).summary).toEqual((await slow.send(bytes)).summary);
          }
          expect(await fast.all()).toEqual(await slow.all());
          seen.clear();
        },
      ),
    );
  });

  test('bytes that are damaged are left to the decoder', () => {
    const seen = new SeenPoints(memory, core);
    const good = request(plain(0));
    const steps = seen.learn(
      { resources: [], elements: 0 },
      new Map(),
      () => undefined,
      () => true,
    );
    expect([...steps]).toEqual([]);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 4 }), (changes) => {
        const bytes = good.slice();
        for (const [place, byte] of changes) bytes[place] = byte;
        seen.scan(bytes);
      }),
      { numRuns: 3 * PROPERTY_RUNS },
    );
    expect(seen.scan(good.subarray(0, good.length - 1))).toBeUndefined();
  });
});

describe('otlpHandler()', () => {
  const receiver = useOtlpReceiver();

  test('stores what it has seen before, also after it has gone from memory', async () => {
    const of = (time: number) => {
      return request(
        [gauge('heat', [{ timeUnixNano: nanos(time), asInt: '1' }])],
        [...SHOP, ...attributes({ host: 'h' })],
      );
    };
    for (const time of [-3_000, -2_000, -1_000]) expect((await receiver.post(of(time))).status).toBe(200);
    expect(Object.values(await receiver.stored('heat_bytes'))).toEqual([
      [
        [-3_000, 1],
        [-2_000, 1],
        [-1_000, 1],
      ],
    ]);
    expect(Object.values(await receiver.stored('target_info'))[0]).toHaveLength(3);
  });
});
