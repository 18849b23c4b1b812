import { expect, test } from 'vitest';
import { END_TOLD_FOR_MS } from '../model/alert.ts';
import { labelsOf } from '../model/labels.ts';
import { MINUTE } from '../model/time.ts';
import type { Anomaly } from './anomaly.ts';
import { joinIncident, type RecentMoves, relatedTo } from './incident.ts';
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
