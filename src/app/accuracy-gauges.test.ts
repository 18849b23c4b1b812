import { expect, test } from 'vitest';
import type { LiveAccuracy } from '../model/forecast.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import type { DecisionDraft } from '../scaling/decision-types.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { openAccuracyGauges } from './accuracy-gauges.ts';

function liveOf(errorVsNaive: number): LiveAccuracy {
  const figures = { errorVsLast: 0.6, errorVsSeason: Number.NaN, coverage: 0.95, central: 0.94, bias: 0 };
  return { errorVsNaive, coverageBroken: false, horizons: [{ horizon: 'peak', aheadMs: 1, count: 1, ...figures }] };
}

/** What the gauges read of a decision. */
function draftOf(policy: string, code: 'WorseThanNaive' | null): DecisionDraft {
  const draft = {
    ...{ tenant: DEFAULT_TENANT, namespace: 'shop', policy },
    input: { demands: [{ name: 'rps' }] },
    plan: { demotion: code === null ? null : { code } },
  };
  return draft as unknown as DecisionDraft;
}

test('gauges are of the worst 500 demands of policies in force, and demotions are counted by reason', async () => {
  const metrics = createMetrics();
  const gauges = openAccuracyGauges(metrics);
  const names = Array.from({ length: 510 }, (_, i) => `p${i}`);
  names.forEach((policy, i) => {
    gauges.issued(DEFAULT_TENANT, { namespace: 'shop', policy, demand: 'rps' }, liveOf(i / 400));
  });
  gauges.issued(DEFAULT_TENANT, { namespace: 'shop', policy: 'gone', demand: 'rps' }, liveOf(9));
  gauges.update(names.map((name, i) => draftOf(name, i > 400 ? 'WorseThanNaive' : null)));
  const text = await metrics.registry.metrics();
  const judged = text.match(/^foresail_forecast_error_ratio\{.*against="naive"\}/gm) ?? [];
  expect(judged.length).toBe(500);
  expect(judged.some((line) => line.includes('"p5"') || line.includes('"gone"'))).toBe(false);
  expect(text).not.toContain('against="yesterday"');
  expect(text).toContain('foresail_forecast_accuracy_left_out 10');
  expect(text).toContain('foresail_policies_demoted{reason="WorseThanNaive"} 109');
  expect(text).toContain('foresail_policies_demoted{reason="CoverageBroken"} 0');
});
