import { expect, test } from 'vitest';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import { Slo } from '../scaling/slo.ts';
import { runTest } from './run-test.ts';
import { burnFactor, sloRules } from './slo-rules.ts';
import { parseTestFile } from './test-file.ts';

const SLO = Slo.parse({
  name: 'checkout',
  objective: 99.9,
  sli: { errors: 'sum(rate(failed_total[5m]))', total: 'sum(rate(asked_total[5m]))' },
  labels: { team: 'shop' },
});

/** 1000 requests a minute, of which so many fail from the second hour on. */
async function failuresOf(failing: number, cases: string, slo = SLO) {
  const { file, problems } = parseTestFile(
    [
      'evaluation_interval: 5m',
      'tests:',
      '- interval: 1m',
      '  input_series:',
      "  - {series: 'asked_total', values: '0+1000x250'}",
      `  - {series: 'failed_total', values: '0x60 0+${failing}x190'}`,
      cases,
    ].join('\n'),
  );
  expect(problems).toEqual([]);
  return await runTest(file.tests[0]!, file, [sloRules(slo)]);
}

test('multiples of the error budget are those of the SRE workbook over 30 days', () => {
  const factor = (longMs: number, share: number, windowMs = 30 * DAY, budget = 0.001) =>
    burnFactor({ longMs, shortMs: 5 * MINUTE, share }, windowMs, budget);
  expect(factor(HOUR, 0.02)).toBeCloseTo(14.4, 9);
  expect(factor(6 * HOUR, 0.05)).toBe(6);
  expect(factor(DAY, 0.1)).toBe(3);
  expect(factor(3 * DAY, 0.1)).toBe(1);
  // A week's budget: a rate that lasts for the week is no cause for alarm.
  expect(factor(HOUR, 0.02, 7 * DAY)).toBeCloseTo(3.36, 9);
  expect(factor(3 * DAY, 0.1, 7 * DAY)).toBe(1);
  // Of an objective of 90 %, 14.4 times what is allowed is more than everything.
  expect(factor(HOUR, 0.02, 30 * DAY, 0.1)).toBe(9);
});

test('an hour of 3 % errors pages; what is recorded says how much is left and when it ends', async () => {
  const cases = [
    '  alert_rule_test:',
    '  - {eval_time: 70m, alertname: SloErrorBudgetBurnsFast, exp_alerts: []}',
    '  promql_expr_test:',
    '  - expr: ALERTS{alertname="SloErrorBudgetBurnsFast"}',
    '    eval_time: 3h',
    '    exp_samples:',
    '    - {labels: \'ALERTS{alertname="SloErrorBudgetBurnsFast",alertstate="firing",severity="critical",slo="checkout",team="shop"}\', value: 1}',
    '  - expr: round(slo:error_budget_burn_rate:ratio{window="1h"}, 0.1)',
    '    eval_time: 3h',
    '    exp_samples: [{labels: \'{slo="checkout",team="shop",window="1h"}\', value: 30}]',
    '  - expr: slo:error_budget_remaining:ratio < 0',
    '    eval_time: 3h',
    '    exp_samples: [{labels: \'slo:error_budget_remaining:ratio{slo="checkout",team="shop"}\', value: -18.8}]',
    '  - expr: slo:error_budget_exhaustion:seconds{basis="1h"}',
    '    eval_time: 3h',
    '    exp_samples: [{labels: \'slo:error_budget_exhaustion:seconds{basis="1h",slo="checkout",team="shop"}\', value: 0}]',
  ].join('\n');
  const failures = await failuresOf(30, cases);
  // What is left depends on where windows begin to the sample: that it is overrun is what counts.
  expect(failures.filter((one) => one.kind !== 'samples' || !one.expression.includes('remaining'))).toEqual([]);
  const [left] = failures.flatMap((one) => (one.kind === 'samples' ? one.got : []));
  expect(left!.value).toBeGreaterThan(-22);
  expect(left!.value).toBeLessThan(-17);
});

test('0.2 % errors are a ticket and no page; 0.05 % are neither', async () => {
  const cases = (ticket: string) =>
    [
      '  alert_rule_test:',
      '  - {eval_time: 4h, alertname: SloErrorBudgetBurnsFast, exp_alerts: []}',
      '  promql_expr_test:',
      '  - expr: count(ALERTS{alertname="SloErrorBudgetBurnsSlowly"})',
      '    eval_time: 4h',
      `    exp_samples: [${ticket}]`,
    ].join('\n');
  expect(await failuresOf(2, cases("{labels: '{}', value: 1}"))).toEqual([]);
  expect(await failuresOf(0.5, cases(''))).toEqual([]);
});

test('an alert that is off is not there; a ratio stands for errors and total; a policy marks its own', () => {
  const { rules } = sloRules(
    Slo.parse({
      name: 'late',
      objective: 95,
      window: '7d',
      sli: { ratio: '1 - avg(fast)' },
      alerting: { ticket: { enabled: false } },
    }),
    { namespace: 'shop', policy: 'checkout' },
  );
  expect(rules.filter(({ kind }) => kind === 'alerting').map(({ name }) => name)).toEqual(['SloErrorBudgetBurnsFast']);
  expect(Object.fromEntries(rules[0]!.labels)).toEqual({ namespace: 'shop', policy: 'checkout', slo: 'late' });
  expect(rules[0]).toMatchObject({ name: 'slo:sli_error:ratio', expression: '1 - avg(fast)' });
  expect(rules[1]!.expression).toBe(
    'avg_over_time(slo:sli_error:ratio{policy="checkout",namespace="shop",slo="late"}[5m])',
  );
});
