import { expect, test } from 'vitest';
import { labelsOf } from '../model/labels.ts';
import { MINUTE } from '../model/time.ts';
import { type Alerts, activeAlerts, alertSamples, type FoundAlert, nextAlerts } from './alerting.ts';
import type { AlertingRule } from './rule-file.ts';

const RULE: AlertingRule = {
  ...{ kind: 'alerting', name: 'A', expression: 'up', labels: new Map(), annotations: new Map() },
  ...{ forMs: 0, keepFiringForMs: 0, place: { line: 1, column: 1 } },
};

function found(...jobs: readonly string[]): readonly FoundAlert[] {
  return jobs.map((job) => ({ labels: labelsOf({ alertname: 'A', job }), annotations: [], value: 1 }));
}

/** `a:pending b:firing`, minute by minute, from the jobs for which the expression holds. */
function states(times: Pick<AlertingRule, 'forMs' | 'keepFiringForMs'>, minutes: readonly string[]): readonly string[] {
  let alerts: Alerts = new Map();
  return minutes.map((jobs, minute) => {
    alerts = nextAlerts(times, alerts, found(...jobs.split(' ').filter((job) => job !== '')), minute * MINUTE);
    return activeAlerts(alerts)
      .map(({ labels, state }) => `${labels.find(([name]) => name === 'job')![1]}:${state}`)
      .join(' ');
  });
}

test.each([
  { name: 'fires at once without a time to wait', waits: 0, keeps: 0, holds: ['a', ''], want: ['a:firing', ''] },
  { name: 'waits', waits: 2, keeps: 0, holds: ['a', 'a', 'a'], want: ['a:pending', 'a:pending', 'a:firing'] },
  {
    name: 'waits anew after a gap',
    waits: 1,
    keeps: 0,
    holds: ['a', '', 'a', 'a'],
    want: ['a:pending', '', 'a:pending', 'a:firing'],
  },
  {
    name: 'fires on',
    waits: 0,
    keeps: 2,
    holds: ['a', '', '', '', ''],
    want: ['a:firing', 'a:firing', 'a:firing', '', ''],
  },
  {
    name: 'fires on from the last time that it held',
    waits: 0,
    keeps: 2,
    holds: ['a', '', 'a', '', '', ''],
    want: ['a:firing', 'a:firing', 'a:firing', 'a:firing', 'a:firing', ''],
  },
  {
    name: 'does not keep what is pending',
    waits: 2,
    keeps: 5,
    holds: ['a', 'a', ''],
    want: ['a:pending', 'a:pending', ''],
  },
  {
    name: 'keeps apart what differs',
    waits: 1,
    keeps: 0,
    holds: ['a', 'a b', 'b'],
    want: ['a:pending', 'a:firing b:pending', 'b:firing'],
  },
])('nextAlerts() $name', ({ waits, keeps, holds, want }) => {
  expect(states({ forMs: waits * MINUTE, keepFiringForMs: keeps * MINUTE }, holds)).toEqual(want);
});

test('a resolved alert is kept for a quarter of an hour, and is a new one when it comes back', () => {
  let alerts = nextAlerts(RULE, new Map(), found('a'), 0);
  alerts = nextAlerts(RULE, alerts, [], MINUTE);
  expect([...alerts.values()]).toMatchObject([{ state: 'inactive', activeAt: 0, resolvedAt: MINUTE }]);
  const back = nextAlerts(RULE, alerts, found('a'), 2 * MINUTE);
  expect([...back.values()]).toMatchObject([{ state: 'firing', activeAt: 2 * MINUTE, resolvedAt: undefined }]);
  expect(nextAlerts(RULE, alerts, [], 16 * MINUTE).size).toBe(1);
  expect(nextAlerts(RULE, alerts, [], 16 * MINUTE + 1).size).toBe(0);
});

test('a rule that waits longer now takes a firing alert back', () => {
  const firing = nextAlerts(RULE, new Map(), found('a'), 0);
  const later = nextAlerts({ ...RULE, forMs: 5 * MINUTE }, firing, found('a'), MINUTE);
  expect(activeAlerts(later)).toMatchObject([{ state: 'pending', activeAt: 0, firedAt: undefined }]);
});

test('the same alert twice is an error', () => {
  expect(() => nextAlerts(RULE, new Map(), found('a', 'a'), 0)).toThrow('same labelset after applying alert labels');
});

test('alertSamples() are ALERTS and ALERTS_FOR_STATE, with the seconds since when it holds', () => {
  const rule = { ...RULE, forMs: MINUTE, labels: new Map([['gone', '{{ $labels.nothing }}']]) };
  const alerts = nextAlerts(rule, new Map(), found('a'), 90_500);
  const labels = { alertname: 'A', job: 'a', gone: '{{ $labels.nothing }}' };
  expect(alertSamples(rule, alerts)).toEqual([
    { labels: labelsOf({ ...labels, __name__: 'ALERTS', alertstate: 'pending' }), value: 1 },
    { labels: labelsOf({ ...labels, __name__: 'ALERTS_FOR_STATE' }), value: 90 },
  ]);
});
