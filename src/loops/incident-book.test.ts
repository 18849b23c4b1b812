import { expect, test } from 'vitest';
import { ALARM_DEFAULTS } from '../anomaly/alarm.ts';
import type { Anomaly } from '../anomaly/anomaly.ts';
import { labelsOf } from '../model/labels.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { HOUR, MINUTE, type Millis } from '../model/time.ts';
import { openIncidentBook } from './incident-book.ts';
import type { Watch } from './watch.ts';

const NOW = Date.UTC(2026, 5, 1);

const watch: Watch = {
  ...{ tenant: DEFAULT_TENANT, key: 'query/orders', name: 'orders', query: 'orders', stepMs: MINUTE },
  ...{ historyMs: HOUR, labels: [], group: [], peers: false, timeZone: 'UTC', maxSeries: 100 },
  ...{ alarm: ALARM_DEFAULTS, demand: undefined },
};

function anomaly(id: string, since: Millis, endedAt?: Millis): Anomaly {
  const peak = { at: since, value: 9, expected: 1, lower: 0, upper: 2, score: 0.7 };
  return {
    ...{ id, watch: 'orders', labels: labelsOf({ app: id }), demand: undefined, stepMs: MINUTE, since },
    ...{ peak: { ...peak, direction: 'up', part: 'jump' }, severity: 'alert', confirmed: false, lastAt: since },
    ...{ endedAt, end: endedAt === undefined ? undefined : 'quiet', incident: '', feedback: undefined },
  };
}

test('an incident that ended is not told of beside the next one of its group, which has the same labels', async () => {
  const book = openIncidentBook({
    ...{ read: async () => [], write: async () => {}, workloadOf: () => undefined, watchersOf: () => [] },
    externalUrl: 'http://here',
  });
  await book.take(DEFAULT_TENANT, watch, [anomaly('a', NOW - 20 * MINUTE, NOW - 2 * MINUTE)]);
  expect((await book.alerts(DEFAULT_TENANT, NOW)).map(({ endsAt }) => endsAt)).toEqual([NOW - 2 * MINUTE]);
  // It was missing since before the other one ended.
  await book.take(DEFAULT_TENANT, watch, [anomaly('b', NOW - 5 * MINUTE)]);
  expect((await book.alerts(DEFAULT_TENANT, NOW)).map(({ endsAt }) => endsAt)).toEqual([undefined]);
  await book.take(DEFAULT_TENANT, watch, [anomaly('b', NOW - 5 * MINUTE, NOW + MINUTE)]);
  expect((await book.alerts(DEFAULT_TENANT, NOW + MINUTE)).at(-1)).toMatchObject({ endsAt: NOW + MINUTE });
});
