import { describe, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE, parseInstant } from '../model/time.ts';
import { parsedPolicy } from '../testing/policy.ts';
import type { CostReading } from './cost-cap.ts';
import { planReplicas } from './plan.ts';
import { NO_MEMORY, type PlanInput } from './plan-types.ts';
import { parsePolicy } from './policy.ts';
import { planText } from './reasons.ts';

const START = parseInstant('2026-04-01T00:00:00Z');
const END = START + 30 * DAY;
const NOW = START + 15 * DAY;

/** One unit of money for a replica and hour, 720 hours: a budget of 7200 is 10 replicas on average. */
function inputOf(
  { mean, hours = 15 * 24 * mean, meanMs = 7 * DAY }: { mean: number; hours?: number; meanMs?: number },
  { onCap = 'lower', running = 12, min = 10, max = 50, peak = 1000, state }: Record<string, unknown> = {},
): PlanInput {
  const policy = parsedPolicy('checkout', {
    mode: 'enforce',
    target: { name: 'checkout' },
    demand: { name: 'rps', query: 'rps', capacity: { perReplica: 100, fill: 1 } },
    replicas: { min: 1, max: 60 },
    costBudget: { monthly: 7200, perReplicaHour: 1, onCap },
  });
  const forecast = {
    ...{
      kind: 'ready' as const,
      issuedAt: NOW,
      peak: peak as number,
      windowMs: 5 * MINUTE,
      quantile: 0.95,
      model: 'r',
    },
    ...{ maeVsLast: 0.6, coverage: 0.95, historyMs: 14 * DAY },
  };
  const cost: CostReading = {
    ...{ monthStart: START, monthEnd: END, replicaHours: hours, knownMs: 15 * DAY, meanReplicas: mean, meanMs },
  };
  const replicas = running as number;
  return {
    now: NOW,
    policy,
    demands: [{ name: 'rps', current: { time: NOW, value: 0 }, forecast }],
    target: {
      ...{ min: min as number, max: max as number, original: { min: 2, max: 50 } },
      ...{ specReplicas: replicas, statusReplicas: replicas },
    },
    leadTime: { ms: 3 * MINUTE, source: 'given' },
    refreshMs: MINUTE,
    memory: { ...NO_MEMORY, ...(state !== undefined && { cost: { state: state as 'capped', since: START } }) },
    cost,
  };
}

describe('planReplicas() keeps to a cost budget', () => {
  test.each([
    { name: 'within it', use: { mean: 7 }, state: 'within', max: 50 },
    { name: 'near it', use: { mean: 8.5 }, state: 'warn', max: 50 },
    { name: 'close to it', use: { mean: 10 }, state: 'critical', max: 50 },
    { name: 'over the cap: what runs is the most', use: { mean: 12 }, state: 'capped', max: 12 },
    { name: 'over it, but only said', use: { mean: 12 }, more: { onCap: 'alert' }, state: 'capped', max: 50 },
    {
      name: 'what the rest of the month pays for, if more',
      use: { mean: 13, hours: 3600 },
      more: { running: 5 },
      state: 'capped',
      max: 12,
    },
    { name: 'follows what runs down', use: { mean: 12 }, more: { running: 8, max: 12 }, state: 'capped', max: 10 },
    {
      name: 'stays capped a little below the cap',
      use: { mean: 10.8 },
      more: { state: 'capped', max: 12 },
      state: 'capped',
      max: 12,
    },
    {
      name: 'gives the maximum back',
      use: { mean: 10 },
      more: { state: 'capped', max: 12 },
      state: 'critical',
      max: 50,
    },
    { name: 'judges no month by one hour', use: { mean: 40, hours: 40, meanMs: HOUR }, state: 'within', max: 50 },
    { name: 'spent already', use: { mean: 30, hours: 7920, meanMs: HOUR }, state: 'capped', max: 12 },
  ])('$name', ({ use, more = {}, state, max }) => {
    const input = inputOf(use, more);
    const plan = planReplicas(input);
    expect(plan.memory.cost?.state).toBe(state);
    expect(plan.bounds.max).toBe(max);
    expect(plan.bounds.min).toBeLessThanOrEqual(plan.bounds.max);
    expect(planText(plan, input)).not.toMatch(/undefined|null|NaN/);
  });

  test('the floor asks for no more than the cap allows, and comes down by the ramp', () => {
    const plan = planReplicas(inputOf({ mean: 12 }, { peak: 4000, min: 20, running: 12 }));
    expect(plan.bounds).toEqual({ min: 15, max: 15 });
    expect(plan.reasons).toContainEqual(
      expect.objectContaining({ code: 'CostCap', wanted: 40, replicas: 12, max: 15 }),
    );
  });

  test('nothing is capped while nothing is known', () => {
    const { cost: _, ...input } = inputOf({ mean: 12 }, { max: 12, state: 'capped' });
    expect(planReplicas(input)).toMatchObject({ bounds: { max: 50 }, changed: true });
  });
});

test.each([
  {
    name: 'order of shares',
    costBudget: { monthly: 9, perReplicaHour: 1, warn: '99%' },
    want: 'expected warn to be at most',
  },
  { name: 'currency', costBudget: { monthly: 9, perReplicaHour: 1, currency: '$' }, want: 'expected a currency' },
])('parsePolicy() refuses a wrong cost budget: $name', ({ costBudget, want }) => {
  const { policy: _, ...rest } = { policy: 0, demand: { query: 'x', capacity: { perReplica: 1 } } };
  const spec = { target: { name: 'web' }, replicas: { min: 1, max: 9 }, ...rest, costBudget };
  const metadata = { name: 'web', namespace: 'shop' };
  expect(() => parsePolicy({ apiVersion: 'foresail.dev/v1alpha1', kind: 'ScalingPolicy', metadata, spec })).toThrow(
    want,
  );
});
