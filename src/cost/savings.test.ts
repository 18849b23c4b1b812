import { expect, test } from 'vitest';
import { DAY, HOUR, parseInstant } from '../model/time.ts';
import { policySavings, type SimulatedDay, totalSavings } from './savings.ts';
import type { SpendHour } from './spend.ts';

const START = parseInstant('2026-11-16');
const day = (i: number, foresail: number, reactive: number, peakReplicas: number): SimulatedDay => ({
  kind: 'played',
  day: START + i * DAY,
  foresail: { replicaHours: foresail, minutesOver: 1 },
  reactive: { replicaHours: reactive, minutesOver: 20 },
  peakReplicas,
});
const ran = (i: number, hours: number): SpendHour[] =>
  Array.from({ length: hours }, (_, hour) => ({
    hour: START + i * DAY + hour * HOUR,
    ...{ namespace: 'shop', workload: 'web', policy: 'web', region: '', labels: {}, replicaHours: 5, cost: 0.5 },
    ...{ estimated: 0, idle: undefined, plan: 'on-demand' },
  }));
const WEB = { namespace: 'shop', policy: 'web', target: 'web', mode: 'enforce', pending: 0 } as const;

test('policySavings() compares with reactive and with the highest demand of all days, in hours and money', () => {
  const days = [day(0, 100, 90, 6), day(1, 110, 130, 9)];
  const savings = policySavings({ ...WEB, days, spend: [...ran(0, 24), ...ran(5, 24)] });
  expect(savings).toMatchObject({
    days: 2,
    pricePerReplicaHour: 0.1,
    foresail: { replicaHours: 210, minutesOver: 2, cost: 21 },
    reactive: { replicaHours: 220, minutesOver: 40, cost: 22 },
    staticPeak: { replicas: 9, replicaHours: 432, minutesOver: 0, cost: 43.2 },
    saved: {
      reactive: { replicaHours: 10, cost: 1, ratio: 10 / 220 },
      staticPeak: { replicaHours: 222, cost: 22.2, ratio: 222 / 432 },
    },
    // What ran on days that were not played does not count.
    ran: { replicaHours: 120, hours: 24 },
  });
});

test('policySavings() says where Foresail takes more, where there is no price, and which days are missing', () => {
  const unplayed = (i: number): SimulatedDay => ({ kind: 'not-played', day: START + i * DAY, why: 'no demand' });
  const savings = policySavings({ ...WEB, days: [day(0, 100, 80, 4), unplayed(1), unplayed(2)], spend: [] });
  expect(savings).toMatchObject({
    saved: { reactive: { replicaHours: -20, cost: null, ratio: -0.25 } },
    skipped: [{ why: 'no demand', days: 2 }],
    pricePerReplicaHour: null,
    ran: null,
  });
});

test('policySavings() takes what ran under the name of the target where no policy is named, and no other policy', () => {
  const unnamed = ran(0, 24).map((entry) => ({ ...entry, policy: undefined }));
  const others = ran(0, 24).map((entry) => ({ ...entry, policy: 'other' }));
  const savings = policySavings({ ...WEB, policy: 'of-web', days: [day(0, 1, 1, 1)], spend: [...unnamed, ...others] });
  expect(savings.ran).toEqual({ replicaHours: 120, hours: 24 });
});

test('totalSavings() adds up what is known, and counts what has no price', () => {
  const dear = policySavings({ ...WEB, days: [day(0, 100, 90, 6)], spend: ran(0, 24) });
  const free = policySavings({ ...WEB, policy: 'api', target: 'api', days: [day(0, 10, 20, 2)], spend: [] });
  const none = policySavings({ ...WEB, policy: 'new', target: 'new', days: [], spend: [] });
  expect(totalSavings([dear, free, none])).toMatchObject({
    policies: 2,
    unpriced: 1,
    saved: { reactive: { replicaHours: 0, cost: -1, ratio: 0 }, staticPeak: { replicaHours: 82, cost: 4.4 } },
  });
  expect(totalSavings([none]).saved.reactive).toEqual({ replicaHours: 0, cost: null, ratio: null });
});
