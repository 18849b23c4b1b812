import { expect, test } from 'vitest';
import { ALARM_DEFAULTS } from '../anomaly/alarm.ts';
import { createForecastDesk } from '../forecast/desk.ts';
import { openForecastStore } from '../forecasts/forecast-store.ts';
import { openForecasterStates } from '../forecasts/state-store.ts';
import { openAnomalyStore } from '../ledger/anomaly-store.ts';
import { labelsOf, METRIC_NAME } from '../model/labels.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../model/time.ts';
import { recordedTelemetry } from '../testing/loop-telemetry.ts';
import { memoryKeyValue } from '../testing/memory-key-value.ts';
import { memoryTenant } from '../testing/memory-storage.ts';
import { parsedPolicy } from '../testing/policy.ts';
import { simClock } from '../testing/sim-clock.ts';
import { openForecastPool } from '../workers/forecast-pool.ts';
import { ownSeat } from '../workers/forecast-seat.ts';
import { evaluateDemand } from './demand-series.ts';
import { openForecastLoop } from './forecast-loop.ts';
import type { Watch } from './watch.ts';
import { openWatchLoop } from './watch-loop.ts';
import { openWatchedDemands } from './watched-demand.ts';

const T0 = 20_000 * DAY;
const STEP = 5 * MINUTE;
const policy = parsedPolicy('web', {
  target: { name: 'web' },
  demand: { name: 'web_rps', query: 'rps', step: '5m', history: '1d', capacity: { perReplica: 10 } },
  replicas: { min: 1, max: 50 },
  forecast: { horizon: '1h' },
});

/** A demand that is recorded, forecast and watched; its samples end at `T0 + until`. */
async function world(until: number, isShared: boolean) {
  const clock = simClock(T0 + 20 * SECOND);
  const telemetry = recordedTelemetry();
  const memory = memoryTenant();
  const asked: number[] = [];
  const storage: typeof memory = {
    ...memory,
    async range(query, range, options) {
      asked.push((range.end - range.start) / range.stepMs + 1);
      return await memory.range(query, range, options);
    },
  };
  const labels = labelsOf({ [METRIC_NAME]: 'rps' });
  const times = Float64Array.from({ length: (DAY + until) / MINUTE }, (_, i) => T0 - DAY + i * MINUTE);
  await storage.backfill([{ labels, times, values: times.map((t) => 100 + 50 * Math.sin((2 * Math.PI * t) / DAY)) }]);
  const keyValue = memoryKeyValue();
  const seat = ownSeat(createForecastDesk);
  const quiet = { onEnd: () => {}, onSetAside: () => {}, onFallback: () => {} };
  const forecastLoop = openForecastLoop({
    ...{ clock, telemetry, storageOf: () => storage, statesOf: openForecasterStates(keyValue).tenant },
    policies: async () => [{ tenant: DEFAULT_TENANT, policy }],
    forecastsOf: openForecastStore(keyValue).tenant,
    forecasters: openForecastPool({ seats: [seat], fallback: seat, clock, ...quiet }),
  });
  const demands = openWatchedDemands({
    ...{ storageOf: () => storage, now: clock.now, recordedThrough: forecastLoop.recordedThrough },
  });
  const spec = policy.demands[0]!;
  const watch: Watch = {
    ...{ tenant: DEFAULT_TENANT, key: 'demand/shop/web/web_rps', name: 'web_rps', query: 'rps', stepMs: STEP },
    ...{ historyMs: DAY, labels: [], group: [], peers: false, timeZone: 'UTC', maxSeries: 1, alarm: ALARM_DEFAULTS },
    demand: { policy, spec },
  };
  const store = openAnomalyStore(keyValue);
  const written: string[] = [];
  const watchLoop = openWatchLoop({
    ...{ clock, telemetry, externalUrl: '', workloadOf: () => undefined, onConfirmed: () => {} },
    watches: async () => [watch],
    async evaluate(_watch, range, signal) {
      const { start, stepMs, values } = isShared
        ? await demands.read({ tenant: DEFAULT_TENANT, policy, spec }, range, signal)
        : await evaluateDemand(storage, spec, range, signal);
      const known = [...values.keys()].filter((i) => Number.isFinite(values[i]!));
      const at = Float64Array.from(known, (i) => start + i * stepMs);
      return known.length === 0 ? [] : [{ labels: [], times: at, values: Float64Array.from(known, (i) => values[i]!) }];
    },
    ...(isShared && {
      readyThrough: (_of: Watch, due: number) => demands.ready({ tenant: DEFAULT_TENANT, policy, spec }, due),
    }),
    contextOf: async () => ({ localOffsetMs: () => 0, forecastAt: () => undefined, isMuted: () => false }),
    ...{ anomaliesOf: store.tenant, tenants: store.tenants, tell: async () => {} },
    async append(_tenant, all) {
      for (const { labels: of, times: at, values } of all) {
        for (const [i, time] of at.entries()) written.push(`${JSON.stringify(of)} ${time} ${values[i]}`);
      }
    },
  });
  const stop = new AbortController();
  /** The watch looks first: what it needs is not yet recorded. */
  const running = [watchLoop.run(stop.signal), forecastLoop.run(stop.signal)];
  await clock.advance(2 * MINUTE);
  return {
    ...{ clock, asked, written, watchLoop },
    async end() {
      stop.abort();
      await Promise.all(running);
    },
  };
}

test('a demand that is forecast is watched without asking its query again, and comes to the same', async () => {
  const asked: number[] = [];
  const written: (readonly string[])[] = [];
  for (const isShared of [false, true]) {
    const shop = await world(HOUR, isShared);
    asked.push(shop.asked.reduce((a, b) => a + b));
    const before = shop.asked.length;
    await shop.clock.advance(50 * MINUTE);
    asked.push(shop.asked.length - before);
    await shop.end();
    written.push(shop.written);
  }
  expect(written[1]!.length).toBeGreaterThan(40);
  expect(written[1]).toEqual(written[0]);
  // The day that both learn from is asked for once, and then each step once.
  const [pastTwice, stepsTwice, pastOnce, stepsOnce] = asked as [number, number, number, number];
  expect([stepsTwice, stepsOnce]).toEqual([20, 10]);
  expect(pastOnce).toBeLessThan(0.6 * pastTwice);
});

test('steps that nobody records are asked for', async () => {
  const shop = await world(HOUR, true);
  const demand = { tenant: DEFAULT_TENANT, policy, spec: policy.demands[0]! };
  const alone = openWatchedDemands({
    storageOf: () => memoryTenant(),
    recordedThrough: () => undefined,
    now: shop.clock.now,
  });
  const due = T0;
  expect(alone.ready(demand, due)).toBe(Number.NEGATIVE_INFINITY);
  await shop.clock.advance(MINUTE);
  expect(alone.ready(demand, due)).toBe(due);
  const stuck = openWatchedDemands({
    storageOf: () => memoryTenant(),
    recordedThrough: () => T0 - STEP,
    now: shop.clock.now,
  });
  expect(stuck.ready(demand, shop.clock.now() - 20 * SECOND)).toBe(T0 - STEP);
  expect(stuck.ready(demand, T0)).toBe(T0);
  await shop.end();
});
