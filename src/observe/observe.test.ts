import { describe, expect, test } from 'vitest';
import type { Forecast, NoForecast } from '../model/forecast.ts';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import { fakeCluster } from '../testing/fake-cluster.ts';
import { parsedPolicy } from '../testing/policy.ts';
import { leadTimeOf, planWindowMs } from './lead-time.ts';
import { forecastReading, type ObserveDeps, observe, targetReading } from './observe.ts';
import { sumAt, sumOver } from './sum.ts';

const T0 = 20_000 * DAY;

describe('targetReading()', () => {
  const ownership = {
    policy: 'shop/web',
    original: { min: 2, max: 20 },
    takenFrom: ['kubectl'],
    written: { min: 8, max: 20 },
    setBackAt: [],
    givenUp: null,
  };

  test.each([
    { name: 'never touched: what it has is the original', min: 2, max: 20, owned: null, want: { min: 2, max: 20 } },
    { name: 'as we wrote it: the kept original', min: 8, max: 20, owned: ownership, want: { min: 2, max: 20 } },
    { name: 'minimum set by its owner', min: 3, max: 20, owned: ownership, want: { min: 3, max: 20 } },
    { name: 'maximum set by its owner', min: 8, max: 30, owned: ownership, want: { min: 2, max: 30 } },
  ])('$name', ({ min, max, owned, want }) => {
    const state = { ...fakeCluster('shop', ['web']).state('web'), min, max, ownership: owned };
    expect(targetReading(state, { lettingGo: false })).toMatchObject({ min, max, original: want });
  });

  test('what another manager holds at our very value is its own, for who lets go', () => {
    const state = { ...fakeCluster('shop', ['web']).state('web'), min: 8, max: 20, ownership };
    const shared = { ...state, minManagers: ['foresail', 'helm'] };
    expect(targetReading(shared, { lettingGo: true }).original.min).toBe(8);
    const ours = { ...state, minManagers: ['foresail'] };
    expect(targetReading(ours, { lettingGo: true }).original.min).toBe(2);
  });
});

describe('forecastReading()', () => {
  const policy = policyOf({ quantile: 0.9 });

  test.each([
    { name: 'nothing yet', why: undefined, want: { kind: 'none', message: 'no forecast was made yet' } },
    { name: 'no data', why: { kind: 'no-data' }, want: { kind: 'none', message: 'the demand has no samples' } },
    {
      name: 'stale',
      why: { kind: 'stale', lastSampleAt: T0 },
      want: { kind: 'none', message: 'the demand has had no samples since 2024-10-04T00:00:00Z' },
    },
    {
      name: 'too little history: the policy may need more than the fit',
      why: { kind: 'insufficient-history', haveMs: HOUR, needMs: 2 * HOUR },
      want: { kind: 'insufficient-history', haveMs: HOUR, needMs: 2 * DAY },
    },
  ])('$name', ({ why, want }) => {
    const status = why && { kind: 'none' as const, at: T0, why: why as NoForecast };
    expect(forecastReading(status, policy)).toEqual(want);
  });

  test.each([
    { name: 'the quantile of the policy', quantile: 0.9, want: { quantile: 0.9, peak: 90 } },
    { name: 'the next higher one that was forecast', quantile: 0.92, want: { quantile: 0.95, peak: 95 } },
    { name: 'the highest where none is higher', quantile: 0.99, want: { quantile: 0.975, peak: null } },
  ])('takes $name', ({ quantile, want }) => {
    const forecast = forecastOf([
      { quantile: 0.9, value: 90 },
      { quantile: 0.95, value: 95 },
      { quantile: 0.975, value: Number.NaN },
    ]);
    expect(forecastReading({ kind: 'forecast', forecast }, policyOf({ quantile }))).toMatchObject({
      ...want,
      kind: 'ready',
      coverage: null,
    });
  });

  test('reads the error of the peak, and that of the steps only while the peak’s is not known', () => {
    const forecast = forecastOf([{ quantile: 0.95, value: 95 }]);
    const errorOf = (accuracy: Forecast['accuracy']) =>
      forecastReading({ kind: 'forecast', forecast: { ...forecast, accuracy } }, policy);
    expect(errorOf(forecast.accuracy)).toMatchObject({ maeVsLast: 0.7 });
    expect(errorOf({ ...forecast.accuracy, peakVsNaive: Number.NaN })).toMatchObject({ maeVsLast: 0.5 });
  });
});

describe('observe()', () => {
  const deps = (instant: ObserveDeps['instant']): ObserveDeps => ({
    instant,
    latestForecast: async () => undefined,
    readTarget: fakeCluster('shop', ['web']).read,
    memoryOf: async () => ({ recent: [] }),
  });

  test('reads everything into one plain value', async () => {
    const sample = (value: number) => ({ labels: [], time: T0, value });
    const seen = await observe(
      policyOf({}),
      T0,
      deps(async () => ({
        value: { kind: 'vector', samples: [sample(3), sample(4), sample(Number.NaN)] },
        warnings: [],
        infos: [],
      })),
    );
    expect(seen).toMatchObject({
      kind: 'observed',
      problems: [],
      input: {
        now: T0,
        demands: [{ name: 'rps', current: { time: T0, value: 7 }, forecast: { kind: 'none' } }],
        target: { min: 2, max: 50, specReplicas: 2 },
        leadTime: { ms: 3 * MINUTE, source: 'assumed' },
        refreshMs: MINUTE,
      },
    });
    if (seen.kind === 'observed') expect(JSON.parse(JSON.stringify(seen.input))).toEqual(seen.input);
  });

  test('a demand that cannot be asked is a demand without a value, and a problem that is told', async () => {
    const failing = deps(async () => {
      throw new Error('too many samples');
    });
    expect(await observe(policyOf({}), T0, failing)).toMatchObject({
      input: { demands: [{ current: { value: null } }] },
      problems: ['cannot ask for the demand rps: too many samples'],
    });
  });
});

test.each([
  { leadTime: '90s', learned: 5 * MINUTE, want: { ms: 90_000, source: 'given' } },
  { leadTime: 'auto', learned: 5 * MINUTE, want: { ms: 5 * MINUTE, source: 'learned' } },
  { leadTime: 'auto', learned: undefined, want: { ms: 3 * MINUTE, source: 'assumed' } },
])('leadTimeOf() is $want.source for $leadTime', ({ leadTime, learned, want }) => {
  const policy = policyOf({ leadTime });
  expect(leadTimeOf(policy, learned)).toEqual(want);
  // A refresh, a sample that is a step old, and the minute in which the default ramp doubles a floor.
  expect(planWindowMs(policy)).toBe(leadTimeOf(policy).ms + 3 * MINUTE);
});

test('sumOver() sums series step by step and leaves gaps', () => {
  const series = (times: number[], values: number[]) => ({
    labels: [],
    times: Float64Array.from(times),
    values: Float64Array.from(values),
  });
  const value = { kind: 'matrix' as const, series: [series([0, 20], [1, 3]), series([0, 30], [10, Number.NaN])] };
  expect(sumOver(value, { start: 0, end: 30 }, 10).values).toEqual(Float64Array.of(11, Number.NaN, 3, Number.NaN));
});

test.each([
  { name: 'a scalar', value: { kind: 'scalar' as const, time: 0, value: 5 }, want: 5 },
  { name: 'an empty vector', value: { kind: 'vector' as const, samples: [] }, want: Number.NaN },
  { name: 'a text', value: { kind: 'string' as const, time: 0, value: '5' }, want: Number.NaN },
])('sumAt() of $name is $want', ({ value, want }) => {
  expect(sumAt(value)).toBe(want);
});

function policyOf({ quantile = 0.95, leadTime = 'auto' }): ScalingPolicy {
  return parsedPolicy('web', {
    target: { name: 'web' },
    demand: { name: 'rps', query: 'rps', capacity: { perReplica: 10 } },
    replicas: { min: 1, max: 50 },
    leadTime,
    forecast: { quantile },
  });
}

function forecastOf(quantiles: Forecast['peak']['quantiles']): Forecast {
  return {
    issuedAt: T0,
    stepMs: MINUTE,
    point: Float64Array.of(1),
    quantiles: [],
    peak: { windowMs: 4 * MINUTE, quantiles },
    model: 'last',
    seasons: [],
    accuracy: { mae: 1, maeVsLast: 0.5, coverage: Number.NaN, origins: 10, peakVsNaive: 0.7, peakCoverage: Number.NaN },
    historyMs: DAY,
  };
}
