import { expect, test } from 'vitest';
import { END_TOLD_FOR_MS } from '../model/alert.ts';
import type { Deploy } from '../model/deploy.ts';
import { labelsOf } from '../model/labels.ts';
import { HOUR, MINUTE, SECOND } from '../model/time.ts';
import type { Anomaly } from './anomaly.ts';
import { deploysWith, joinIncident, movesInOrder, type RecentMoves, relatedTo } from './incident.ts';
import { incidentAlerts } from './incident-alert.ts';

const GROUP = { group: 'g', labels: { watch: 'errors', region: 'eu' } };

function anomaly(id: string, since: number, score: number, some: Partial<Anomaly> = {}): Anomaly {
  const peak = {
    at: since,
    value: 50,
    expected: 10,
    lower: 8,
    upper: 12,
    score,
    direction: 'up',
    part: 'jump',
  } as const;
  return {
    ...{ id, watch: 'errors', labels: labelsOf({ app: id }), demand: undefined, stepMs: MINUTE, since, peak },
    ...{ severity: score >= 0.8 ? 'incident' : 'alert', confirmed: false, lastAt: since, endedAt: undefined },
    ...{ end: undefined, incident: '', feedback: undefined, ...some },
  };
}

test('members are ranked by who moved first, and of those by who moved most', () => {
  let incident = joinIncident(undefined, anomaly('late', 5 * MINUTE, 0.9), GROUP);
  incident = joinIncident(incident, anomaly('small', MINUTE, 0.7), GROUP);
  incident = joinIncident(incident, anomaly('large', MINUTE + 1, 0.75), GROUP);
  expect(incident.members.map((member) => member.anomaly)).toEqual(['large', 'small', 'late']);
  expect(incident).toMatchObject({ id: 'late', startedAt: MINUTE, severity: 'incident', endedAt: undefined });
});

test('the same anomaly again changes nothing, and an incident ends with its last member', () => {
  const one = joinIncident(undefined, anomaly('a', MINUTE, 0.7), GROUP);
  expect(joinIncident(one, anomaly('a', MINUTE, 0.7), GROUP)).toEqual(one);
  const two = joinIncident(one, anomaly('b', MINUTE, 0.7), GROUP);
  const half = joinIncident(two, anomaly('a', MINUTE, 0.7, { endedAt: 3 * MINUTE }), GROUP);
  expect(half.endedAt).toBeUndefined();
  expect(joinIncident(half, anomaly('b', MINUTE, 0.7, { endedAt: 4 * MINUTE }), GROUP).endedAt).toBe(4 * MINUTE);
});

test('one alert an incident; a graver one takes the place of a milder one, whose end is told', () => {
  const mild = joinIncident(undefined, anomaly('a', MINUTE, 0.7), GROUP);
  const [alert, ...others] = incidentAlerts(mild, 2 * MINUTE, 'http://here');
  expect(others).toEqual([]);
  expect(Object.fromEntries(alert!.labels)).toEqual({
    ...{ alertname: 'ForesailAnomaly', severity: 'warning', watch: 'errors', region: 'eu' },
  });
  expect(alert!.annotations).toMatchObject({
    summary: 'errors{app="a"} is unusual: a jump (up)',
    ...{ value: '50', expected: '10', interval: '8 to 12', score: '0.70', part: 'jump' },
    picture: 'http://here/api/v1/anomalies/a/picture.svg',
  });
  const grave = joinIncident(mild, anomaly('b', 4 * MINUTE, 0.9), GROUP);
  expect(
    incidentAlerts(grave, 5 * MINUTE, '').map(({ labels, startsAt, endsAt }) => [
      Object.fromEntries(labels)['severity'],
      startsAt,
      endsAt,
    ]),
  ).toEqual([
    ['critical', 4 * MINUTE, undefined],
    ['warning', MINUTE, 4 * MINUTE],
  ]);
  const over = { ...grave, endedAt: 6 * MINUTE };
  expect(incidentAlerts(over, 6 * MINUTE, '')[0]!.endsAt).toBe(6 * MINUTE);
  expect(incidentAlerts(over, 6 * MINUTE + END_TOLD_FOR_MS, '')).toEqual([]);
});

test('related series are those that moved alike, in either direction', () => {
  const moves = (name: string, of: (i: number) => number): RecentMoves => ({
    ...{ watch: name, labels: [], at: 31 * MINUTE, stepMs: MINUTE },
    moves: Float32Array.from({ length: 32 }, (_, i) => of(i)),
  });
  const jump = (i: number) => (i > 25 ? 4 : 0.1 * Math.sin(i));
  const found = relatedTo(
    moves('first', jump),
    [
      moves('same', (i) => 2 * jump(i)),
      moves('opposite', (i) => -jump(i)),
      moves('other', (i) => Math.sin(i)),
      moves('still', () => 0),
      moves('tiny', (i) => 0.1 * jump(i)),
      moves('member', jump),
      moves('unknown', () => Number.NaN),
    ],
    ({ watch }) => watch === 'member',
  );
  expect(found.map(({ watch, correlation }) => [watch, correlation])).toEqual([
    ['same', 1],
    ['opposite', -1],
  ]);
});

test('of too many members those that go on are kept, and the severity never falls', () => {
  let incident = joinIncident(undefined, anomaly('grave', 9 * MINUTE, 0.9), GROUP);
  for (let i = 0; i < 250; i++) {
    incident = joinIncident(incident, anomaly(`m${i}`, MINUTE, 0.7, { endedAt: 2 * MINUTE }), GROUP);
  }
  expect(incident.members).toHaveLength(200);
  expect(incident).toMatchObject({ severity: 'incident', severitySince: 9 * MINUTE, endedAt: undefined });
  expect(joinIncident(incident, anomaly('m251', MINUTE, 0.7), GROUP)).toMatchObject({ severity: 'incident' });
});

const deploy = (workload: string, at: number, namespace = 'shop'): Deploy => ({
  ...{ namespace, workload, revision: '6d5f', images: [`${workload}:1.5`], at },
});

test('a deploy before the first move stands before it, one of its own workload rather than of others', () => {
  const at = 10 * HOUR;
  const labels = labelsOf({ namespace: 'shop', pod: 'web-6d5f-x7k' });
  const incident = joinIncident(undefined, anomaly('a', at, 0.7, { labels }), { group: 'g', labels: {} });
  const found = deploysWith(incident, [
    deploy('web', at - 2 * HOUR),
    deploy('web', at - 40 * MINUTE),
    deploy('pay', at - 40 * MINUTE),
    deploy('pay', at - 10 * MINUTE),
    deploy('web', at - 10 * MINUTE, 'other'),
    deploy('dns', at - MINUTE, 'other'),
    deploy('web', at + 5 * MINUTE),
    deploy('web', at + HOUR),
  ]);
  expect(found.map(({ workload, at: when }) => [workload, (when - at) / MINUTE])).toEqual([
    ['web', -40],
    ['pay', -10],
    ['dns', -1],
    ['web', 5],
  ]);
  const moved = movesInOrder({ ...incident, deploys: found }).map((move) =>
    move.kind === 'deploy' ? move.deploy.workload : move.member.anomaly,
  );
  expect(moved).toEqual(['web', 'pay', 'dns', 'a', 'web']);
  const many = Array.from({ length: 9 }, (_, i) => deploy(i === 0 ? 'web' : 'pay', at - (9 - i) * MINUTE));
  expect(deploysWith(incident, many)).toHaveLength(5);
  expect(deploysWith(incident, many)[0]!.workload).toBe('web');
});

test('a deploy is told with its time, its revision and its images', () => {
  const mild = joinIncident(undefined, anomaly('a', 5 * MINUTE, 0.7), GROUP);
  expect(incidentAlerts(mild, 6 * MINUTE, '')[0]!.annotations).not.toHaveProperty('deploys');
  const [alert] = incidentAlerts({ ...mild, deploys: [deploy('web', 5 * MINUTE - 40 * SECOND)] }, 6 * MINUTE, '');
  const text = 'shop/web was deployed at 1970-01-01T00:04:20Z, 40s before (revision 6d5f, web:1.5)';
  expect(alert!.annotations['deploys']).toBe(text);
  expect(alert!.annotations['description']).toContain(`${text}.`);
  expect(alert!.annotations['remedy']).toContain('that deploy');
  expect(alert!.labels).toEqual(incidentAlerts(mild, 6 * MINUTE, '')[0]!.labels);
});
