import { describe, expect, test } from 'vitest';
import { DEFAULT_TENANT } from '../../model/tenant.ts';
import { encodeOtlp } from '../../testing/encode-otlp.ts';
import { memoryStorage } from '../../testing/memory-storage.ts';
import { attributes, NOW, nanos } from '../../testing/otlp-receiver.ts';
import { loadCore } from '../../tsdb/core.ts';
import { CoreMemory } from '../../wire/core-memory.ts';
import { decodeOtlpProtobuf } from '../../wire/otlp-protobuf.ts';
import { DEFAULT_LABEL_LIMITS } from '../check-labels.ts';
import { appendOtlp } from './append-otlp.ts';
import { DeltaCounters } from './delta-counters.ts';
import { openSeenPoints, SeenPoints } from './seen-points.ts';
import { translateOtlp } from './translate.ts';

const translation = {
  strategy: 'UnderscoreEscapingWithSuffixes',
  promoteResourceAttributes: [],
  promoteScopeMetadata: false,
} as const;

async function open() {
  const core = await loadCore();
  const memory = new CoreMemory(core);
  const seen = new SeenPoints(memory, core);
  const tenant = memoryStorage({ now: () => NOW }).tenant(DEFAULT_TENANT);
  const options = {
    translation,
    limits: DEFAULT_LABEL_LIMITS,
    counters: new DeltaCounters(() => NOW),
    turn: async () => {},
  };
  const learn = (bytes: Uint8Array) => {
    const whole = () => decodeOtlpProtobuf(bytes);
    return appendOtlp({ decoded: whole(), scanned: undefined, whole, seen }, tenant, options);
  };
  return { core, seen, learn };
}

const point = (time: number) => ({ timeUnixNano: nanos(time), asInt: '1' });
const gauge = (name: string, dataPoints: readonly object[]) => ({ name, gauge: { dataPoints } });

describe('what a sender can make of what was seen', () => {
  test('a request with many spans of target_info is not scanned, and tells of their ends alone', async () => {
    const resource = { attributes: attributes({ 'service.name': 'a', zone: 'b' }) };
    const of = (...times: readonly number[]) => ({
      resource,
      scopeMetrics: [{ metrics: [gauge('g', times.map(point))] }],
    });
    const { seen, learn } = await open();
    await learn(encodeOtlp({ resourceMetrics: [of(0)] }));
    const days = of(-2 * 24 * 3_600_000, 0);
    expect(seen.scan(encodeOtlp({ resourceMetrics: [days] }))?.refs).toHaveLength(2 + 1_153);
    const many = encodeOtlp({ resourceMetrics: Array.from({ length: 300 }, () => days) });
    expect(seen.scan(many)).toBeUndefined();
    let count = 0;
    for (const _ of translateOtlp(decodeOtlpProtobuf(many), translation, DEFAULT_LABEL_LIMITS)) count++;
    expect(count).toBeLessThan(300_000);
  });

  test('many metrics of one long scope take no more memory than a tenant may', async () => {
    const { core, seen, learn } = await open();
    const scope = { name: 'x'.repeat(15_000) };
    const metrics = Array.from({ length: 16_000 }, (_, i) => gauge(`g${i}`, []));
    metrics.push(gauge('h', [point(0)]));
    await learn(
      encodeOtlp({
        resourceMetrics: [
          { resource: { attributes: attributes({ 'service.name': 'a' }) }, scopeMetrics: [{ scope, metrics }] },
        ],
      }),
    );
    expect(seen.sizeBytes).toBeLessThanOrEqual(64 << 20);
    // It grows by doubling.
    expect(core.memory.buffer.byteLength).toBeLessThanOrEqual(128 << 20);
  });

  test('of all tenants, the largest are forgotten', async () => {
    const core = await loadCore();
    const all = openSeenPoints(new CoreMemory(core), core);
    const learn = (tenant: string, count: number) => {
      const metrics = Array.from({ length: count }, (_, i) => gauge(`g${i}`, [point(0)]));
      const bytes = encodeOtlp({ resourceMetrics: [{ resource: {}, scopeMetrics: [{ metrics }] }] });
      const ref = () => [1];
      for (const _ of all.of(tenant).learn(decodeOtlpProtobuf(bytes), new Map(), ref, () => true));
      return all.of(tenant).sizeBytes;
    };
    const [a, b, c] = [learn('a', 100), learn('b', 2_000), learn('c', 10)];
    for (const tenant of ['a', 'b', 'c', 'c', 'd']) all.trim(tenant);
    expect(all.sizeBytes).toBe(a + b + c);
    all.trim('c', a + c);
    expect(['a', 'b', 'c'].map((tenant) => all.of(tenant).sizeBytes)).toEqual([a, 0, c]);
    expect(all.sizeBytes).toBe(a + c);
  });
});
