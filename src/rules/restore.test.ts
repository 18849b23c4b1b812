import { expect, test } from 'vitest';
import { labelsOf } from '../model/labels.ts';
import type { SelectedSeries } from '../model/series.ts';
import { setStaleMarker } from '../model/series.ts';
import { HOUR, MINUTE } from '../model/time.ts';
import { nextAlerts } from './alerting.ts';
import { RESTORE_LIMITS, restoredActiveAt, restoredAlerts } from './restore.ts';
import { type AlertingRule, parseRuleFile } from './rule-file.ts';

const NOW = 1_700_000_040_000;

function ruleOf(forText: string): AlertingRule {
  const text = `groups: [{name: g, rules: [{alert: Down, expr: up == 0, for: ${forText}, labels: {severity: page}}]}]`;
  return parseRuleFile(text).groups[0]!.rules[0] as AlertingRule;
}

/** As Prometheus's RestoreForState says: what is left of the waiting decides. */
test.each([
  { name: 'had fired', heldMs: 40 * MINUTE, expected: (was: number) => was },
  { name: 'had waited for as long as it must', heldMs: 30 * MINUTE, expected: (was: number) => was },
  { name: 'was about to fire', heldMs: 25 * MINUTE, expected: () => NOW + 10 * MINUTE - 30 * MINUTE },
  { name: 'had long to wait', heldMs: 5 * MINUTE, expected: (was: number) => was + 15 * MINUTE },
  { name: 'had the grace period to wait', heldMs: 20 * MINUTE, expected: (was: number) => was + 15 * MINUTE },
])('an alert that $name', ({ heldMs, expected }) => {
  const downAt = NOW - 15 * MINUTE;
  const activeAt = downAt - heldMs;
  expect(restoredActiveAt({ downAt, activeAt }, 30 * MINUTE, 10 * MINUTE, NOW)).toBe(expected(activeAt));
});

function stateSeries(samples: readonly (readonly [number, number | 'stale'])[], more = {}): SelectedSeries {
  const values = Float64Array.from(samples, ([, value]) => (value === 'stale' ? 0 : value));
  for (const [i, [, value]] of samples.entries()) if (value === 'stale') setStaleMarker(values, i);
  return {
    labels: labelsOf({ __name__: 'ALERTS_FOR_STATE', alertname: 'Down', severity: 'page', job: 'a', ...more }),
    chunks: [{ encoding: 'plain', times: Float64Array.from(samples, ([time]) => time), values }],
  };
}

async function restored(forText: string, stored: readonly SelectedSeries[]): Promise<number> {
  const rule = ruleOf(forText);
  const labels = labelsOf({ alertname: 'Down', severity: 'page', job: 'a' });
  const alerts = nextAlerts(rule, new Map(), [{ labels, annotations: [], value: 0 }], NOW);
  const after = await restoredAlerts(rule, alerts, NOW, { ...RESTORE_LIMITS, select: async () => stored });
  return [...after.values()][0]!.activeAt;
}

test('the newest state that is stored counts', async () => {
  const began = (NOW - 2 * HOUR) / 1000;
  const series = stateSeries([
    [NOW - 50 * MINUTE, began - 60],
    [NOW - 20 * MINUTE, began],
  ]);
  expect(await restored('30m', [series])).toBe(NOW - 2 * HOUR);
});

test.each([
  { name: 'ended before the outage', series: [stateSeries([[NOW - 20 * MINUTE, 'stale']])] },
  { name: 'is of other labels', series: [stateSeries([[NOW - MINUTE, 5]], { job: 'b' })] },
  { name: 'is older than the outage may be', series: [stateSeries([[NOW - 61 * MINUTE, 5]])] },
  { name: 'is not there', series: [] },
])('a state that $name restores nothing', async ({ series }) => {
  expect(await restored('30m', series)).toBe(NOW);
});

test('a rule that waits for less than the grace period is not restored', async () => {
  expect(await restored('9m', [stateSeries([[NOW - MINUTE, 5]])])).toBe(NOW);
});
