import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DAY, HOUR, parseInstant } from '../model/time.ts';
import { inMinorUnits, minorDigits } from './minor-units.ts';
import { microsOf, sumOf, toMicros } from './money.ts';
import { periodAt, periodBefore } from './report-period.ts';
import { SHARE_RULES, type ShowbackInput, showback, UNALLOCATED } from './showback.ts';
import { PLANS, type SpendHour } from './spend.ts';

const WEEK_47 = periodAt('week', parseInstant('2026-11-18'));
const BASE: Omit<SpendHour, 'hour'> = {
  namespace: 'shop',
  workload: 'web',
  policy: 'web',
  region: 'eu',
  labels: {},
  replicaHours: 1,
  cost: 1,
  estimated: 0,
  idle: undefined,
  plan: 'on-demand',
};

function hourly(of: Partial<SpendHour>, hours: number, start = WEEK_47.start): SpendHour[] {
  return Array.from({ length: hours }, (_, i) => ({ ...BASE, hour: start + i * HOUR, ...of }));
}

function input(spend: readonly SpendHour[], more: Partial<ShowbackInput> = {}): ShowbackInput {
  const rule = { unallocated: 'proportional', idle: 'own' } as const;
  const before = { period: periodBefore(WEEK_47), spend: [] };
  return { period: WEEK_47, until: WEEK_47.end, currency: 'USD', digits: 2, rule, spend, before, ...more };
}

test.each([
  { kind: 'week', at: parseInstant('2026-11-22T23:59Z'), name: '2026-W47', start: parseInstant('2026-11-16') },
  { kind: 'week', at: parseInstant('2027-01-03'), name: '2026-W53', start: parseInstant('2026-12-28') },
  { kind: 'week', at: parseInstant('2024-12-30'), name: '2025-W01', start: parseInstant('2024-12-30') },
  { kind: 'month', at: parseInstant('2026-02-28T23:00Z'), name: '2026-02', start: parseInstant('2026-02-01') },
] as const)('periodAt() $name', ({ kind, at, name, start }) => {
  const period = periodAt(kind, at);
  expect(period).toMatchObject({ name, start });
  expect(at >= period.start && at < period.end).toBe(true);
  expect(periodBefore(period).end).toBe(period.start);
});

test('inMinorUnits() gives what is missing to the largest remainders', () => {
  expect(inMinorUnits([0.333333, 0.333333, 0.333334], 2)).toEqual([33, 33, 34]);
  expect(inMinorUnits([0.005, 0.005], 2)).toEqual([1, 0]);
  expect(inMinorUnits([1.5, 2.5], 0)).toEqual([2, 2]);
  expect(() => inMinorUnits([-1], 2)).toThrow(RangeError);
  expect([minorDigits('USD'), minorDigits('JPY'), minorDigits('KWD'), minorDigits('no')]).toEqual([2, 0, 3, 2]);
});

describe('showback()', () => {
  test('an hour without data is a gap, an estimated one is told apart', () => {
    const spend = [...hourly({}, 10), ...hourly({ cost: 2, estimated: 2 }, 4, WEEK_47.start + 20 * HOUR)];
    const report = showback(input(spend, { until: WEEK_47.start + DAY }));
    expect(report.hours).toEqual({
      hours: 24,
      estimated: 4,
      missing: 10,
      gaps: [[WEEK_47.start + 10 * HOUR, WEEK_47.start + 20 * HOUR]],
    });
    expect(report.total).toMatchObject({ recorded: 10, estimated: 8, shared: 0, total: 18, before: null });
    expect(report.days).toEqual([{ start: WEEK_47.start, recorded: 10, estimated: 8, missingHours: 10 }]);
  });

  test.each([
    { unallocated: 'proportional', web: 7.5, batch: 2.5, alone: 0 },
    { unallocated: 'even', web: 5, batch: 5, alone: 0 },
    { unallocated: 'none', web: 0, batch: 0, alone: 10 },
  ] as const)('shares unallocated cost: $unallocated', ({ unallocated, web, batch, alone }) => {
    const spend = [
      ...hourly({ cost: 3 }, 1),
      ...hourly({ workload: 'batch', policy: undefined, cost: 1 }, 1),
      ...hourly({ workload: 'far', region: 'us', cost: 5 }, 1),
      ...hourly({ namespace: '__idle__', workload: '', policy: undefined, cost: 10 }, 1),
    ];
    const report = showback(input(spend, { rule: { unallocated, idle: 'own' } }));
    const sharedOf = (name: string) => report.workloads.find((row) => row.name === name)?.shared;
    expect([sharedOf('web'), sharedOf('batch'), sharedOf('far')]).toEqual([web, batch, 0]);
    expect(report.total.total).toBe(19);
    expect(report.pot).toEqual({ shared: 10 - alone, unshared: alone });
    expect(report.namespaces.find(({ name }) => name === UNALLOCATED)?.total ?? 0).toBe(alone);
  });

  test('idle cost is shared where the rule says so', () => {
    const spend = [...hourly({ cost: 10, idle: 6 }, 1), ...hourly({ workload: 'lean', cost: 4, idle: 0 }, 1)];
    const own = showback(input(spend));
    expect(own.workloads.map(({ name, total, idle }) => [name, total, idle])).toEqual([
      ['web', 10, 6],
      ['lean', 4, 0],
    ]);
    const shared = showback(input(spend, { rule: { unallocated: 'even', idle: 'shared' } }));
    expect(shared.workloads.map(({ name, total }) => [name, total])).toEqual([
      ['lean', 7],
      ['web', 7],
    ]);
  });

  test('a period that is not over is compared with as much of the one before', () => {
    const earlier = hourly({ cost: 2 }, 7 * 24, WEEK_47.start - 7 * DAY);
    const before = { period: periodBefore(WEEK_47), spend: earlier };
    const report = showback(input(hourly({}, 48), { until: WEEK_47.start + 2 * DAY, before }));
    expect(report.total).toMatchObject({ total: 48, before: 96 });
    expect(report.before).toMatchObject({ until: WEEK_47.start - 5 * DAY, total: 96, hours: { missing: 0 } });
    expect(showback(input([], { before })).workloads).toMatchObject([{ name: 'web', total: 0, before: 336 }]);
  });

  test('what belongs to another time is left out', () => {
    const spend = [...hourly({}, 3), ...hourly({}, 5, WEEK_47.end), ...hourly({}, 5, WEEK_47.start - 5 * HOUR)];
    expect(showback(input(spend)).total.total).toBe(3);
  });

  test('a currency without small units has none', () => {
    const spend = [...hourly({ cost: 0.4 }, 2), ...hourly({ workload: 'b', cost: 0.4 }, 1)];
    const report = showback(input(spend, { currency: 'JPY', digits: 0 }));
    expect(report.workloads.map(({ total }) => total)).toEqual([1, 0]);
  });
});

const amount = fc.integer({ min: 0, max: 5_000_000 }).map((micros) => micros / 1_000_000);
const entry: fc.Arbitrary<SpendHour> = fc.record({
  hour: fc.integer({ min: 0, max: 7 * 24 - 1 }).map((i) => WEEK_47.start + i * HOUR),
  namespace: fc.constantFrom('shop', 'data', '__idle__'),
  workload: fc.constantFrom('web', 'batch', 'api'),
  policy: fc.constantFrom('web', undefined),
  region: fc.constantFrom('eu', 'us', ''),
  labels: fc.constantFrom({}, { team: 'red' }, { team: 'blue', tier: '1' }),
  replicaHours: fc.integer({ min: 0, max: 9 }),
  cost: amount,
  estimated: fc.constant(0),
  idle: fc.constantFrom(undefined, 0, 0.25),
  plan: fc.constantFrom(...PLANS),
});
const entries = fc.array(
  fc.tuple(entry, fc.constantFrom(0, 0.3, 1)).map(([one, part]) => ({ ...one, estimated: toMicros(one.cost * part) })),
  { maxLength: 60 },
);

test('showback(): every table adds up to the rounded sum of what was spent, whatever is shared', () => {
  const rules = fc.record({
    unallocated: fc.constantFrom(...SHARE_RULES),
    idle: fc.constantFrom('own' as const, 'shared' as const),
  });
  fc.assert(
    fc.property(entries, rules, fc.constantFrom(0, 2, 3), (spend, rule, digits) => {
      const report = showback(input(spend, { rule, digits }));
      const unit = 10 ** digits;
      const unitsOf = (value: number) => Math.round(value * unit);
      // The independent sum: integers, in one go.
      const micros = spend.reduce((sum, { cost }) => sum + microsOf(cost), 0);
      const want = Math.round(micros / 10 ** (6 - digits));
      expect(unitsOf(report.total.total)).toBe(want);
      const tables = [
        ...[report.namespaces, report.workloads, report.regions, report.plans],
        ...report.labels.map(({ rows }) => rows),
      ];
      for (const rows of tables) {
        for (const column of ['recorded', 'estimated', 'shared', 'total'] as const) {
          const sum = rows.reduce((total, row) => total + unitsOf(row[column]), 0);
          expect(sum).toBe(unitsOf(report.total[column]));
        }
        for (const { recorded, estimated, shared, total } of rows) {
          expect(unitsOf(recorded) + unitsOf(estimated) + unitsOf(shared)).toBe(unitsOf(total));
          expect(Math.min(recorded, estimated, shared)).toBeGreaterThanOrEqual(0);
        }
      }
      const ofDays = report.days.reduce((sum, day) => sum + unitsOf(day.recorded) + unitsOf(day.estimated), 0);
      expect(ofDays).toBe(want);
      if (rule.unallocated === 'none') {
        const ofShop = spend.filter(({ namespace }) => namespace === 'shop').map(({ cost }) => cost);
        const row = report.namespaces.find(({ name }) => name === 'shop');
        // Each amount of a workload is off by less than a unit.
        expect(Math.abs((row?.total ?? 0) - sumOf(ofShop)) * unit).toBeLessThan(60);
      }
    }),
    { numRuns: 200 },
  );
});
