import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { encodeLabels, labelsOf } from '../model/labels.ts';
import type { QueryResult } from '../model/query-result.ts';
import { type Samples, setStaleMarker } from '../model/series.ts';
import { DEFAULT_TENANT, parseTenant, type TenantId } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../model/time.ts';
import { PROPERTY_RUNS } from '../testing/property-runs.ts';
import { openTsdb, type Tsdb } from './open-tsdb.ts';
import { Partition } from './partition.ts';
import { seriesIdOf } from './partition-key.ts';

const START = Date.parse('2026-08-30T00:00:00Z');
const TIERS = [
  { stepMs: MINUTE, keepMs: 20 * DAY },
  { stepMs: 5 * MINUTE, keepMs: 100 * DAY },
];
const BRIEF = parseTenant('brief');

let root: string;
let folders = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'foresail-tiers-'));
});
afterAll(() => rm(root, { recursive: true }));

const nextFolder = () => join(root, String(folders++));

/** @param raw How long samples are kept, in days. */
function open(dir: string, clock: { now: () => number }, { tiers = TIERS, raw = 3 } = {}): Promise<Tsdb> {
  return openTsdb({
    dir,
    clock,
    limits: { retentionMs: { raw: raw * DAY, demand: 400 * DAY }, tiers },
    boundsOf: (tenant) => {
      const bounds = { maxSeries: 0, maxSeriesPerMetric: 0, outOfOrderMs: 10 * MINUTE };
      return tenant === BRIEF ? { ...bounds, rawRetentionMs: 2 * DAY } : bounds;
    },
  });
}

const named = (name: string) => labelsOf({ __name__: name, job: 'x' });

async function send(
  { storage }: Tsdb,
  samples: Samples,
  { name = 'm_total', tenant = DEFAULT_TENANT }: { name?: string; tenant?: TenantId } = {},
): Promise<number> {
  const { appended } = await storage.tenant(tenant).backfill([{ labels: named(name), ...samples }]);
  return appended;
}

/** Every 15 s, and at midnights exactly. */
function steady(from: number, to: number, valueAt: (i: number) => number = (i) => i): Samples {
  const count = Math.floor((to - from) / (15 * SECOND));
  const times = Float64Array.from({ length: count }, (_, i) => from + i * 15 * SECOND);
  return { times, values: times.map((_, i) => valueAt(i)) };
}

const cells = ({ value }: QueryResult): readonly (readonly [number, number])[] =>
  value.kind === 'matrix'
    ? value.series.flatMap(({ times, values }) =>
        [...times].map((time, i) => [(time - START) / HOUR, values[i]!] as const),
      )
    : [];

const EXACT = [
  ...['min', 'max', 'sum', 'count', 'avg', 'first', 'last', 'present'].map((name) => `${name}_over_time(m_total[1h])`),
  ...['rate', 'increase', 'delta'].map((name) => `${name}(m_total[1h])`),
  'max_over_time(rate(m_total[10m])[1h:10m])',
  'sum(sum_over_time(m_total[15m] offset 35m))',
];

const hours = (from: number, to: number, stepMs = HOUR) => ({
  start: START + from * HOUR,
  end: START + to * HOUR,
  stepMs,
});

async function answers({ storage }: Tsdb, range: ReturnType<typeof hours>) {
  const found: (readonly (readonly [number, number])[])[] = [];
  for (const expression of EXACT) found.push(cells(await storage.tenant(DEFAULT_TENANT).range(expression, range)));
  return found;
}

function expectClose(found: Awaited<ReturnType<typeof answers>>, want: Awaited<ReturnType<typeof answers>>): void {
  found.forEach((rows, i) => {
    const context = EXACT[i];
    expect({ context, times: rows.map(([time]) => time) }).toEqual({ context, times: want[i]!.map(([time]) => time) });
    rows.forEach(([time, value], at) => {
      const wanted = want[i]![at]![1];
      const isClose = Object.is(value, wanted) || Math.abs(value - wanted) <= 1e-9 * Math.max(1, Math.abs(wanted));
      expect({ context, time, value, isClose }).toEqual({ context, time, value, isClose: true });
    });
  });
}

describe('points', () => {
  test('answer as samples did when these are gone, over restarts and in two months', async () => {
    const dir = nextFolder();
    let now = START + 2 * DAY;
    const clock = { now: () => now };
    const range = hours(2, 40);
    let want: Awaited<ReturnType<typeof answers>>;
    {
      await using tsdb = await open(dir, clock);
      // 30 August to 1 September; a counter with resets.
      await send(
        tsdb,
        steady(START, START + 2 * DAY, (i) => i % 1_000),
      );
      want = await answers(tsdb, range);
      now = START + 3 * DAY;
      await send(tsdb, steady(START + 2 * DAY, now));
      await tsdb.makePoints(now);
      expectClose(await answers(tsdb, range), want);
    }
    {
      await using tsdb = await open(dir, clock);
      for (let day = 4; day <= 6; day++) {
        now = START + day * DAY;
        await send(tsdb, steady(now - DAY, now));
        await tsdb.maintain(now);
        await tsdb.makePoints(now);
        await tsdb.maintain(now);
      }
      const partitions = await readdir(join(dir, 'partitions'));
      expect(partitions.sort()).toEqual([
        ...['1m-2026-08', '1m-2026-09', '5m-2026-08', '5m-2026-09'],
        ...['raw-2026-09-02', 'raw-2026-09-03', 'raw-2026-09-04'],
      ]);
      expectClose(await answers(tsdb, range), want);
      const stats = await tsdb.pointStats(now);
      expect(stats).toEqual([
        { stepMs: MINUTE, written: 3 * 1_440, bytes: expect.any(Number), lagMs: 0 },
        { stepMs: 5 * MINUTE, written: 3 * 288, bytes: expect.any(Number), lagMs: 0 },
      ]);
      // Those of a minute go first.
      for (let day = 50; day <= 53; day++) {
        now = START + day * DAY;
        await send(tsdb, steady(now - DAY, now));
        await tsdb.makePoints(now);
        await tsdb.maintain(now);
      }
      expect(await readdir(join(dir, 'partitions'))).not.toContain('1m-2026-08');
      expect(
        cells(await tsdb.storage.tenant(DEFAULT_TENANT).range('max_over_time(m_total[1m])', hours(2, 40))),
      ).toEqual([]);
      expectClose(await answers(tsdb, range), want);
    }
  });

  test('tell of series that only they have, over ranges that have something of them', async () => {
    const dir = nextFolder();
    let now = START + 2 * DAY;
    await using tsdb = await open(dir, { now: () => now });
    await send(tsdb, steady(START + 10 * HOUR, START + 11 * HOUR), { name: 'gone' });
    for (let day = 2; day <= 6; day++) {
      now = START + day * DAY;
      await send(tsdb, steady(now - DAY, now), { name: day < 4 ? 'early' : 'late' });
      await tsdb.makePoints(now);
      await tsdb.maintain(now);
    }
    const tenant = tsdb.storage.tenant(DEFAULT_TENANT);
    const namesIn = async (from: number, to: number, matchers: Parameters<typeof tenant.series>[0] = []) => {
      const range = { start: START + from * HOUR, end: START + to * HOUR };
      const names = (await tenant.series(matchers, range)).map(([first]) => first![1]);
      expect(await tenant.labelValues('__name__', matchers, range)).toEqual(names);
      expect(await tenant.labelNames(matchers, range)).toEqual(names.length === 0 ? [] : ['__name__', 'job']);
      return names;
    };
    expect(await namesIn(0, 6 * 24)).toEqual(['early', 'gone', 'late']);
    expect(await namesIn(0, 24)).toEqual(['gone']);
    expect(await namesIn(0, 30)).toEqual(['early', 'gone']);
    expect(await namesIn(0, 9)).toEqual([]);
    expect(await namesIn(10.5, 10.6)).toEqual(['gone']);
    expect(await namesIn(11.2, 12)).toEqual([]);
    expect(await namesIn(25, 26, [[{ name: '__name__', op: '=', value: 'gone' }]])).toEqual([]);
    expect(await namesIn(0, 6 * 24, [[{ name: '__name__', op: '=~', value: 'g.*' }]])).toEqual(['gone']);
    expect(await namesIn(4 * 24, 6 * 24)).toEqual(['late']);
  });

  test('of a length that is taken out of the settings stay until they would have gone', async () => {
    const dir = nextFolder();
    let now = START + 2 * DAY;
    const clock = { now: () => now };
    const months = async () => (await readdir(join(dir, 'partitions'))).filter((name) => /^\dm-/.test(name)).sort();
    const pass = async (tsdb: Tsdb, days: readonly number[]) => {
      for (const day of days) {
        now = START + day * DAY;
        await send(tsdb, steady(now - DAY, now));
        await tsdb.makePoints(now);
        await tsdb.maintain(now);
      }
    };
    {
      await using tsdb = await open(dir, clock);
      await pass(tsdb, [1, 2, 3, 4]);
    }
    {
      await using tsdb = await open(dir, clock, { tiers: TIERS.slice(1) });
      await pass(tsdb, [5, 6]);
      expect(await months()).toEqual(['1m-2026-08', '1m-2026-09', '5m-2026-08', '5m-2026-09']);
    }
    {
      await using tsdb = await open(dir, clock, { tiers: [] });
      await pass(tsdb, [25, 26, 27]);
      expect(await months()).toEqual(['1m-2026-09', '5m-2026-08', '5m-2026-09']);
      await pass(tsdb, [60, 61, 62]);
      expect(await months()).toEqual(['5m-2026-08', '5m-2026-09']);
    }
    // Wanted for less: by the settings in force, once they are there again.
    await using tsdb = await open(dir, clock, { tiers: [{ stepMs: 5 * MINUTE, keepMs: 4 * DAY }] });
    await pass(tsdb, [63]);
    expect(await months()).toEqual(['5m-2026-10']);
  });

  test('are not made for a tenant whose samples have a retention of their own, and wait for nobody else', async () => {
    const dir = nextFolder();
    let now = START + DAY;
    await using tsdb = await open(dir, { now: () => now });
    await send(tsdb, steady(START, now), { tenant: BRIEF });
    await send(tsdb, steady(START, now));
    for (let day = 2; day <= 5; day++) {
      now = START + day * DAY;
      await send(tsdb, steady(now - DAY, now));
      await tsdb.makePoints(now);
      await tsdb.maintain(now);
    }
    const ask = (tenant: TenantId) => tsdb.storage.tenant(tenant).range('count_over_time(m_total[1h])', hours(1, 5));
    expect(cells(await ask(BRIEF))).toEqual([]);
    expect(cells(await ask(DEFAULT_TENANT))).toHaveLength(5);
  });

  test('are durable before samples go, and are made anew of what comes late, without losing what only they have', async () => {
    const dir = nextFolder();
    let now = START + 2 * DAY + 12 * HOUR;
    const count = async (tsdb: Tsdb) => {
      return cells(await tsdb.storage.tenant(DEFAULT_TENANT).range('count_over_time(m_total[1h])', hours(24, 24)));
    };
    await using tsdb = await open(dir, { now: () => now });
    await send(tsdb, steady(START, now));
    await tsdb.makePoints(now);
    // What comes late between two samples, and at the midnight that ends the day.
    expect(await send(tsdb, { times: Float64Array.of(START + 23 * HOUR + 1), values: Float64Array.of(7) })).toBe(1);
    await tsdb.makePoints(now);
    for (const day of [3, 4, 5, 6]) {
      now = START + day * DAY + 12 * HOUR;
      await send(tsdb, steady(now - DAY, now));
      // Nobody made points: nothing may go.
      await tsdb.maintain(now);
    }
    expect(await readdir(join(dir, 'partitions'))).toContain('raw-2026-09-01');
    await tsdb.makePoints(now);
    await tsdb.maintain(now);
    expect(await readdir(join(dir, 'partitions'))).not.toContain('raw-2026-09-01');
    expect(await count(tsdb)).toEqual([[24, 241]]);
    await tsdb[Symbol.asyncDispose]();
    // Kept longer from now on, the day takes samples again: the points of those that are gone stay.
    await using longer = await open(dir, { now: () => now }, { raw: 50 });
    await send(longer, { times: Float64Array.of(START + 23 * HOUR + 2), values: Float64Array.of(8) });
    await longer.makePoints(now);
    await longer[Symbol.asyncDispose]();
    await using again = await open(dir, { now: () => now });
    expect(await count(again)).toEqual([[24, 241]]);
  });

  test('are deleted with their series, and made anew of what is left beside the range', async () => {
    const dir = nextFolder();
    let now = START + 2 * DAY;
    await using tsdb = await open(dir, { now: () => now });
    await send(tsdb, steady(START, now));
    await tsdb.makePoints(now);
    const matchers = [[{ name: '__name__', op: '=', value: 'm_total' } as const]];
    // Both ends are inside of a point.
    const range = { start: START + 2 * HOUR + 2 * MINUTE, end: START + 4 * HOUR + 3 * MINUTE - 1 };
    expect(await tsdb.deleteSeries(DEFAULT_TENANT, matchers, range)).toBe(484);
    await tsdb.makePoints(now);
    const ask = () => tsdb.storage.tenant(DEFAULT_TENANT).range('count_over_time(m_total[1h])', hours(2, 6));
    const want = cells(await ask());
    for (let day = 3; day <= 5; day++) {
      now = START + day * DAY;
      await send(tsdb, steady(now - DAY, now));
      await tsdb.makePoints(now);
      await tsdb.maintain(now);
    }
    expect(cells(await ask())).toEqual(want);
    // Samples are gone: a point that has anything of the range goes as a whole.
    await tsdb.deleteSeries(DEFAULT_TENANT, matchers, { start: START + 5 * HOUR + 1, end: START + 5 * HOUR + 2 });
    expect(cells(await ask()).at(-1)).toEqual([6, 240 - 20]);
    await tsdb.deleteSeries(DEFAULT_TENANT, matchers, { start: START, end: START + DAY });
    expect(cells(await ask())).toEqual([]);
  });

  test('are made anew of what is left also where that is done while they are deleted', async () => {
    const dir = nextFolder();
    let now = START + 15 * DAY;
    await using tsdb = await open(dir, { now: () => now }, { raw: 16 });
    await send(tsdb, steady(START, now));
    await tsdb.makePoints(now);
    const matchers = [[{ name: '__name__', op: '=', value: 'm_total' } as const]];
    const range = { start: START + 3 * DAY + 2 * HOUR + 2 * MINUTE, end: START + 13 * DAY + 3 * MINUTE - 1 };
    // Once the first days are marked, and others are not.
    const { touching } = Partition.prototype;
    let marks = 0;
    let made: Promise<void> | undefined;
    const marking = vi.spyOn(Partition.prototype, 'touching').mockImplementation(function (this: Partition, ...of) {
      if (++marks % 11 === 3) made = tsdb.makePoints(now);
      return Reflect.apply(touching, this, of);
    });
    await tsdb.deleteSeries(DEFAULT_TENANT, matchers, range);
    marking.mockRestore();
    await made;
    await tsdb.makePoints(now);
    const ask = () => tsdb.storage.tenant(DEFAULT_TENANT).range('count_over_time(m_total[1h])', hours(24, 14 * 24));
    const want = cells(await ask());
    for (let day = 16; day <= 31; day++) {
      now = START + day * DAY;
      await send(tsdb, steady(now - DAY, now));
      await tsdb.makePoints(now);
      await tsdb.maintain(now);
    }
    expect(await readdir(join(dir, 'partitions'))).not.toContain('raw-2026-09-13');
    expect(cells(await ask())).toEqual(want);
  });

  test('are made of all else where a series is damaged, and where a day cannot be opened', async () => {
    const dir = nextFolder();
    let now = START + 2 * DAY;
    const clock = { now: () => now };
    {
      await using tsdb = await open(dir, clock);
      for (const name of ['a', 'm_total']) {
        await send(
          tsdb,
          steady(START, now, (i) => Math.sin(i)),
          { name },
        );
      }
    }
    const level = new ClassicLevel<Uint8Array, Uint8Array>(join(dir, 'partitions', 'raw-2026-08-30'), {
      keyEncoding: 'view',
      valueEncoding: 'view',
    });
    const damaged = Buffer.from(seriesIdOf(encodeLabels(named('a'))));
    for await (const [key, value] of level.iterator()) {
      if (value.length > 1_000 && Buffer.from(key).includes(damaged)) await level.put(key, value.fill(7, 100));
    }
    await level.close();
    await mkdir(join(dir, 'partitions', 'raw-2026-08-29'));
    await writeFile(join(dir, 'partitions', 'raw-2026-08-29', 'CURRENT'), 'nothing');
    await using tsdb = await open(dir, clock);
    let faults = tsdb.stats().faults;
    for (let day = 3; day <= 6; day++) {
      now = START + day * DAY;
      await send(tsdb, steady(now - DAY, now));
      const made = await tsdb.makePoints(now).then(
        () => 'made',
        (error: unknown) => (error as { readonly code?: string }).code,
      );
      // Nothing is waited for without end: a day behind its retention what cannot be opened goes by its name.
      expect(made).toBe(day < 5 ? 'storage_unusable' : 'made');
      if (day === 4) faults = tsdb.stats().faults;
      await tsdb.maintain(now);
      expect((await tsdb.pointStats(now)).map(({ written }) => written)).toEqual([day * 1_440, day * 288]);
    }
    expect(faults.filter(({ chore }) => chore === 'points')).toMatchObject([
      { place: 'raw-2026-08-29', reason: 'storage_unusable' },
      { place: expect.stringMatching('raw-2026-08-30 a'), reason: 'damaged_data', tenant: 'default' },
    ]);
    expect(await readdir(join(dir, 'partitions'))).not.toContain('raw-2026-08-30');
    expect(await readdir(join(dir, 'partitions'))).not.toContain('raw-2026-08-29');
    expect(tsdb.stats().faults).toEqual([]);
  });

  test('are made anew of what came late also where that failed at first', async () => {
    const dir = nextFolder();
    let now = START + 2 * DAY;
    await using tsdb = await open(dir, { now: () => now });
    await send(tsdb, steady(START, now));
    await tsdb.makePoints(now);
    await send(tsdb, { times: Float64Array.of(START + 23 * HOUR + 1), values: Float64Array.of(7) });
    const failing = vi.spyOn(ClassicLevel.prototype, 'batch').mockRejectedValue(new Error('no room'));
    await expect(tsdb.makePoints(now)).rejects.toThrow('no room');
    failing.mockRestore();
    for (let day = 3; day <= 5; day++) {
      now = START + day * DAY;
      await send(tsdb, steady(now - DAY, now));
      await tsdb.makePoints(now);
      await tsdb.maintain(now);
    }
    expect(await readdir(join(dir, 'partitions'))).not.toContain('raw-2026-08-30');
    const found = await tsdb.storage.tenant(DEFAULT_TENANT).range('count_over_time(m_total[1h])', hours(24, 24));
    expect(cells(found)).toEqual([[24, 241]]);
  });

  test('are the same after a crash behind any write of their making, before or after it was durable', async () => {
    const { batch } = ClassicLevel.prototype;
    let isDone = false;
    for (let writes = 0; !isDone; writes++) {
      const dir = nextFolder();
      let now = START + 2 * DAY;
      const clock = { now: () => now };
      let want: Awaited<ReturnType<typeof answers>>;
      {
        await using tsdb = await open(dir, clock);
        await send(
          tsdb,
          steady(START, now, (i) => i % 700),
        );
        want = await answers(tsdb, hours(2, 20));
        let left = writes;
        const failing = vi.spyOn(ClassicLevel.prototype, 'batch').mockImplementation(async function (
          this: ClassicLevel,
          ...args: unknown[]
        ) {
          if (left <= 0 && writes % 2 === 0) throw new Error('the machine is off');
          await Reflect.apply(batch, this, args);
          if (left-- <= 0) throw new Error('the machine is off');
        } as never);
        isDone = await tsdb.makePoints(now).then(
          () => true,
          () => false,
        );
        failing.mockRestore();
      }
      await using tsdb = await open(dir, clock);
      for (let day = 2; day <= 5; day++) {
        now = START + day * DAY;
        if (day > 2) await send(tsdb, steady(now - DAY, now));
        await tsdb.makePoints(now);
        await tsdb.maintain(now);
      }
      expectClose(await answers(tsdb, hours(2, 20)), want);
    }
  });

  test('give what samples gave, for any series with resets, gaps and ends', async () => {
    const gap = fc.oneof(
      { weight: 20, arbitrary: fc.constant(15 * SECOND) },
      { weight: 3, arbitrary: fc.integer({ min: 1, max: 90 * SECOND }) },
      { weight: 1, arbitrary: fc.integer({ min: 5 * MINUTE, max: 90 * MINUTE }) },
    );
    const value = fc.oneof(
      { weight: 20, arbitrary: fc.integer({ min: 0, max: 500 }) },
      { weight: 2, arbitrary: fc.constantFrom(Number.NaN, 0.1, -3.7) },
      { weight: 1, arbitrary: fc.constant('stale' as const) },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(gap, value), { minLength: 50, maxLength: 1_500, size: 'max' }),
        async (steps) => {
          let at = START + 20 * HOUR;
          let total = 0;
          const times = new Float64Array(steps.length);
          const values = new Float64Array(steps.length);
          steps.forEach(([ms, next], i) => {
            times[i] = at += ms;
            if (next === 'stale') setStaleMarker(values, i);
            // As counters do, mostly: up, and sometimes back to little.
            else
              values[i] = total =
                next > 480 ? next - 480 : Number.isNaN(next) ? next : (Number.isNaN(total) ? 0 : total) + next;
          });
          const used = times.filter((time) => time < START + 2 * DAY);
          let now = START + 2 * DAY;
          await using tsdb = await open(nextFolder(), { now: () => now });
          await send(tsdb, { times: used, values: values.subarray(0, used.length) });
          const want = await answers(tsdb, hours(18, 40, 30 * MINUTE));
          for (let day = 3; day <= 6; day++) {
            now = START + day * DAY;
            await send(tsdb, steady(now - HOUR, now), { name: 'other' });
            await tsdb.makePoints(now);
            await tsdb.maintain(now);
          }
          expectClose(await answers(tsdb, hours(18, 40, 30 * MINUTE)), want);
        },
      ),
      { numRuns: Math.ceil(0.04 * PROPERTY_RUNS) },
    );
  });
});
