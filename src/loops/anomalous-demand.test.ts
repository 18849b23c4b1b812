import { describe, expect, test } from 'vitest';
import { ALARM_DEFAULTS } from '../anomaly/alarm.ts';
import { createForecastDesk } from '../forecast/desk.ts';
import { openForecastStore } from '../forecasts/forecast-store.ts';
import { openForecasterStates } from '../forecasts/state-store.ts';
import { openAnomalyStore } from '../ledger/anomaly-store.ts';
import { openLedger } from '../ledger/ledger.ts';
import { labelsOf, METRIC_NAME } from '../model/labels.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE, type Millis } from '../model/time.ts';
import { fakeCluster } from '../testing/fake-cluster.ts';
import { recordedTelemetry } from '../testing/loop-telemetry.ts';
import { memoryKeyValue } from '../testing/memory-key-value.ts';
import { memoryTenant } from '../testing/memory-storage.ts';
import { parsedPolicy } from '../testing/policy.ts';
import { simClock } from '../testing/sim-clock.ts';
import { openForecastPool } from '../workers/forecast-pool.ts';
import { ownSeat } from '../workers/forecast-seat.ts';
import { decisionText } from './decision-text.ts';
import { evaluateDemand } from './demand-series.ts';
import { openForecastLoop } from './forecast-loop.ts';
import { openScaleLoop } from './scale-loop.ts';
import { openWatchLoop } from './watch-loop.ts';

/** The watch, the forecasts and the scaler together, on one store and a clock of their own. */

const T0 = 20_000 * DAY;
const STEP = 5 * MINUTE;
const PER_REPLICA = 10;
const SINCE = T0 + 6 * HOUR;
const LASTS_MS = 2 * HOUR;
const KEY = { namespace: 'shop', policy: 'web', demand: 'rps' };

const usual = (t: Millis) => (200 + 50 * Math.sin((2 * Math.PI * t) / DAY)) * (1 + 0.03 * noise(t));
const rush = (factor: number) => (t: Millis) => usual(t) * (t >= SINCE && t < SINCE + LASTS_MS ? factor : 1);

describe('while an anomaly goes on that the forecast is not taught', () => {
  test('the floor carries the demand of the moment, and nothing of it is left afterwards', async () => {
    const { runUntil, anomalies, latest, floor, log } = await openWorld(rush(4));
    await runUntil(SINCE + LASTS_MS - STEP);
    const [anomaly, ...others] = await anomalies();
    expect([anomaly?.confirmed, anomaly?.end, others.length]).toEqual([true, undefined, 0]);
    // What is forecast is what it is on any other day.
    const { point } = await latest();
    expect(Math.max(...point)).toBeLessThan(1.4 * Math.max(...point.map((_, i) => usual(SINCE + LASTS_MS + i * STEP))));
    for (const { at, demand, floor: held } of log) {
      if (at > SINCE + 2 * STEP) expect(held, new Date(at).toISOString()).toBeGreaterThanOrEqual(demand / PER_REPLICA);
    }
    await runUntil(SINCE + LASTS_MS + 2 * HOUR);
    expect(await anomalies()).toMatchObject([{ confirmed: true, end: 'quiet' }]);
    expect(floor()).toBeLessThan(40);
  });

  test('an outage does not take the floor away that its end needs', async () => {
    const { runUntil, anomalies, floor } = await openWorld(rush(0.02));
    await runUntil(SINCE + LASTS_MS - STEP);
    const [anomaly, ...others] = await anomalies();
    expect([anomaly?.confirmed, anomaly?.end, others.length]).toEqual([true, undefined, 0]);
    expect(floor()).toBeGreaterThanOrEqual(usual(SINCE + LASTS_MS) / PER_REPLICA);
  });
});

async function openWorld(valueAt: (t: Millis) => number) {
  const clock = simClock(T0);
  const telemetry = recordedTelemetry();
  const storage = memoryTenant();
  const keyValue = memoryKeyValue();
  const forecasts = openForecastStore(keyValue).tenant(DEFAULT_TENANT);
  const store = openAnomalyStore(keyValue);
  const tenant = store.tenant(DEFAULT_TENANT);
  const ledger = openLedger(keyValue, decisionText).tenant(DEFAULT_TENANT);
  const cluster = fakeCluster('shop', ['web'], { min: 2, max: 500 });
  const seat = ownSeat(createForecastDesk);
  const quiet = { onEnd: () => {}, onSetAside: () => {}, onFallback: () => {} };
  const policy = parsedPolicy('web', {
    mode: 'enforce',
    target: { name: 'web' },
    demand: { name: 'rps', query: 'load', step: '5m', history: '7d', capacity: { perReplica: PER_REPLICA } },
    leadTime: '10m',
    replicas: { min: 2, max: 500 },
    ramp: { maxUpPerMinute: '500%', maxDownPerMinute: '20%', holdDown: '10m' },
    forecast: { horizon: '1h' },
  });
  const policies = [{ tenant: DEFAULT_TENANT, policy }];
  const [spec] = policy.demands;

  const forecastLoop = openForecastLoop({
    ...{ clock, telemetry, policies: async () => policies, storageOf: () => storage, forecastsOf: () => forecasts },
    statesOf: openForecasterStates(keyValue).tenant,
    forecasters: openForecastPool({ seats: [seat], fallback: seat, clock, ...quiet }),
    anomaliesOf: (_, range) => tenant.confirmed({ ...KEY, workload: 'web' }, range),
  });
  const watch = {
    ...{ tenant: DEFAULT_TENANT, key: 'demand/shop/web/rps', name: 'rps', query: 'load', stepMs: STEP },
    ...{ historyMs: 7 * DAY, labels: [], group: [], peers: false, timeZone: 'UTC', maxSeries: 1 },
    ...{ alarm: ALARM_DEFAULTS, demand: { policy, spec: spec! } },
  };
  const watchLoop = openWatchLoop({
    ...{ clock, telemetry, externalUrl: 'http://here', workloadOf: () => undefined },
    onConfirmed: forecastLoop.anomaliesChanged,
    watches: async () => [watch],
    async evaluate(_, range, signal) {
      const { start, stepMs, values } = await evaluateDemand(storage, spec!, range, signal);
      return [{ labels: labelsOf({ workload: 'web' }), times: values.map((_value, i) => start + i * stepMs), values }];
    },
    async contextOf(_, { start, end }) {
      const issued = await forecasts.issues(KEY, { start: start - 3 * STEP, end: end - 1 });
      return {
        localOffsetMs: () => 0,
        isMuted: () => false,
        forecastAt(time) {
          const said = issued.findLast(({ issuedAt }) => issuedAt < time);
          const i = said === undefined ? 0 : Math.round((time - said.issuedAt) / STEP) - 1;
          const at = (quantile: number) => said?.quantiles.find((path) => path.quantile === quantile)?.values[i];
          const [expected, lower, upper] = [said?.point[i], at(0.025), at(0.975)];
          return expected === undefined ? undefined : { expected, lower: lower!, upper: upper! };
        },
      };
    },
    anomaliesOf: store.tenant,
    tenants: store.tenants,
    append: async () => {},
    tell: async () => {},
  });
  const scaleLoop = openScaleLoop({
    ...{ clock, telemetry, cluster, tenantOf: () => DEFAULT_TENANT },
    policies: async () => ({ policies, unreadable: [] }),
    storageOf: () => storage,
    forecastsOf: () => forecasts,
    ledgerOf: () => ledger,
  });

  const times = Float64Array.from({ length: (8 * DAY) / MINUTE }, (_, i) => T0 - 7 * DAY + i * MINUTE);
  await storage.backfill([{ labels: labelsOf({ [METRIC_NAME]: 'load' }), times, values: times.map(valueAt) }]);
  const { signal } = new AbortController();
  const log: { readonly at: Millis; readonly demand: number; readonly floor: number }[] = [];
  const floor = () => cluster.state('web').min;
  return {
    ...{ floor, log },
    async runUntil(end: Millis) {
      while (clock.now() < end) {
        await clock.advance(MINUTE);
        // Who is first is nobody's promise: here the forecast takes each step in before the watch has judged it.
        await forecastLoop.pass(signal);
        await watchLoop.pass(signal);
        await scaleLoop.pass(signal);
        const now = clock.now();
        log.push({ at: now, demand: valueAt(now), floor: floor() });
      }
    },
    anomalies: () => tenant.list({ range: { start: T0, end: clock.now() }, limit: 10 }),
    async latest() {
      const status = await forecasts.latest(KEY);
      if (status?.kind !== 'forecast') throw new Error('there is no forecast');
      return status.forecast;
    },
  };
}

function noise(t: Millis): number {
  const far = Math.sin((t / MINUTE) * 12.9898) * 43_758.5453;
  return far - Math.floor(far) - 0.5;
}
