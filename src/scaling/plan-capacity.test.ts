import { describe, expect, test } from 'vitest';
import { DAY, MINUTE, parseInstant } from '../model/time.ts';
import { parsedPolicy } from '../testing/policy.ts';
import type { CapacityReading } from './capacity.ts';
import { planReplicas } from './plan.ts';
import { NO_MEMORY, type PlanInput } from './plan-types.ts';
import { planText } from './reasons.ts';

const NOW = parseInstant('2026-03-02T10:00:00Z');
const UTILIZATION = { query: 'avg(busy)', target: 0.9 };

function policyOf(capacity: object) {
  return parsedPolicy('checkout', {
    mode: 'enforce',
    target: { name: 'checkout' },
    demand: { name: 'rps', query: 'rps', capacity: { fill: 1, ...capacity } },
    replicas: { min: 1, max: 60 },
  });
}

function inputOf(capacity: object, learned: CapacityReading | undefined): PlanInput {
  const forecast = {
    ...{ kind: 'ready' as const, issuedAt: NOW, peak: 1000, windowMs: 5 * MINUTE, quantile: 0.95, model: 'ridge' },
    ...{ maeVsLast: 0.6, coverage: 0.95, historyMs: 14 * DAY },
  };
  const current = { time: NOW, value: 0 };
  return {
    now: NOW,
    policy: policyOf(capacity),
    demands: [{ name: 'rps', current, forecast, ...(learned && { capacity: learned }) }],
    target: { min: 10, max: 50, original: { min: 2, max: 50 }, specReplicas: 12, statusReplicas: 12 },
    leadTime: { ms: 3 * MINUTE, source: 'given' },
    refreshMs: MINUTE,
    memory: NO_MEMORY,
  };
}

const learned: CapacityReading = {
  ...{ kind: 'learned', perReplica: 80, pairs: 400, since: NOW - DAY, error: 0.05, highest: 90 },
};
const unlearned: CapacityReading = { kind: 'not-learnable', why: { code: 'too-few-pairs', have: 3, need: 48 } };

describe('planReplicas() takes the capacity', () => {
  test.each([
    { name: 'as given', capacity: { perReplica: 100 }, reading: undefined, want: 10, codes: [] },
    { name: 'as learned', capacity: { utilization: UTILIZATION }, reading: learned, want: 13, codes: [] },
    {
      name: 'as learned, though one is given',
      capacity: { utilization: UTILIZATION, perReplica: 100 },
      reading: learned,
      want: 13,
      codes: [],
    },
    {
      name: 'as given while it is not learned',
      capacity: { utilization: UTILIZATION, perReplica: 100 },
      reading: unlearned,
      want: 10,
      codes: ['CapacityNotLearned'],
    },
  ])('$name', ({ capacity, reading, want, codes }) => {
    const input = inputOf(capacity, reading);
    const plan = planReplicas(input);
    expect(plan.wanted).toBe(want);
    expect(plan.reasons.map(({ code }) => code).filter((code) => code.startsWith('Capacity'))).toEqual(codes);
    expect(planText(plan, input)).not.toMatch(/undefined|null|NaN/);
    if (want === 13) expect(planText(plan, input)).toContain('at 80 each (learned)');
  });

  test.each([undefined, unlearned])('and stays reactive where it is neither given nor learned', (reading) => {
    const input = inputOf({ utilization: UTILIZATION }, reading);
    const plan = planReplicas(input);
    expect(plan).toMatchObject({ wanted: null, bounds: { min: 10 }, demotion: { code: 'CapacityUnknown' } });
    expect(planText(plan, input)).toContain('what a replica carries of rps is not known');
  });
});

test('parsePolicy() refuses a capacity that says nothing', () => {
  expect(() => policyOf({})).toThrow('expected perReplica, utilization or both');
});
