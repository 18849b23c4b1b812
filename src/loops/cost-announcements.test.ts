import { expect, test } from 'vitest';
import { DAY, parseInstant } from '../model/time.ts';
import type { CostState } from '../scaling/cost-cap.ts';
import { planReplicas } from '../scaling/plan.ts';
import type { PlanInput } from '../scaling/plan-types.ts';
import { parsedPolicy } from '../testing/policy.ts';
import { costAnnouncements } from './cost-announcements.ts';

const START = parseInstant('2026-04-01T00:00:00Z');
const NOW = START + 15 * DAY;

/** Half of a month is over in which a replica costs one an hour and 7200 may be spent: ten replicas on average. */
function inputOf({ mean, before, onCap }: Row): PlanInput {
  return {
    now: NOW,
    policy: parsedPolicy('checkout', {
      mode: 'enforce',
      target: { name: 'checkout' },
      demand: { name: 'rps', query: 'rps', capacity: { perReplica: 100 } },
      replicas: { min: 1, max: 60 },
      costBudget: { monthly: 7200, perReplicaHour: 1, onCap: onCap ?? 'lower' },
    }),
    demands: [{ name: 'rps', current: { time: NOW, value: 100 }, forecast: { kind: 'none', message: 'none' } }],
    target: { ...{ min: 2, max: 50, original: { min: 2, max: 50 } }, specReplicas: 12, statusReplicas: 12 },
    leadTime: { ms: 180_000, source: 'given' },
    refreshMs: 60_000,
    memory: { recent: [], ...(before !== undefined && { cost: { state: before, since: START } }) },
    ...(mean !== null && {
      cost: {
        ...{ monthStart: START, monthEnd: START + 30 * DAY, replicaHours: 15 * 24 * mean, knownMs: 15 * DAY },
        ...{ meanReplicas: mean, meanMs: 7 * DAY },
      },
    }),
  };
}

interface Row {
  /** Replicas on average, this month and this week alike; null where nothing is known. */
  readonly mean: number | null;
  readonly before?: CostState;
  readonly onCap?: 'alert';
}

const WITHIN = 5;
const WARN = 8.5;
const CRITICAL = 9.8;
const CAPPED = 12;

test.each<Row & { name: string; want: readonly string[] }>([
  { name: 'within the budget is no news', mean: WITHIN, want: [] },
  { name: 'near the budget', mean: WARN, want: ['Warning CostBudgetWarning'] },
  { name: 'still near it is told once', mean: WARN, before: 'warn', want: [] },
  { name: 'close to it after near it', mean: CRITICAL, before: 'warn', want: ['Warning CostBudgetCritical'] },
  { name: 'close to it from nothing', mean: CRITICAL, want: ['Warning CostBudgetCritical'] },
  { name: 'the cap is reached', mean: CAPPED, before: 'critical', want: ['Warning CostCapReached'] },
  { name: 'the cap is reached where it only alerts', mean: CAPPED, onCap: 'alert', want: ['Warning CostCapReached'] },
  { name: 'still over the cap', mean: CAPPED, before: 'capped', want: [] },
  { name: 'below the cap again, if close to it', mean: CRITICAL, before: 'capped', want: ['Normal CostCapLifted'] },
  { name: 'below the cap and within', mean: WITHIN, before: 'capped', want: ['Normal CostCapLifted'] },
  { name: 'within again without a cap is no news', mean: WITHIN, before: 'critical', want: [] },
  { name: 'near it after close to it', mean: WARN, before: 'critical', want: ['Warning CostBudgetWarning'] },
  { name: 'what is not known changes nothing', mean: null, before: 'capped', want: [] },
])('$name', ({ want, ...row }) => {
  const input = inputOf(row);
  const announced = costAnnouncements(input, planReplicas(input));
  expect(announced.map(({ type, reason }) => `${type} ${reason}`)).toEqual(want);
});

test.each([
  { mean: WARN, words: ['near the budget', '6120 of 7200', '3060 USD'] },
  { mean: CAPPED, words: ['over the cap', 'no more than 12 replicas'] },
])('the message has the sums: $words', ({ mean, words }) => {
  const input = inputOf({ mean });
  const [announced] = costAnnouncements(input, planReplicas(input));
  for (const word of words) expect(announced?.message).toContain(word);
});
