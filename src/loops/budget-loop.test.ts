import { expect, test } from 'vitest';
import type { CostBudgetSettings } from '../cost/budget.ts';
import { spendTable } from '../cost/spend-table.ts';
import type { Alert } from '../model/alert.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import { decodeJson, encodeJson } from '../storage/json-value.ts';
import { memoryKeyValue } from '../testing/memory-key-value.ts';
import { openBudgetLoop, type PricesAhead } from './budget-loop.ts';

/** A Monday. */
const START = Date.UTC(2026, 5, 1);

const budget: CostBudgetSettings = {
  ...{ name: 'all', tenant: DEFAULT_TENANT, match: {}, period: 'weekly', timeZone: 'UTC' },
  ...{ amount: 150, warn: 0.8, critical: 1.5, cap: 2, onCap: 'alert' },
};
/** A week of one replica at 1 an hour is more than its cap. */
const capped: CostBudgetSettings = { ...budget, amount: 100, critical: 0.95, cap: 1.1, onCap: 'lower' };

const hourAt = (hour: number, cost: number) => ({
  ...{ hour, cost, estimated: 0, replicaHours: 10, idle: undefined, quantities: { cpu: 5, memory: 20 } },
  ...{ namespace: 'shop', workload: 'web', policy: 'web', region: '', labels: {}, plan: 'on-demand' as const },
});

/** A budget that is judged hour by hour. */
function world({ prices, of = budget }: { readonly prices?: PricesAhead; readonly of?: CostBudgetSettings } = {}) {
  let now = START;
  let budgets: readonly CostBudgetSettings[] = [of];
  const table = spendTable(START - 60 * DAY);
  const keyValue = memoryKeyValue();
  const unreadable: string[] = [];
  const open = () =>
    openBudgetLoop({
      ...{ now: () => now, keyValue, currency: 'EUR', url: 'http://here', ...(prices && { prices }) },
      forecastOf: async () => undefined,
      onUnreadable: ({ name }) => void unreadable.push(name),
    });
  let loop = open();
  const { signal } = new AbortController();
  return {
    ...{ keyValue, unreadable },
    spend: (from: number, to: number, cost: number) => {
      for (let hour = from; hour < to; hour += HOUR) table.add([hourAt(hour, cost)]);
    },
    async alertsAt(at: number): Promise<readonly Alert[]> {
      now = at;
      return await loop.pass(DEFAULT_TENANT, budgets, table, signal);
    },
    /** The program ends, and starts again with these budgets. */
    async restart(at: number, ...next: readonly CostBudgetSettings[]) {
      now = at;
      budgets = next;
      loop = open();
      return await loop.restored(budgets);
    },
    sweep: async () => {
      const told: Alert[] = [];
      await loop.sweep(budgets, async (_, alerts) => void told.push(...alerts));
      return told;
    },
    verdict: () => loop.views(DEFAULT_TENANT)[0]!.verdict,
    ceiling: () => loop.ceilings(DEFAULT_TENANT).get('shop/web')?.[0]?.replicas,
  };
}

test('a budget that is as far gone in the next period goes on to be told of, and is not told to have ended', async () => {
  const { spend, alertsAt } = world();
  spend(START - 28 * DAY, START - HOUR, 1);
  expect((await alertsAt(START - HOUR)).map(({ endsAt }) => endsAt)).toEqual([undefined]);
  spend(START - HOUR, START, 1);
  for (const at of [START + 10 * MINUTE, START + 11 * MINUTE]) {
    expect((await alertsAt(at)).map(({ endsAt }) => endsAt)).toEqual([undefined]);
  }
});

test('after a restart the maxima that were asked for hold before anything is judged, and only within their period', async () => {
  const { spend, alertsAt, ceiling, restart } = world({ of: capped });
  spend(START - 28 * DAY, START + DAY, 1);
  await alertsAt(START + DAY);
  const before = ceiling();
  expect(before).toBeGreaterThan(0);
  const restored = await restart(START + DAY + HOUR, capped);
  expect(restored.get(DEFAULT_TENANT)?.get('shop/web')).toEqual([
    expect.objectContaining({ budget: 'all', replicas: before, amount: 100, projected: expect.closeTo(168, 0) }),
  ]);
  expect(ceiling()).toBe(before);
  // One that only alerts by now, and one whose week is over, ask for nothing.
  expect((await restart(START + DAY + HOUR, { ...capped, onCap: 'alert' })).size).toBe(0);
  expect((await restart(START + 7 * DAY, capped)).size).toBe(0);
});

test('what a version before kept without money asks for nothing until it is judged, and what cannot be read keeps no other from it', async () => {
  const { spend, alertsAt, ceiling, restart, keyValue, unreadable } = world({ of: capped });
  spend(START - 28 * DAY, START + DAY, 1);
  await alertsAt(START + DAY);
  const key = `cost/budget/${DEFAULT_TENANT}/all`;
  const whole = (await keyValue.read(key))!;
  const { periodStart, step, since, ended, ceilings } = decodeJson<Record<string, unknown>>(whole);
  await keyValue.write([{ key, value: encodeJson({ periodStart, step, since, ended, ceilings }) }]);
  expect((await restart(START + DAY + HOUR, capped)).size).toBe(0);
  await alertsAt(START + DAY + HOUR);
  expect(ceiling()).toBeGreaterThan(0);

  const broken = { ...capped, name: 'broken' };
  await keyValue.write([
    { key, value: whole },
    { key: `cost/budget/${DEFAULT_TENANT}/broken`, value: new TextEncoder().encode('{') },
  ]);
  const restored = await restart(START + DAY + HOUR, broken, capped);
  expect(
    restored
      .get(DEFAULT_TENANT)
      ?.get('shop/web')
      ?.map(({ budget: name }) => name),
  ).toEqual(['all']);
  expect(unreadable).toEqual(['broken']);
  expect(await alertsAt(START + DAY + HOUR)).toHaveLength(2);
});

test('where no spend is new for over a day, what was told last is told on and its maxima hold, until the period is over', async () => {
  const { spend, alertsAt, restart, ceiling } = world({ of: capped });
  spend(START - 28 * DAY, START + DAY, 1);
  const [first] = await alertsAt(START + DAY);
  const before = ceiling();
  expect(before).toBeGreaterThan(0);
  const goesOn = [expect.objectContaining({ labels: first!.labels, startsAt: START + DAY })];
  expect(await alertsAt(START + 3 * DAY)).toEqual(goesOn);
  expect(ceiling()).toBe(before);
  await restart(START + 3 * DAY, capped);
  expect(await alertsAt(START + 3 * DAY)).toEqual(goesOn);
  expect(ceiling()).toBe(before);
  expect(await alertsAt(START + 7 * DAY)).toEqual([]);
  expect(ceiling()).toBeUndefined();
});

test('maxima that were lowered in a period are so no more once it is over, whether or not the next one is judged', async () => {
  const { spend, alertsAt, ceiling } = world({ of: capped });
  spend(START - 28 * DAY, START + 7 * DAY - HOUR, 1);
  await alertsAt(START + 7 * DAY - MINUTE);
  expect(ceiling()).toBeGreaterThan(0);
  await alertsAt(START + 7 * DAY);
  expect(ceiling()).toBeUndefined();
});

test('a budget that was given another amount is judged by it at once', async () => {
  const { spend, alertsAt, restart, ceiling } = world({ of: capped });
  spend(START - 28 * DAY, START + DAY, 1);
  expect((await alertsAt(START + DAY)).map(({ labels }) => Object.fromEntries(labels)['step'])).toEqual(['cap']);
  await restart(START + DAY + HOUR, { ...capped, amount: 1000 });
  const told = await alertsAt(START + DAY + HOUR);
  expect(told.map(({ endsAt }) => endsAt)).toEqual([START + DAY + HOUR]);
  expect(ceiling()).toBeUndefined();
});

test('a budget that is no more in the settings is told to have ended, and forgotten', async () => {
  const { spend, alertsAt, restart, sweep } = world();
  spend(START - 28 * DAY, START, 1);
  const [alert] = await alertsAt(START);
  expect(await sweep()).toEqual([]);
  await restart(START + HOUR);
  expect(await sweep()).toEqual([
    expect.objectContaining({ labels: alert!.labels, startsAt: START, endsAt: START + HOUR }),
  ]);
  expect(await sweep()).toEqual([]);
});

test.each([
  { name: 'that begins within the period counts from then on', from: START + 4 * DAY, projected: 96 + 2 * 72 },
  { name: 'that began this hour counts for all that is ahead', from: START + DAY, projected: 24 + 2 * 144 },
])('a price of the book $name', async ({ from, projected }) => {
  const at: PricesAhead['at'] = (_, __, hour) =>
    hour < from ? { cpu: 0.1, memory: 0.025 } : { cpu: 0.2, memory: 0.05 };
  const { spend, alertsAt, verdict } = world({ prices: { at, changes: [from] } });
  spend(START - 28 * DAY, START + DAY, 1);
  await alertsAt(START + DAY);
  expect(verdict().spent).toBe(24);
  expect(verdict().projected).toBeCloseTo(projected, 6);
});
