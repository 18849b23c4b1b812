import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkPriceBook } from '../config/cost-settings.ts';
import { DAY, formatInstant, HOUR, MINUTE, parseInstant } from '../model/time.ts';
import { type BudgetMemory, judgeBudget, NO_MEMORY, type SpendAhead } from './budget.ts';
import { bookDiscounts, capacityUses } from './capacity.ts';
import { groupSpend, spendGroups } from './group.ts';
import { microsOf, shareOut, sumOf } from './money.ts';
import { localDate, periodAround } from './period.ts';
import { bookPrices, givenPrice, matches } from './prices.ts';
import { affordableReplicas, nextCeiling, projectPattern } from './project.ts';
import { hoursOf, spendHourOf, spendSeries } from './spend-series.ts';
import { costByWorkload, explainCost, isSudden } from './sudden.ts';
import { fillGaps, hourOf, type WorkloadHour } from './workload-hour.ts';

const at = parseInstant;

describe('money', () => {
  test('parts add up to the whole, whatever the weights', () => {
    const amount = fc.double({ min: 0, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(
        amount,
        fc.array(fc.double({ min: 0, max: 1e3, noNaN: true }), { minLength: 1 }),
        (whole, weights) => {
          const parts = shareOut(whole, weights);
          return microsOf(sumOf(parts)) === microsOf(whole) && parts.every((part) => part >= 0);
        },
      ),
    );
  });
  test('a sum of tenths is exact', () => {
    expect(sumOf(new Array(10).fill(0.1))).toBe(1);
  });
});

const BOOK = `
currency: EUR
regions:
  eu:
    - {onDemand: {cpuCoreHour: 0.04, memoryGibHour: 0.005}, spot: {cpuCoreHour: 0.01, memoryGibHour: 0.001}}
    - {from: 2026-03-01, onDemand: {cpuCoreHour: 0.05, memoryGibHour: 0.005}}
  '*':
    - {onDemand: {cpuCoreHour: 0.06, memoryGibHour: 0.006, gpuHour: 1}}
`;

describe('a price book', () => {
  const { book } = checkPriceBook(BOOK, 'prices.yaml');
  test.each([
    { name: 'keeps the price of its time', region: 'eu', plan: 'on-demand', t: '2026-02-28T23:00:00Z', cpu: 0.04 },
    { name: 'changes on its day', region: 'eu', plan: 'on-demand', t: '2026-03-01T00:00:00Z', cpu: 0.05 },
    { name: 'has spot prices', region: 'eu', plan: 'spot', t: '2026-02-01T00:00:00Z', cpu: 0.01 },
    {
      name: 'takes the price on demand where there is no other',
      region: 'eu',
      plan: 'spot',
      t: '2026-04-01T00:00:00Z',
      cpu: 0.05,
    },
    { name: 'has a price for all other regions', region: 'us', plan: 'reserved', t: '2026-04-01T00:00:00Z', cpu: 0.06 },
  ] as const)('$name', ({ region, plan, t, cpu }) => {
    expect(bookPrices(book!, region, plan, at(t))?.cpu).toBe(cpu);
  });
  test('says where it is wrong', () => {
    const { problems } = checkPriceBook(BOOK.replace('gpuHour: 1', 'gpuHours: 1'), 'prices.yaml');
    expect(problems[0]).toMatchObject({ file: 'prices.yaml', line: 8 });
    expect(checkPriceBook(BOOK, 'prices.yaml', 'USD').problems[0]).toMatchObject({ line: 2, column: 1 });
  });
});

test('givenPrice() takes the first that matches, and the newest that holds of the same match', () => {
  const list = [
    { match: { namespace: 'shop' }, perReplicaHour: 1, plan: 'on-demand' },
    { match: { namespace: 'shop' }, perReplicaHour: 2, plan: 'on-demand', from: '2026-02-01' },
    { match: {}, perReplicaHour: 9, plan: 'spot' },
  ] as const;
  const of = { namespace: 'shop', workload: 'web', region: '', labels: { team: 'a' } };
  expect(givenPrice(list, of, at('2026-01-31T00:00:00Z'))?.perReplicaHour).toBe(1);
  expect(givenPrice(list, of, at('2026-02-01T00:00:00Z'))?.perReplicaHour).toBe(2);
  expect(givenPrice(list, { ...of, namespace: 'desk' }, 0)?.perReplicaHour).toBe(9);
  expect(matches({ labels: { team: ['a', 'b'] }, workload: 'web' }, of)).toBe(true);
  expect(matches({ labels: { team: 'c' } }, of)).toBe(false);
});

describe('periodAround()', () => {
  test.each([
    {
      period: 'monthly',
      zone: 'UTC',
      now: '2026-02-10T00:00:00Z',
      start: '2026-02-01T00:00:00Z',
      end: '2026-03-01T00:00:00Z',
    },
    {
      period: 'monthly',
      zone: 'Europe/Berlin',
      now: '2026-03-31T22:30:00Z',
      start: '2026-03-31T22:00:00Z',
      end: '2026-04-30T22:00:00Z',
    },
    {
      period: 'weekly',
      zone: 'UTC',
      now: '2026-11-22T23:00:00Z',
      start: '2026-11-16T00:00:00Z',
      end: '2026-11-23T00:00:00Z',
    },
    {
      period: 'weekly',
      zone: 'America/New_York',
      now: '2026-11-01T12:00:00Z',
      start: '2026-10-26T04:00:00Z',
      end: '2026-11-02T05:00:00Z',
    },
    {
      period: 'quarterly',
      zone: 'Asia/Kolkata',
      now: '2026-12-31T18:00:00Z',
      start: '2026-09-30T18:30:00Z',
      end: '2026-12-31T18:30:00Z',
    },
  ] as const)('$period in $zone at $now', ({ period, zone, now, start, end }) => {
    const found = periodAround(period, zone, at(now));
    expect([found.start, found.end].map(formatInstant)).toEqual([start, end].map((t) => formatInstant(at(t))));
  });
  test('a date is that of the zone', () => {
    expect(localDate(at('2026-03-31T22:30:00Z'), 'Europe/Berlin')).toBe('2026-04-01');
  });
});

describe('fillGaps()', () => {
  const row = (...values: number[]) => Float64Array.from(values);
  const N = Number.NaN;
  const quiet = (length: number) => new Uint8Array(length);
  const before = { at: -MINUTE, replicas: 4, places: [], source: 'own', labels: {} } as const;
  test.each([
    {
      name: 'a gap has the mean of its neighbours',
      values: row(2, N, N, 6),
      want: [2, 4, 4, 6],
      guessed: [0, 1, 1, 0],
    },
    { name: 'what comes before anything is known is nothing', values: row(N, 3), want: [0, 3], guessed: [0, 0] },
    { name: 'a gap at the beginning goes on from before', values: row(N, 6), before, want: [5, 6], guessed: [1, 0] },
    { name: 'a gap at the end stays as it was', values: row(3, N), want: [3, 3], guessed: [0, 1] },
    {
      name: 'one that is gone while others are heard of costs nothing',
      values: row(3, N),
      heard: 1,
      want: [3, 0],
      guessed: [0, 0],
    },
    { name: 'unless a policy is for it', values: row(3, N), heard: 1, lasts: true, want: [3, 3], guessed: [0, 1] },
  ])('$name', ({ values, want, guessed, heard = 0, lasts = false, before: known }) => {
    const filled = fillGaps(values, 0, { before: known, heard: quiet(values.length).fill(heard), lasts });
    expect([...filled.values]).toEqual(want);
    expect([...filled.estimated]).toEqual(guessed);
  });
});

function hour(
  change: Partial<WorkloadHour> & { readonly replicas?: number; readonly cores?: number; readonly price?: number },
): WorkloadHour {
  const { replicas = 4, cores = 0.5, price = 0.04, ...other } = change;
  const of = { namespace: 'shop', workload: 'web', policy: undefined, labels: { team: 'a' } };
  const place = { region: 'eu', plan: 'on-demand', share: 1, requests: { cpu: cores }, used: { cpu: 0.25 } } as const;
  const made = hourOf(
    of,
    place,
    { hour: 0, known: 30 * replicas, guessed: 30 * replicas },
    { prices: { cpu: price }, plan: 'on-demand' },
  );
  return { ...made, ...other };
}

describe('an hour of spend', () => {
  test('is priced by requests, with what was guessed and what was idle', () => {
    expect(spendHourOf(hour({}))).toMatchObject({ replicaHours: 4, cost: 0.08, estimated: 0.04, idle: 0.06 });
  });
  test('is the same as read back from its series', () => {
    const hours = [hour({ hour: HOUR }), hour({ hour: 2 * HOUR, policy: 'web', region: '' })];
    expect(hoursOf(spendSeries(hours))).toEqual(hours);
  });
  test('adds up exactly in groups', () => {
    const hours = Array.from({ length: 100 }, (_, i) => spendHourOf(hour({ hour: i * HOUR, price: 0.0333337 })));
    const [group] = groupSpend(hours, ['label:team'], { start: 0, stepMs: DAY });
    expect(group!.group).toEqual({ 'label:team': 'a' });
    expect(sumOf(group!.steps.map(({ cost }) => cost))).toBe(group!.total.cost);
    expect(group!.total.cost).toBe(sumOf(hours.map(({ cost }) => cost)));
  });
});

test('groups come in pages, the dearest first, and what a page leaves out is told', () => {
  const groups = spendGroups(['workload'], { start: 0, stepMs: DAY });
  groups.add([3, 1, 2].map((replicas) => spendHourOf({ ...hour({ replicas }), workload: `w${replicas}` })));
  const { groups: first, left } = groups.page({ offset: 0, limit: 2 });
  expect(first.map(({ group }) => group['workload'])).toEqual(['w3', 'w2']);
  const { groups: second, left: none } = groups.page({ offset: 2, limit: 2 });
  expect(second.map(({ group }) => group['workload'])).toEqual(['w1']);
  expect(left).toEqual({ groups: 1, replicaHours: 1, cost: second[0]!.total.cost });
  expect(none.groups).toBe(0);
});

test('bookDiscounts(): by what each workload has, on demand and reserved; not for what has a price of its own', () => {
  const { book } = checkPriceBook(
    `
currency: EUR
regions:
  eu: [{onDemand: {cpuCoreHour: 0.04, memoryGibHour: 0.01}, reserved: {cpuCoreHour: 0.02, memoryGibHour: 0.01}}]
  us: [{onDemand: {cpuCoreHour: 0.04, memoryGibHour: 0.01}}]
`,
    'prices.yaml',
  );
  const of = (workload: string, region: string, quantities: WorkloadHour['quantities']): WorkloadHour => ({
    ...hour({}),
    ...{ workload, region, quantities, hour: 0 },
  });
  const hours = [
    of('cores', 'eu', { cpu: 4, memory: 0 }),
    of('both', 'eu', { cpu: 1, memory: 4 }),
    of('abroad', 'us', { cpu: 1, memory: 4 }),
    of('licensed', 'eu', { replica: 1 }),
    { ...of('spot', 'eu', { cpu: 1, memory: 1 }), plan: 'spot' as const },
  ];
  expect([...bookDiscounts(hours, book!, HOUR)]).toEqual([
    ['shop/cores', expect.closeTo(0.5, 9)],
    ['shop/both', expect.closeTo(0.25, 9)],
  ]);
  const spend = hours.map(spendHourOf);
  const discounts = bookDiscounts(hours, book!, HOUR);
  const { undiscounted } = capacityUses(spend, { end: HOUR, discountOf: (name) => discounts.get(name) });
  expect(undiscounted).toEqual(['shop/abroad', 'shop/licensed']);
});

describe('judgeBudget()', () => {
  const budget = { amount: 100, warn: 0.8, critical: 0.95, cap: 1.1 };
  const ahead = (...sums: number[]): SpendAhead => {
    const path = Float64Array.from(sums);
    return { from: 0, sums: path, lower: path, upper: path, made: 'pattern' };
  };
  test.each([
    { name: 'within', spent: 10, path: ahead(30, 69), step: 'within', crossing: null },
    {
      name: 'warns by what is projected',
      spent: 10,
      path: ahead(30, 70),
      step: 'warn',
      by: 'projected',
      crossing: null,
    },
    { name: 'warns by what is spent', spent: 80, path: undefined, step: 'warn', by: 'spent', crossing: null },
    {
      name: 'says when it will be used up',
      spent: 50,
      path: ahead(40, 52),
      step: 'critical',
      by: 'projected',
      crossing: HOUR,
    },
    { name: 'caps', spent: 50, path: ahead(40, 60), step: 'cap', by: 'projected', crossing: HOUR },
  ] as const)('$name', ({ spent, path, step, crossing, ...more }) => {
    const { verdict } = judgeBudget(budget, { spent, reachedAt: null, ahead: path, upTo: 0 }, NO_MEMORY);
    expect(verdict).toMatchObject({ step, crossing, ...('by' in more && { by: more.by }) });
  });

  /** What is told hour by hour, as projections (of the whole period) come. */
  const told = (projections: readonly (number | null)[], spent = 0) => {
    let memory: BudgetMemory = NO_MEMORY;
    return projections.map((projected, hour) => {
      const path = projected === null ? undefined : ahead(projected - spent);
      const judged = judgeBudget(budget, { spent, reachedAt: null, ahead: path, upTo: hour * HOUR }, memory);
      memory = judged.memory;
      return judged.verdict;
    });
  };
  const hours = (count: number, projected: number | null) => new Array<number | null>(count).fill(projected);
  const steps = (projections: readonly (number | null)[]) => told(projections).map(({ step }) => step);
  test('a projection that wavers for less than a day, or by less than 3 %, changes nothing', () => {
    const wavering = [111, ...hours(23, 90), 108, ...hours(24, 60), 107, ...hours(60, 107), ...hours(5, null)];
    expect(new Set(steps(wavering))).toEqual(new Set(['cap']));
  });
  test('a step is left once the projection was clearly below it for a day, and says when that will be', () => {
    const falling = told([111, ...hours(24, 90), 90, ...hours(24, 60), 60]);
    expect(falling.slice(0, 25).map(({ step }) => step)).toEqual(new Array(25).fill('cap'));
    expect(falling[1]!.leavesAt).toBe(25 * HOUR);
    // 90 is below 97 % of the critical 95, but not of the warning's 80.
    expect(falling[25]).toMatchObject({ step: 'warn', leavesAt: null });
    expect(falling[49]).toMatchObject({ step: 'warn', leavesAt: 50 * HOUR });
    expect(falling[50]).toMatchObject({ step: 'within', leavesAt: null });
  });
  test('after hours without judgements a day begins anew', () => {
    const memory: BudgetMemory = { step: 'warn', spentStep: 'within', below: {} };
    const judged = judgeBudget(budget, { spent: 0, reachedAt: null, ahead: ahead(10), upTo: 72 * HOUR }, memory);
    expect(judged.verdict).toMatchObject({ step: 'warn', leavesAt: 96 * HOUR });
  });
  test('what was reached by what is spent is never left within the period', () => {
    const first = judgeBudget(budget, { spent: 96, reachedAt: null, ahead: ahead(0), upTo: 0 }, NO_MEMORY);
    expect(first.verdict).toMatchObject({ step: 'critical', by: 'spent' });
    // Estimates of hours of which nothing is known may be put right.
    let { memory } = first;
    for (const upTo of [HOUR, 30 * HOUR, 90 * HOUR]) {
      const judged = judgeBudget(budget, { spent: 60, reachedAt: null, ahead: ahead(0), upTo }, memory);
      expect(judged.verdict).toMatchObject({ step: 'critical', by: 'spent', leavesAt: null });
      memory = judged.memory;
    }
  });
});

describe('projectPattern()', () => {
  const daily = (i: number) => 2 + Math.sin((2 * Math.PI * i) / 24);
  test('goes on as in the weeks before, with an interval around it', () => {
    const values = Float64Array.from({ length: 21 * 24 }, (_, i) => daily(i) + (i % 48 < 24 ? 0.1 : 0));
    const ahead = projectPattern({ end: 21 * DAY, values }, 48)!;
    expect(ahead.sums[47]).toBeCloseTo(2 * 48 + 24 * 0.1, 0);
    expect(ahead.lower[47]!).toBeLessThan(ahead.sums[47]!);
    expect(ahead.upper[47]!).toBeGreaterThan(ahead.sums[47]!);
  });
  test('says nothing with less than a day', () => {
    expect(projectPattern({ end: DAY, values: new Float64Array(23).fill(1) }, 24)).toBeUndefined();
  });
  test('a ceiling is the largest that what is left pays for, and comes down in steps', () => {
    const hourly = Float64Array.from([1, 4, 8, 2]);
    expect(affordableReplicas(hourly, 1, 15)).toBe(8);
    expect(affordableReplicas(hourly, 1, 12)).toBe(5);
    expect(affordableReplicas(hourly, 1, 0)).toBe(1);
    expect([nextCeiling(50, 5), nextCeiling(6, 5), nextCeiling(5, 5)]).toEqual([45, 5, 5]);
  });
});

describe('explainCost()', () => {
  const sum = (hours: readonly WorkloadHour[]) => costByWorkload(hours, 1);
  test.each([
    { name: 'replicas', change: { replicas: 8 }, cause: 'replicas', amount: 0.08 },
    { name: 'requests', change: { cores: 1 }, cause: 'requests', amount: 0.08 },
    { name: 'price', change: { price: 0.08 }, cause: 'price', amount: 0.08 },
    { name: 'a new workload', change: { workload: 'new' }, cause: 'new workload', amount: 0.08 },
  ])('names $name', ({ change, cause, amount }) => {
    const before = cause === 'new workload' ? [] : [hour({})];
    expect(explainCost(sum(before), sum([hour(change)]))).toEqual([
      { cause, namespace: 'shop', workload: 'workload' in change ? 'new' : 'web', amount },
    ]);
  });
  test('the parts add up to the difference exactly', () => {
    const some = fc.record({
      replicas: fc.integer({ min: 1, max: 500 }),
      cores: fc.double({ min: 0.001, max: 64, noNaN: true }),
      price: fc.double({ min: 0.0001, max: 3, noNaN: true }),
      workload: fc.constantFrom('a', 'b', 'c'),
    });
    fc.assert(
      fc.property(fc.array(some), fc.array(some), (was, now) => {
        const [before, after] = [sum(was.map(hour)), sum(now.map(hour))];
        const total = (all: typeof before) => all.reduce((all_, { cost }) => all_ + microsOf(cost.cpu ?? 0), 0);
        const parts = explainCost(before, after).reduce((all, { amount }) => all + microsOf(amount), 0);
        return parts === total(after) - total(before);
      }),
    );
  });
  test('a day is sudden by share, amount and spread together', () => {
    const limits = { above: 0.25, least: 1 };
    expect(isSudden(20, [10, 11, 10, 9, 10], limits)).toBe(true);
    expect(isSudden(12, [10, 11, 10, 9, 10], limits)).toBe(false);
    expect(isSudden(20, [4, 20, 7, 15, 10], limits)).toBe(false);
    expect(isSudden(20, [10, 10], limits)).toBe(false);
  });
});
