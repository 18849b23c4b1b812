import { expect, test } from 'vitest';
import { MINUTE } from '../model/time.ts';
import { planReplicas } from '../scaling/plan.ts';
import { NO_MEMORY, type PlanInput } from '../scaling/plan-types.ts';
import { reasonText } from '../scaling/reasons.ts';
import { parsedPolicy } from '../testing/policy.ts';
import { tellDecision } from './tell-decision.ts';

const NOW = Date.UTC(2026, 10, 18, 17, 55);
const INPUT: PlanInput = {
  now: NOW,
  policy: parsedPolicy('checkout', {
    mode: 'enforce',
    target: { name: 'checkout' },
    demand: { name: 'rps', query: 'sum(rate(http_requests_total[2m]))', capacity: { perReplica: 60 } },
    leadTime: '2m',
    replicas: { min: 2, max: 60 },
  }),
  demands: [
    {
      name: 'rps',
      current: { time: NOW - 15_000, value: 790.4 },
      forecast: {
        kind: 'ready',
        issuedAt: NOW - MINUTE,
        peak: 1203.4,
        windowMs: 3 * MINUTE,
        quantile: 0.95,
        model: 'ridge',
        maeVsLast: 0.224,
        coverage: 0.951,
        historyMs: 28 * 86_400_000,
      },
    },
  ],
  target: { min: 16, max: 60, original: { min: 2, max: 60 }, specReplicas: 19, statusReplicas: 18 },
  leadTime: { ms: 2 * MINUTE, source: 'given' },
  refreshMs: MINUTE,
  memory: NO_MEMORY,
};

test('tellDecision() tells a decision with its numbers', () => {
  const plan = planReplicas(INPUT);
  const decision = {
    id: '0mwqdp34200',
    at: NOW / 1000,
    namespace: 'shop',
    policy: 'checkout',
    mode: 'enforce',
    reasons: plan.reasons.map((reason) => ({ code: reason.code, text: reasonText(reason) })),
    outcome: { kind: 'applied', message: 'written: 23 to 60 replicas' },
    plan,
    input: INPUT,
  };
  const told = tellDecision(decision);
  expect(told).toContain(
    'shop/checkout, 2026-11-18T17:55:00Z\n\nThe floor rises from 16 to 23 replicas; the maximum is 60.',
  );
  expect(told).toMatch(/Why\n {2}1\. .*1203.*\n/);
  for (const line of [
    /rps +790, 15s ago/,
    /its forecast +at most 1203 within 3m \(quantile 0.95\), from 2026-11-18T17:54:00Z/,
    /made by +ridge on (4w|28d) of history/,
    /its error +0.224 of that of a naive forecast; 95.1 % of the peaks/,
    /replicas +19 asked for, 18 there/,
    /bounds in force +16 to 60; 2 to 60 without Foresail/,
    /lead time +2m \(as given\), and 1m until the next forecast/,
  ]) {
    expect(told).toMatch(line);
  }
  expect(told).toMatch(/What became of it\n {2}written: 23 to 60 replicas\n\nDecision 0mwqdp34200/);
  const demotion = { code: 'ForecastNotFinite', demand: 'rps' } as const;
  const demoted = { ...decision, reasons: [{ code: 'Demoted', text: '' }], plan: { ...plan, demotion } };
  expect(tellDecision(demoted).split('\n').at(-1)).toMatch(/^Demoted, ForecastNotFinite: docs\/runbooks/);
  expect(tellDecision({ ...decision, mode: 'observe' })).toContain('The floor would rise from 16 to 23 replicas');
});
