import { expect, test } from 'vitest';
import type { CostBudgetSettings } from '../cost/budget.ts';
import { spendTable } from '../cost/spend-table.ts';
import type { Alert } from '../model/alert.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import { memoryKeyValue } from '../testing/memory-key-value.ts';
import { openBudgetLoop } from './budget-loop.ts';

/** A Monday. */
const START = Date.UTC(2026, 5, 1);

const budget: CostBudgetSettings = {
  ...{ name: 'all', tenant: DEFAULT_TENANT, match: {}, period: 'weekly', timeZone: 'UTC' },
  ...{ amount: 150, warn: 0.8, critical: 1.5, cap: 2, onCap: 'alert' },
};

const hourAt = (hour: number, cost: number) => ({
  ...{ hour, cost, estimated: 0, replicaHours: 1, idle: undefined },
  ...{ namespace: 'shop', workload: 'web', policy: undefined, region: '', labels: {}, plan: 'on-demand' as const },
});

/** A budget that is judged hour by hour. */
function world() {
  let now = START;
  const table = spendTable(START - 60 * DAY);
  const loop = openBudgetLoop({
    ...{ now: () => now, keyValue: memoryKeyValue(), currency: 'EUR', url: 'http://here' },
    forecastOf: async () => undefined,
  });
  return {
    spend: (from: number, to: number, cost: number) => {
      for (let hour = from; hour < to; hour += HOUR) table.add([hourAt(hour, cost)]);
    },
    async alertsAt(at: number): Promise<readonly Alert[]> {
      now = at;
      return await loop.pass(DEFAULT_TENANT, [budget], table, new AbortController().signal);
    },
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
