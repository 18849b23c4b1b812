import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type DurableOutbox, openDurableOutbox } from '../../src/backends/durable-outbox.ts';
import type { EngineStorage } from '../../src/backends/engine-storage.ts';
import { type InfluxOptions, openInflux } from '../../src/backends/influx/open-influx.ts';
import { encodeLabels, type Labels, labelsOf } from '../../src/model/labels.ts';
import type { Matcher, MatcherOp } from '../../src/model/matcher.ts';
import { decodeSamples, isStaleMarker, setStaleMarker } from '../../src/model/series.ts';
import { DEFAULT_TENANT, parseTenant } from '../../src/model/tenant.ts';
import { DAY, MINUTE, SECOND } from '../../src/model/time.ts';
import { evaluatorOver } from '../../src/promql/run.ts';
import { appendSeries } from '../../src/storage/append-series.ts';
import type { TenantStorage } from '../../src/storage/storage.ts';
import { systemClock } from '../../src/system-clock.ts';
import { waitFor } from '../../src/testing/control-plane.ts';
import { memoryKeyValue } from '../../src/testing/memory-key-value.ts';
import { memoryStorage } from '../../src/testing/memory-storage.ts';
import { findInflux, type Influx, NO_INFLUX, startInflux } from './influx.ts';

const program = findInflux();

/** The contract of `storage/` over Debian's InfluxDB. */
describe('the backend influx', () => {
  let engine: Influx;

  beforeEach(({ skip }) => {
    if (program === undefined) skip(NO_INFLUX);
  });
  beforeAll(async () => {
    if (program !== undefined) engine = await startInflux(program);
  });
  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]();
  });

  const now = Math.floor(Date.now() / MINUTE) * MINUTE;
  const always = { start: now - 400 * DAY, end: now + DAY };

  function open(options: Partial<InfluxOptions> = {}): Promise<EngineStorage> {
    return openInflux({
      url: engine.url,
      database: 'foresail',
      retentionPolicy: undefined,
      username: undefined,
      password: async () => '',
      tenantBy: { kind: 'none' },
      tenants: [DEFAULT_TENANT],
      clock: systemClock,
      timeoutMs: 10 * SECOND,
      evaluator: evaluatorOver,
      ...options,
    });
  }

  const series = (name: string, values: readonly number[], more: Record<string, string> = {}) => ({
    labels: labelsOf({ ...more, __name__: name }),
    times: Float64Array.from(values, (_, i) => now - (values.length - 1 - i) * MINUTE),
    values: Float64Array.from(values),
  });
  const fresh = () => `metric_${randomUUID().replaceAll('-', '')}`;
  const exact = (name: string) => [{ name: '__name__', op: '=' as const, value: name }];
  async function read(storage: Pick<TenantStorage, 'select'>, matchers: readonly Matcher[], range = always) {
    const found = await storage.select(matchers, range);
    return found.map(({ labels, chunks }) => ({ labels, ...decodeSamples(chunks, range) }));
  }
  const bits = (values: Float64Array) => [...new BigUint64Array(values.slice().buffer)];

  test('what was committed is read back to the bit, in pieces, and not beyond the range', async () => {
    const storage = (await open()).tenant(DEFAULT_TENANT);
    const name = fresh();
    const long = series(
      name,
      Array.from({ length: 160 * 1440 }, (_, i) => Math.fround(i / 7)),
    );
    expect(await storage.backfill([long])).toEqual({
      ...{ appended: 230_400, duplicates: 0, conflicts: 0, outOfBounds: 0 },
    });
    const range = { start: long.times[5]!, end: long.times.at(-3)! };
    const [found] = await read(storage, exact(name), range);
    expect(found!.times).toEqual(long.times.slice(5, -2));
    expect(bits(found!.values)).toEqual(bits(long.values.slice(5, -2)));
    await expect(storage.select(exact(name), range, { maxSamples: 1000 })).rejects.toMatchObject({
      code: 'too_many_samples',
    });
  });

  test('numbers that InfluxDB has no field for, and staleness markers, come back as they were', async () => {
    const storage = (await open()).tenant(DEFAULT_TENANT);
    const name = fresh();
    const odd = series(name, [1, Number.NaN, Infinity, -Infinity, -0, 0, 5e-324, Number.MAX_VALUE, 1e21, 0.1, 2]);
    setStaleMarker(odd.values, 10);
    await appendSeries(storage, [odd]);
    const [found] = await read(storage, exact(name));
    expect(found!.values).toEqual(odd.values);
    expect(Object.is(found!.values[4], -0)).toBe(true);
    expect(isStaleMarker(found!.values, 10)).toBe(true);
    expect((await storage.instant(name, now)).value).toMatchObject({ samples: [] });
    expect((await storage.instant(`count_over_time(${name}[1h])`, now)).value).toMatchObject({
      samples: [{ value: 10 }],
    });
  });

  test('times to the millisecond; a sample at a time that has one takes its place; none outside what InfluxDB knows', async () => {
    const refused: number[] = [];
    const storage = (await open({ onRefused: (count) => void refused.push(count) })).tenant(DEFAULT_TENANT);
    const name = fresh();
    const of = (times: readonly number[], values: readonly number[]) => ({
      labels: labelsOf({ __name__: name }),
      times: Float64Array.from(times),
      values: Float64Array.from(values),
    });
    await storage.backfill([of([0, now - 1, now], [1, 2, 3])]);
    await storage.backfill([of([now], [4])]);
    const outcome = await storage.backfill([of([Date.UTC(2263, 0, 1)], [1])]);
    expect([outcome.appended, outcome.outOfBounds, refused]).toEqual([0, 1, [1]]);
    const [found] = await read(storage, exact(name), { start: -DAY, end: now });
    expect([...found!.times]).toEqual([0, now - 1, now]);
    expect([...found!.values]).toEqual([1, 2, 4]);
  });

  const hostile = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({
      unit: fc.constantFrom(
        ',',
        '=',
        ' ',
        '\\',
        '"',
        "'",
        '\n',
        '\t',
        '\r',
        '%',
        '5C',
        '#',
        '/',
        '$',
        'é',
        '𝄞',
        '\0',
        ';',
        '{',
      ),
    }),
    fc.constantFrom(
      'time',
      'value',
      'special',
      '_field',
      '_name',
      '__proto__',
      'constructor',
      'a\\',
      '%',
      '%5C',
      'true',
      '1',
    ),
  );

  test('label sets come back as they were, whatever is in them, and are found by their values', async () => {
    const storage = (await open()).tenant(DEFAULT_TENANT);
    const sound = hostile.filter((text) => text !== '' && !/\p{Surrogate}/u.test(text));
    const run = fresh();
    let sent = 0;
    await fc.assert(
      fc.asyncProperty(
        sound,
        fc.array(
          fc.tuple(
            sound.filter((text) => text !== '__name__'),
            sound,
          ),
          { maxLength: 5 },
        ),
        async (suffix, pairs) => {
          const id = `${run}_${sent++}`;
          const labels = labelsOf([...pairs, ['run', id], ['__name__', suffix]]);
          await appendSeries(storage, [{ labels, times: Float64Array.of(now), values: Float64Array.of(1) }]);
          const byAll = labels.map(([name, value]): Matcher => ({ name, op: '=', value }));
          expect((await read(storage, byAll)).map((each) => each.labels)).toEqual([labels]);
          expect(await storage.series([[{ name: 'run', op: '=', value: id }]], always)).toEqual([labels]);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('every matcher finds what the same one finds in memory', async () => {
    const storage = (await open({ database: 'matchers' })).tenant(DEFAULT_TENANT);
    const memory = memoryStorage().tenant(DEFAULT_TENANT);
    const texts = ['a', 'b', 'ab', 'a/b', 'a.b', 'A', 'a\\b', 'a\nb', '%5C', 'é', "it's", '"', 'a|b', '$p0'];
    const all = texts.flatMap((text, i) => [
      series('m1', [1, 2], { job: text, i: String(i) }),
      series(`m2_${text}`, [1], { other: text }),
    ]);
    await appendSeries(storage, all);
    await appendSeries(memory, all);
    const patterns = [
      ...texts.map((text) => text.replace(/[\\|.$"]/g, '\\$&')),
      '.*',
      '.+',
      '',
      'a.b',
      '(?i)a',
      'a|b',
      'a(/|\\.)b',
      '[^a]+',
      '\\Qa/b\\E',
      'a\\/b',
      'a\nb',
      'm.*a',
    ];
    const matchers = (['=', '!=', '=~', '!~'] as const).flatMap((op: MatcherOp) =>
      ['job', 'other', '__name__'].flatMap((name) =>
        (op === '=' || op === '!=' ? [...texts, ''] : patterns).map((value): Matcher => ({ name, op, value })),
      ),
    );
    const sets: (readonly Matcher[])[] = matchers.map((matcher) => [matcher]);
    for (let i = 0; i < 100; i++)
      sets.push([matchers[(i * 37) % matchers.length]!, matchers[(i * 53 + 11) % matchers.length]!]);
    for (const matching of sets) {
      const want = await memory.series([matching], always);
      expect(await storage.series([matching], always), JSON.stringify(matching)).toEqual(want);
    }
    expect(await read(storage, [])).toEqual(await read(memory, []));
    expect(await storage.labelNames([], always)).toEqual(await memory.labelNames([], always));
    expect(await storage.labelValues('job', [], always)).toEqual(await memory.labelValues('job', [], always));
  }, 60_000);

  test('live samples: references, a commit, what has no place there, PromQL over all of it', async () => {
    const storage = (await open()).receiver.tenant(DEFAULT_TENANT);
    const name = fresh();
    const [a, b, nameless] = await storage.ref(
      [{ __name__: name, app: 'a' }, { __name__: name, app: 'b' }, { app: 'b' }].map((of) =>
        encodeLabels(labelsOf(of)),
      ),
    );
    expect(nameless).toMatchObject({ kind: 'refused', id: 'missing_name' });
    if (a?.kind !== 'ref' || b?.kind !== 'ref') throw new Error('refused');
    await storage.write({
      refs: Uint32Array.of(a.ref, b.ref, b.ref),
      times: Float64Array.of(now, now - MINUTE, now),
      values: Float64Array.of(1, 2, 3),
    });
    await storage.commit();
    expect((await storage.instant(`sum(${name})`, now)).value).toMatchObject({ samples: [{ value: 4 }] });
    const { value } = await storage.range(`${name}{app=~"b|c"}`, { start: now - MINUTE, end: now, stepMs: MINUTE });
    expect(value).toMatchObject({ series: [{ values: Float64Array.of(2, 3) }] });
  });

  test.each([
    { kind: 'database' },
    { kind: 'tag', name: 'org' },
  ] as const)('tenants by $kind reach their own series alone', async (tenantBy) => {
    const storage = await open({ tenantBy, database: `shared_${tenantBy.kind}` });
    const [acme, other] = [storage.tenant(parseTenant('acme')), storage.tenant(parseTenant("o'ther.1"))];
    const name = fresh();
    await appendSeries(acme, [series(name, [1, 2], { app: 'a' })]);
    await appendSeries(other, [series(name, [10, 20], { app: 'a' })]);
    const labels: Labels = labelsOf({ __name__: name, app: 'a' });
    expect((await acme.instant(name, now)).value).toEqual({
      kind: 'vector',
      samples: [{ labels, time: now, value: 2 }],
    });
    expect(await read(other, [])).toMatchObject([{ labels, values: Float64Array.of(10, 20) }]);
    expect(await acme.labelNames([], always)).toEqual(['__name__', 'app']);
    if (tenantBy.kind === 'tag') {
      const refused = await acme.ref([encodeLabels(labelsOf({ __name__: name, org: 'other' }))]);
      expect(refused).toMatchObject([{ kind: 'refused', id: 'tenant_label' }]);
      expect(await read(acme, [{ name: 'org', op: '=', value: 'acme' }])).toEqual([]);
    }
  });

  test('what is not taken of a write is counted, and the others are stored', async () => {
    const refused: string[] = [];
    const storage = (
      await open({ onRefused: (count, error) => void refused.push(`${count} ${error.message}`) })
    ).tenant(DEFAULT_TENANT);
    const name = fresh();
    // Somebody else has a field of another type there, and so no place for ours.
    await fetch(`${engine.url}/write?db=foresail`, { method: 'POST', body: `${name} value="text" ${now}000000` });
    const good = series(fresh(), [1]);
    const outcome = await storage.backfill([series(name, [1, 2, 3]), good]);
    expect([outcome.appended, outcome.outOfBounds]).toEqual([1, 3]);
    expect(refused).toEqual([expect.stringMatching(/^3 .*field type conflict/)]);
    expect(await read(storage, exact(good.labels[0]![1]))).toHaveLength(1);
  });

  /** FORESAIL_DOWN_SECONDS shortens the minute. */
  const DOWN_MS = Number(process.env['FORESAIL_DOWN_SECONDS'] ?? 60) * SECOND;

  test(
    'the engine is killed and down for a minute: nothing that was acknowledged is lost',
    async () => {
      const keyValue = memoryKeyValue();
      let queue: DurableOutbox | undefined;
      const storage = await open({ timeoutMs: 2 * SECOND, queue: (tenant, letter) => queue!.put(tenant, letter) });
      const dropped: number[] = [];
      queue = await openDurableOutbox({
        keyValue,
        now: systemClock.now,
        mostBytes: 1e8,
        send: storage.deliver,
        onDropped: (_, items) => void dropped.push(items),
      });
      const writer = storage.receiver.tenant(DEFAULT_TENANT);
      const name = fresh();
      const began = now - 3600 * SECOND;
      let acknowledged = 0;
      const write = async () => {
        const at = { times: Float64Array.of(began + acknowledged), values: Float64Array.of(acknowledged) };
        await appendSeries(writer, [{ labels: labelsOf({ __name__: name }), ...at }]);
        acknowledged++;
      };
      const ends = Date.now() + DOWN_MS;
      for (let i = 0; i < 50; i++) await write();
      await engine.stop();
      while (Date.now() < ends) {
        await write();
        await systemClock.sleep(20, new AbortController().signal);
      }
      expect(queue.waiting().items).toBeGreaterThan(10);
      await expect(storage.tenant(DEFAULT_TENANT).instant(name, now)).rejects.toMatchObject({
        code: 'engine_unavailable',
      });
      expect(storage.problems()[0]).toContain(engine.url);
      await engine.start();
      for (let i = 0; i < 50; i++) await write();
      await waitFor('the queue to be empty', async () => {
        await queue.pass().catch(() => {});
        return queue.waiting().items === 0;
      });
      const [found] = await read(storage.tenant(DEFAULT_TENANT), exact(name));
      expect(found!.values).toEqual(Float64Array.from({ length: acknowledged }, (_, i) => i));
      expect([dropped, storage.problems()]).toEqual([[], []]);
    },
    DOWN_MS + 60_000,
  );

  test('a wrong address, and who is not known, are told with what was expected', async () => {
    const wrong = await open({ url: engine.url.replace(/\d+$/, '1'), timeoutMs: SECOND });
    await wrong.probe();
    expect(wrong.problems()).toEqual([expect.stringMatching(/^cannot ask the InfluxDB at .*:1: .*ECONNREFUSED/)]);
  });
});
