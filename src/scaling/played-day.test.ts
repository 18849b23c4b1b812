import { expect, test } from 'vitest';
import { DAY, HOUR, MINUTE, parseInstant } from '../model/time.ts';
import { openTraceForecaster } from '../workers/trace-forecaster.ts';
import { playDay } from './played-day.ts';
import { parsePolicy } from './policy.ts';

const DAY_START = parseInstant('2026-11-18');
const STEP = 5 * MINUTE;
const policy = parsePolicy({
  apiVersion: 'foresail.dev/v1alpha1',
  kind: 'ScalingPolicy',
  metadata: { name: 'web', namespace: 'shop' },
  spec: {
    target: { name: 'web' },
    demand: { query: 'rps', step: '5m', capacity: { perReplica: 10 } },
    replicas: { min: 1, max: 50 },
    safety: { minHistory: '1d' },
  },
});

function rowsOf(known: (time: number) => boolean = () => true) {
  const all = Array.from({ length: (4 * DAY) / STEP + 1 }, (_, i) => DAY_START - 3 * DAY + i * STEP).filter(known);
  const demandAt = (time: number) => 150 + 100 * Math.sin((2 * Math.PI * time) / DAY) + 5 * Math.sin(time / 977_000);
  return { times: Float64Array.from(all), values: Float64Array.from(all, demandAt) };
}

const input = (rows: ReturnType<typeof rowsOf>, of = policy) => ({
  ...{ policy: of, rows, day: DAY_START, startUpMs: 3 * MINUTE },
  autoscaler: { kind: 'unknown', message: 'there is no cluster' } as const,
});
const forecaster = (...[of, history, windowMs]: Parameters<Parameters<typeof playDay>[1]>) =>
  openTraceForecaster(of, history, windowMs);

test('playDay() plays a day with the policy and without', () => {
  const played = playDay(input(rowsOf()), forecaster);
  if (played.kind !== 'played') throw new Error(played.why);
  expect(played.peakReplicas).toBe(26);
  expect(played.foresail.minutesOver).toBeLessThanOrEqual(played.reactive.minutesOver);
  for (const { replicaHours } of [played.foresail, played.reactive]) {
    // What the demand needs when replicas are full, and what its peak would need all day.
    expect(replicaHours).toBeGreaterThan(24 * 15);
    expect(replicaHours).toBeLessThan(24 * 37);
  }
});

test.each([
  {
    name: 'a gap in the day',
    rows: rowsOf((time) => time < DAY_START + 2 * HOUR || time > DAY_START + 5 * HOUR),
    why: 'not known for 3.2 hours',
  },
  {
    name: 'a day that ends early',
    rows: rowsOf((time) => time < DAY_START + 20 * HOUR),
    why: 'not known for 4.1 hours',
  },
  { name: 'no rows', rows: rowsOf(() => false), why: 'not known for 24.0 hours' },
])('playDay() plays no day with $name', ({ rows, why }) => {
  expect(playDay(input(rows), forecaster)).toEqual({
    kind: 'not-played',
    day: DAY_START,
    why: expect.stringContaining(why),
  });
});

test('playDay() plays nothing without a capacity', () => {
  const { perReplica: _, ...demand } = policy.demands[0]!;
  const learned = { ...policy, demands: [demand] };
  expect(playDay(input(rowsOf(), learned), forecaster)).toMatchObject({ why: expect.stringContaining('nor learned') });
});
