import { describe, expect, test } from 'vitest';
import { type Anomaly, type AnomalyEnd, anomalyId, type Feedback } from '../anomaly/anomaly.ts';
import { createForecastDesk } from '../forecast/desk.ts';
import { openForecastStore } from '../forecasts/forecast-store.ts';
import { openForecasterStates } from '../forecasts/state-store.ts';
import { openAnomalyStore } from '../ledger/anomaly-store.ts';
import type { Forecast } from '../model/forecast.ts';
import { labelsOf, METRIC_NAME } from '../model/labels.ts';
import { decodeSamples } from '../model/series.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE, type Millis, SECOND } from '../model/time.ts';
import { planWindowMs } from '../observe/lead-time.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import { type KeyValue, keysUnder } from '../storage/key-value.ts';
import { recordedTelemetry } from '../testing/loop-telemetry.ts';
import { memoryKeyValue } from '../testing/memory-key-value.ts';
import { memoryTenant } from '../testing/memory-storage.ts';
import { parsedPolicy } from '../testing/policy.ts';
import { simClock } from '../testing/sim-clock.ts';
import { openForecastPool } from '../workers/forecast-pool.ts';
import { ownSeat } from '../workers/forecast-seat.ts';
import { demandLabels, lastStepBefore } from './demand-series.ts';
import { type ForecastLoopDeps, openForecastLoop } from './forecast-loop.ts';

const T0 = 20_000 * DAY;
const STEP = 5 * MINUTE;
const DEMAND = { namespace: 'shop', policy: 'web', workload: 'web', demand: 'web_rps' };
const KEY = { namespace: 'shop', policy: 'web', demand: 'web_rps' };

describe('the forecast loop', () => {
  test('records the whole history of a query, sums its series, and forecasts from the newest step', async () => {
    const world = openWorld(policyOf());
    await world.send('a', T0 - 2 * DAY, T0);
    await world.send('b', T0 - 2 * DAY, T0);
    await world.pass();
    const { times, values } = await world.recorded();
    expect(times.length).toBe((2 * DAY) / STEP);
    expect(times.at(-1)).toBe(T0 - STEP);
    expect(values.at(-1)).toBeCloseTo(2 * demandAt(T0 - STEP), 9);
    const status = await world.forecasts.latest(KEY);
    expect(status).toMatchObject({ kind: 'forecast', forecast: { issuedAt: T0 - STEP, stepMs: STEP } });
    if (status?.kind === 'forecast') {
      expect(status.forecast.point.length).toBe(12);
      expect(status.forecast.peak.windowMs).toBe(planWindowMs(policyOf()));
      expect(status.forecast.peak.quantiles.map(({ quantile }) => quantile)).toContain(0.93);
    }
  });

  test('takes each step in as it comes: recorded once, forecast anew, without a second fit', async () => {
    const world = openWorld(policyOf());
    await world.send('a', T0 - 2 * DAY, T0 + HOUR);
    await world.run(30 * MINUTE);
    const { times } = await world.recorded();
    expect(times.at(-1)).toBe(lastStepBefore(world.clock.now(), STEP));
    expect(await world.forecasts.latest(KEY)).toMatchObject({ forecast: { issuedAt: times.at(-1) } });
    expect(world.telemetry.counts.get('forecastsFitted{}')).toBe(1);
    expect(world.telemetry.complaints).toEqual([]);
  });

  test('a clock that was a day ahead and is set right stops no forecast', async () => {
    const world = openWorld(policyOf());
    await world.send('a', T0 - 2 * DAY, T0 + HOUR);
    await world.run(10 * MINUTE);
    world.clock.set(DAY);
    await world.run(10 * MINUTE);
    world.clock.set(-DAY);
    await world.run(20 * MINUTE);
    const last = lastStepBefore(world.clock.now(), STEP);
    expect(await world.forecasts.latest(KEY)).toMatchObject({ kind: 'forecast', forecast: { issuedAt: last } });
  });

  test('a gap stays a gap, and demand that stopped is not forecast for ever', async () => {
    const world = openWorld(policyOf());
    await world.send('a', T0 - 2 * DAY, T0 - DAY);
    await world.send('a', T0 - DAY + HOUR, T0 + 10 * MINUTE);
    await world.run(HOUR);
    const { times } = await world.recorded();
    const gap = [...times].filter((t) => t > T0 - DAY + 5 * MINUTE && t < T0 - DAY + HOUR);
    expect(gap).toEqual([]);
    const status = await world.forecasts.latest(KEY);
    expect(status?.kind === 'forecast' && status.forecast.issuedAt).toBeLessThan(T0 + 40 * MINUTE);
    expect(world.telemetry.counts.get('forecastsFailed{reason=stale}')).toBeGreaterThan(0);
  });

  test('another network is learnt with at the next daily fit, on the whole history, and once', async () => {
    let network = 'shipped';
    const world = openWorld(policyOf({ history: '1d' }), { networkOf: () => network });
    await world.send('a', T0 - DAY, T0 + 3 * DAY);
    const passes = async (ms: number) => {
      for (let passed = 0; passed < ms; passed += 50 * MINUTE) {
        await world.clock.advance(50 * MINUTE);
        await world.pass();
      }
    };
    await world.pass();
    network = 'v1';
    await passes(2.5 * DAY);
    expect(world.telemetry.counts.get('refits{how=cold,reason=new-network}')).toBe(1);
    expect(world.telemetry.counts.get('refits{how=incremental,reason=daily}')).toBeGreaterThan(0);
  });

  test('without data it says so, and fits once a history was imported', async () => {
    const world = openWorld(policyOf());
    await world.pass();
    expect(await world.forecasts.latest(KEY)).toMatchObject({ kind: 'none', why: { kind: 'no-data' } });
    await world.send('a', T0 - 2 * DAY, T0);
    world.loop.historyChanged(DEFAULT_TENANT);
    await world.pass();
    expect(await world.forecasts.latest(KEY)).toMatchObject({ kind: 'forecast' });
  });

  test('excluded windows are gaps to the fit, and stay in the record', async () => {
    const exclude = [{ start: new Date(T0 - DAY).toISOString(), end: new Date(T0).toISOString() }];
    const world = openWorld(policyOf({ exclude }));
    await world.send('a', T0 - 2 * DAY, T0);
    await world.pass();
    expect((await world.recorded()).times.length).toBe((2 * DAY) / STEP);
    expect(await world.forecasts.latest(KEY)).toMatchObject({ kind: 'none', why: { kind: 'stale' } });
  });

  test('another query is another revision of the series, and is fitted anew', async () => {
    const world = openWorld(policyOf());
    await world.send('a', T0 - 2 * DAY, T0);
    await world.pass();
    const before = await world.recorded();
    world.policies[0] = policyOf({ query: '3 * sum(rps)' });
    await world.pass();
    expect(await world.recorded()).not.toEqual(before);
    expect((await world.recorded()).values.at(-1)).toBeCloseTo(3 * demandAt(T0 - STEP), 9);
  });

  test('a query that fails is counted with its reason, tried again later, and stops no other policy', async () => {
    const world = openWorld(policyOf({ query: 'rps +' }));
    world.policies.push({ ...policyOf(), name: 'other' });
    await world.send('a', T0 - 2 * DAY, T0 + HOUR);
    await world.run(MINUTE);
    const failures = [...world.telemetry.counts].filter(([name]) => name.startsWith('forecastsFailed'));
    expect(failures.length).toBe(1);
    expect(failures[0]![1]).toBeGreaterThan(1);
    expect(failures[0]![1]).toBeLessThan(6);
    expect(await world.forecasts.latest({ ...KEY, policy: 'other' })).toMatchObject({ kind: 'forecast' });
  });

  test('a restart forecasts the same from what was recorded, even when the raw samples are gone', async () => {
    const world = openWorld(policyOf());
    await world.send('a', T0 - 2 * DAY, T0);
    await world.pass();
    const before = await world.forecasts.latest(KEY);
    world.policies[0] = policyOf();
    const again = openWorld(policyOf());
    const { times, values } = await world.recorded();
    const labels = demandLabels(policyOf(), policyOf().demands[0]!);
    await again.storage.backfill([{ labels, times, values }], 'demand');
    await again.pass();
    expect(await again.forecasts.latest(KEY)).toEqual(before);
  });
});

describe('a confirmed anomaly', () => {
  const since = T0 + 2 * HOUR;
  const lastAt = since + 50 * MINUTE;
  const spiky = (t: Millis) => (t >= since && t <= lastAt ? 900 : demandAt(t));
  const gappy = (t: Millis) => (t >= since && t <= lastAt ? Number.NaN : demandAt(t));

  /** A forecaster of before the spike goes on until `end`; the watch says what it finds when it finds it. */
  async function played(
    valueAt: (t: Millis) => number,
    end: Millis,
    at: readonly { readonly t: Millis; readonly act: (world: World) => Promise<unknown> }[] = [],
  ): Promise<World> {
    // Nothing of the history falls out of it meanwhile.
    const world = openWorld(policyOf({ history: '4d' }));
    await world.send('a', T0 - 2 * DAY, end + HOUR, valueAt);
    await stepped(world, end, at);
    return world;
  }

  async function stepped(world: World, end: Millis, at: Parameters<typeof played>[2] = []): Promise<void> {
    for (;;) {
      await world.pass();
      await world.pass();
      const now = world.clock.now();
      for (const { t, act } of at) if (t > now - STEP && t <= now) await act(world);
      if (now >= end) break;
      await world.clock.advance(Math.min(STEP, end - now));
    }
    await world.pass();
    await world.pass();
  }

  const begins = { t: since + 2 * STEP, act: (world: World) => world.found(since, since + STEP) };
  const ends = { t: lastAt + 6 * STEP, act: (world: World) => world.found(since, lastAt, 'quiet') };

  test('does not teach live forecasts from when it is confirmed, and leaves no trace once it is over', async () => {
    const during = since + 40 * MINUTE;
    const [spike, gap, ordinary, taught] = await Promise.all([
      played(spiky, during, [begins]),
      played(gappy, during),
      played(demandAt, during),
      played(spiky, during),
    ]);
    const of = await spike.latest();
    expect(of.issuedAt).toBe(lastStepBefore(during, STEP));
    expectNear(of.point, (await ordinary.latest()).point, 0.02);
    expect(Math.max(...(await taught.latest()).point)).toBeGreaterThan(2 * Math.max(...of.point));

    const after = lastAt + 3 * HOUR;
    await Promise.all([stepped(spike, after, [ends]), stepped(gap, after)]);
    expectSame(await spike.latest(), await gap.latest());
    expect(spike.telemetry.counts.get('forecastsFitted{}')).toBe(1);
    expect(spike.telemetry.counts.get('refits{how=restored,reason=anomaly}')).toBe(2);
  });

  test('that somebody calls normal is taught after all', async () => {
    const end = lastAt + 2 * HOUR;
    const calledNormal = {
      t: lastAt + HOUR,
      act: (world: World) => world.said(anomalyOf(since, lastAt, 'quiet').id, 'normal'),
    };
    const [spike, taught] = await Promise.all([played(spiky, end, [begins, ends, calledNormal]), played(spiky, end)]);
    expectSame(await spike.latest(), await taught.latest());
  });

  test('of a day before is left out of a fit, and in it once it is called normal', async () => {
    const from = T0 + DAY;
    const fitted = async (valueAt: (t: Millis) => number, verdict?: Feedback['verdict'] | 'none') => {
      const world = openWorld(policyOf(), { from });
      await world.send('a', T0 - DAY, from, valueAt);
      if (verdict !== 'none') {
        const id = await world.found(since, lastAt, 'quiet');
        if (verdict !== undefined) await world.said(id, verdict);
      }
      await world.pass();
      return await world.latest();
    };
    const [left, gap, normal, whole] = await Promise.all([
      fitted(spiky),
      fitted(gappy, 'none'),
      fitted(spiky, 'normal'),
      fitted(spiky, 'none'),
    ]);
    expect(left).toEqual(gap);
    expect(normal).toEqual(whole);
    expect(Math.max(...normal.point)).not.toBeCloseTo(Math.max(...left.point), 3);
  });

  test('of the newest steps is left out of a fit as well', async () => {
    const from = lastAt + 3 * STEP;
    const [spike, gap] = await Promise.all(
      [spiky, gappy].map(async (valueAt) => {
        const world = openWorld(policyOf(), { from });
        await world.send('a', T0 - 2 * DAY, from, valueAt);
        await world.found(since, lastAt, 'quiet');
        await world.pass();
        return await world.latest();
      }),
    );
    expect(spike).toEqual(gap);
  });

  test.each([
    { name: 'killed', stop: async () => {}, counted: 'refits{how=restored,reason=start}' },
    {
      name: 'ended',
      counted: 'statesDiscarded{reason=other-anomalies}',
      async stop(world: World) {
        const stop = new AbortController();
        stop.abort();
        await world.loop.run(stop.signal);
      },
    },
  ])('is left out as well where the program was $name before it was confirmed', async ({ stop, counted }) => {
    const before = await played(spiky, since + 2 * STEP);
    await stop(before);
    const { keyValue } = before;
    const from = since + 3 * STEP;
    const [again, ordinary] = [
      openWorld(policyOf({ history: '4d' }), { keyValue, from }),
      openWorld(policyOf({ history: '4d' }), { from }),
    ];
    await again.send('a', T0 - 2 * DAY, since + HOUR, spiky);
    await ordinary.send('a', T0 - 2 * DAY, since + HOUR);
    await again.found(since, since + STEP);
    await Promise.all([stepped(again, since + 40 * MINUTE), stepped(ordinary, since + 40 * MINUTE)]);
    expectNear((await again.latest()).point, (await ordinary.latest()).point, 0.02);
    expect(again.telemetry.counts.get(counted)).toBe(1);
  });

  test('that stays is another level, which is learned after three hours, live and by a fit', async () => {
    const shifted = (t: Millis) => (t >= since ? 3 : 1) * demandAt(t);
    const at = since + 5 * HOUR;
    const live = await played(shifted, at, [begins]);
    expect((await live.latest()).point[11]).toBeGreaterThan(2.4 * demandAt(at));
    const anew = openWorld(policyOf(), { from: at });
    await anew.send('a', T0 - 2 * DAY, at, shifted);
    await anew.found(since, since + STEP);
    await anew.pass();
    expect((await anew.latest()).point[11]).toBeGreaterThan(2.4 * demandAt(at));
  });
});

const FAULTS: {
  name: string;
  valueAt: (t: number) => number;
  query?: string;
}[] = [
  { name: 'NaN now and then', valueAt: (t) => (minuteOf(t) % 7 === 3 ? Number.NaN : demandAt(t)) },
  { name: 'infinities', valueAt: (t) => (minuteOf(t) % 60 === 30 ? Infinity : demandAt(t)) },
  { name: 'two hours of NaN', valueAt: (t) => (t > T0 - 5 * HOUR && t < T0 - 3 * HOUR ? Number.NaN : demandAt(t)) },
  { name: 'spikes of a million', valueAt: (t) => (minuteOf(t) % 480 === 30 ? 1e6 : demandAt(t)) },
  {
    name: 'a counter that is reset every three hours',
    query: 'sum(rate(rps[10m]))',
    valueAt: (t) => countedUntil(t) - countedUntil(Math.floor(t / (3 * HOUR)) * 3 * HOUR),
  },
];

describe('a demand that has', () => {
  test.each(
    FAULTS,
  )('$name is forecast all the same: never negative, never wild, live and after a fit', async (fault) => {
    const { query = 'rps', valueAt } = fault;
    const world = openWorld(policyOf({ query }));
    await world.send('a', T0 - 2 * DAY, T0 + HOUR, valueAt);
    await world.run(45 * MINUTE);
    const { times, values } = await world.recorded();
    expect(values.every((value) => Number.isFinite(value) && value >= 0)).toBe(true);
    expect(times.every((t, i) => t % STEP === 0 && (i === 0 || t > times[i - 1]!))).toBe(true);
    const status = await world.forecasts.latest(KEY);
    expect(status).toMatchObject({ kind: 'forecast', forecast: { issuedAt: lastStepBefore(world.clock.now(), STEP) } });
    if (status?.kind !== 'forecast') return;
    const { point, issuedAt } = status.forecast;
    const errors = point.map((value, i) => Math.abs(value - demandAt(issuedAt + (i + 1) * STEP)));
    expect(Math.max(...errors)).toBeLessThan(30);
  });

  test('gaps of days has its shape from before them', async () => {
    const world = openWorld(policyOf({ history: '8d' }));
    await world.send('a', T0 - 8 * DAY, T0 - 5 * DAY);
    await world.send('a', T0 - 2 * DAY, T0);
    await world.pass();
    const { times } = await world.recorded();
    expect(times.filter((t) => t > T0 - 5 * DAY + STEP && t < T0 - 2 * DAY)).toHaveLength(0);
    const status = await world.forecasts.latest(KEY);
    expect(status?.kind === 'forecast' && status.forecast.point[11]).toBeCloseTo(demandAt(T0 + 11 * STEP), -1);
  });

  test('samples that are sent twice is recorded and forecast as if they were sent once', async () => {
    const once = openWorld(policyOf());
    await once.send('a', T0 - 2 * DAY, T0);
    await once.pass();
    const twice = openWorld(policyOf());
    await twice.send('a', T0 - 2 * DAY, T0 - HOUR);
    await twice.send('a', T0 - DAY, T0);
    await twice.send('a', T0 - 2 * DAY, T0);
    await twice.pass();
    expect(await twice.recorded()).toEqual(await once.recorded());
    expect(await twice.forecasts.latest(KEY)).toEqual(await once.forecasts.latest(KEY));
  });
});

test.each([
  { name: 'by another version of the store', damage: (bytes: Uint8Array) => bytes.with(0, 99), reason: 'unreadable' },
  { name: 'with a header that is none', damage: (bytes: Uint8Array) => bytes.with(5, 0), reason: 'unreadable' },
  { name: 'and cut short since', damage: (bytes: Uint8Array) => bytes.slice(0, -9), reason: 'unusable' },
  { name: 'and emptied since', damage: () => new Uint8Array(0), reason: 'unreadable' },
])('a forecaster that was saved $name is discarded, counted, and fitted anew', async ({ damage, reason }) => {
  const world = openWorld(policyOf());
  await world.send('a', T0 - 2 * DAY, T0);
  await world.pass();
  const before = await world.forecasts.latest(KEY);
  const again = openWorld(policyOf());
  for await (const [key, value] of world.keyValue.list(keysUnder('forecaster-state/'))) {
    await again.keyValue.write([{ key, value: damage(value) }]);
  }
  await again.send('a', T0 - 2 * DAY, T0);
  await again.pass();
  expect(again.telemetry.counts.get(`statesDiscarded{reason=${reason}}`)).toBe(1);
  expect(again.telemetry.counts.get('refits{how=cold,reason=start}')).toBe(1);
  expect(await again.forecasts.latest(KEY)).toEqual(before);
});

type World = ReturnType<typeof openWorld>;

/** As a forecaster that was restored forecasts. */
function expectSame(a: Forecast, b: Forecast): void {
  expect(a.issuedAt).toBe(b.issuedAt);
  expectNear(a.point, b.point, 1e-4);
  expectNear(
    a.peak.quantiles.map(({ value }) => value),
    b.peak.quantiles.map(({ value }) => value),
    1e-4,
  );
}

function expectNear(a: ArrayLike<number>, b: ArrayLike<number>, share: number): void {
  for (let i = 0; i < b.length; i++) expect(Math.abs(a[i]! - b[i]!)).toBeLessThanOrEqual(share * Math.abs(b[i]!));
}

function openWorld(
  policy: ScalingPolicy,
  more: Pick<ForecastLoopDeps, 'networkOf'> & { readonly keyValue?: KeyValue; readonly from?: Millis } = {},
) {
  const clock = simClock(more.from ?? T0 - 1);
  const telemetry = recordedTelemetry();
  const storage = memoryTenant();
  const { keyValue = memoryKeyValue(), networkOf } = more;
  const anomalies = openAnomalyStore(keyValue).tenant(DEFAULT_TENANT);
  const forecasts = openForecastStore(keyValue).tenant(DEFAULT_TENANT);
  const seat = ownSeat(createForecastDesk);
  const quiet = { onEnd: () => {}, onSetAside: () => {}, onFallback: () => {} };
  const forecasters = openForecastPool({ seats: [seat], fallback: seat, clock, ...quiet });
  const policies = [policy];
  const loop = openForecastLoop({
    clock,
    telemetry,
    policies: async () => policies.map((each) => ({ tenant: DEFAULT_TENANT, policy: each })),
    storageOf: () => storage,
    forecastsOf: () => forecasts,
    statesOf: openForecasterStates(keyValue).tenant,
    forecasters,
    anomaliesOf: (_, range) => anomalies.confirmed(DEMAND, range),
    ...(networkOf && { networkOf }),
  });
  return {
    ...{ clock, telemetry, storage, keyValue, forecasts, anomalies, policies, loop },
    /** What the watch says of the demand: [since, lastAt] is striking, and it is over where it says why. */
    async found(since: Millis, lastAt: Millis, end?: AnomalyEnd): Promise<string> {
      const found = anomalyOf(since, lastAt, end);
      await anomalies.put([found]);
      loop.anomaliesChanged(DEFAULT_TENANT, DEMAND);
      return found.id;
    },
    async said(id: string, verdict: Feedback['verdict']) {
      await anomalies.say(id, { verdict, who: 'ada', at: clock.now(), note: '' });
      loop.anomaliesChanged(DEFAULT_TENANT, DEMAND);
    },
    async latest(): Promise<Forecast> {
      const status = await forecasts.latest(KEY);
      if (status?.kind !== 'forecast') throw new Error('there is no forecast');
      return status.forecast;
    },
    pass: () => loop.pass(new AbortController().signal),
    async run(ms: number) {
      const stop = new AbortController();
      const running = loop.run(stop.signal);
      for (let passed = 0; passed < ms; passed += 15 * SECOND) await clock.advance(15 * SECOND);
      stop.abort();
      await running;
    },
    /** One series of the demand, a sample a minute in [start, end). */
    async send(instance: string, start: number, end: number, valueAt = demandAt) {
      const times = Float64Array.from({ length: (end - start) / MINUTE }, (_, i) => start + i * MINUTE);
      const labels = labelsOf({ [METRIC_NAME]: 'rps', instance });
      await storage.backfill([{ labels, times, values: times.map(valueAt) }]);
    },
    async recorded() {
      const labels = demandLabels(policies[0]!, policies[0]!.demands[0]!);
      const matchers = labels.map(([name, value]) => ({ name, op: '=' as const, value }));
      const range = { start: 0, end: T0 + DAY };
      const [series] = await storage.select(matchers, range);
      return decodeSamples(series?.chunks ?? [], range);
    },
  };
}

function anomalyOf(since: Millis, lastAt: Millis, end: AnomalyEnd | undefined): Anomaly {
  const peak = { at: since, value: 900, expected: 100, lower: 90, upper: 110, score: 0.95 };
  return {
    ...{
      id: anomalyId('web_rps', '', since),
      watch: 'web_rps',
      labels: [],
      demand: DEMAND,
      stepMs: STEP,
      since,
      lastAt,
    },
    ...{ severity: 'incident', confirmed: true, peak: { ...peak, direction: 'up', part: 'jump' }, end, incident: '' },
    ...{ endedAt: end && lastAt + 5 * STEP, feedback: undefined },
  };
}

function demandAt(t: number): number {
  return 100 + 50 * Math.sin((2 * Math.PI * t) / DAY);
}

/** The integral of the demand, which is by the second. */
function countedUntil(t: number): number {
  return ((t % (100 * DAY)) * 100 - (50 * DAY * Math.cos((2 * Math.PI * t) / DAY)) / (2 * Math.PI)) / SECOND;
}

function minuteOf(t: number): number {
  return Math.floor(t / MINUTE);
}

function policyOf({ query = 'rps', history = '2d', exclude = [] as object[] } = {}): ScalingPolicy {
  return parsedPolicy('web', {
    target: { name: 'web' },
    demand: { name: 'web_rps', query, step: '5m', history, capacity: { perReplica: 10 } },
    leadTime: '10m',
    replicas: { min: 1, max: 50 },
    forecast: { quantile: 0.93, horizon: '1h', exclude },
  });
}
