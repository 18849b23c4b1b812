import { describe, expect, test } from 'vitest';
import type { Forecast } from '../model/forecast.ts';
import type { ForecastStatus } from '../model/issued-forecast.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { MINUTE, SECOND } from '../model/time.ts';
import { boardOf, draftOf, forecastOf, NOW } from '../testing/external-metrics.ts';
import { parseLabelSelector } from './label-selector.ts';
import { METRICS } from './metrics.ts';
import type { MetricsBoard } from './metrics-board.ts';

const PEAKS = { 0.5: 400, 0.9: 700, 0.95: 800 };

/** `value{labels}` of each value, or why there is none. */
function told(board: Pick<MetricsBoard, 'select'>, metric: string, selector = '', namespace = 'shop') {
  const selection = board.select(namespace, metric, parseLabelSelector(selector));
  switch (selection.kind) {
    case 'values':
      return selection.values.map(({ value, labels }) => `${value}{${Object.values(labels).join(',')}}`);
    case 'unknown-metric':
      return 'unknown';
    case 'nothing-selected':
      return selection.message;
    case 'unservable':
      return `${selection.because.cause}: ${selection.because.message}`;
  }
}

describe('select()', () => {
  const demands = [{ name: 'rps', value: 345 }];

  test.each([
    { metric: 'foresail_demand_now', selector: '', want: ['345{web,web,rps}'] },
    { metric: 'foresail_desired_replicas', selector: '', want: ['7{web,web}'] },
    { metric: 'foresail_forecast_peak', selector: '', want: ['800{web,web,rps,0.95}'] },
    { metric: 'foresail_forecast_peak', selector: 'quantile=0.5', want: ['400{web,web,rps,0.5}'] },
    {
      metric: 'foresail_forecast_peak',
      selector: 'quantile in (0.5,0.9)',
      want: ['400{web,web,rps,0.5}', '700{web,web,rps,0.9}'],
    },
    { metric: 'foresail_forecast_peak', selector: 'policy=web,demand=rps', want: ['800{web,web,rps,0.95}'] },
    // Lead time 3 min after now, which is 1 min after the issue: the fourth step.
    { metric: 'foresail_forecast_demand', selector: 'quantile=0.5', want: ['404{web,web,rps,0.5}'] },
    { metric: 'foresail_unheard_of', selector: '', want: 'unknown' },
    { metric: 'toString', selector: '', want: 'unknown' },
  ])('$metric{$selector}', async ({ metric, selector, want }) => {
    const board = await boardOf([draftOf({ name: 'web', floor: 7, demands })], { rps: forecastOf(PEAKS) });
    expect(told(board, metric, selector)).toEqual(want);
  });

  test('what selects nothing says what there is', async () => {
    const board = await boardOf([draftOf({ name: 'web', demands })], { rps: forecastOf(PEAKS) });
    expect(told(board, 'foresail_forecast_peak', 'quantile=0.42')).toBe(
      'no foresail_forecast_peak in the namespace shop has the labels that were asked for: quantile (0.42); its policies are web',
    );
    expect(told(board, 'foresail_demand_now', '', 'other')).toBe(
      'there is no foresail_demand_now in the namespace other: no policy there was planned for yet',
    );
  });

  test('the quantile of the policy, or else the next higher one that was issued', async () => {
    const board = await boardOf([draftOf({ name: 'web', demands, quantile: 0.6 })], { rps: forecastOf(PEAKS) });
    expect(told(board, 'foresail_forecast_peak')).toEqual(['700{web,web,rps,0.9}']);
  });
});

describe('values that are no longer true are not served', () => {
  const demands = [{ name: 'rps', value: 345 }];

  test.each([
    {
      name: 'a plan after a minute',
      ageMs: 61 * SECOND,
      metric: 'foresail_desired_replicas',
      want: 'Stale: the plan of shop/web was last known 1m1s ago',
    },
    {
      name: 'a demand after a minute',
      ageMs: 61 * SECOND,
      metric: 'foresail_demand_now',
      want: 'Stale: the demand rps of shop/web was last known 1m1s ago',
    },
    { name: 'a plan within a minute', ageMs: 59 * SECOND, metric: 'foresail_desired_replicas', want: ['7{web,web}'] },
    {
      name: 'a forecast after maxForecastAge',
      ageMs: 15 * MINUTE,
      metric: 'foresail_forecast_peak',
      want: 'Stale: the forecast of the demand rps of shop/web is 16m old, and its policy takes none older than 15m',
    },
    {
      name: 'a forecast of before a clock was set back',
      ageMs: -20 * MINUTE,
      metric: 'foresail_forecast_peak',
      want: 'Stale: the forecast of the demand rps of shop/web is 19m old, and its policy takes none older than 15m',
    },
    {
      name: 'a forecast that ends too soon',
      ageMs: 9 * MINUTE,
      metric: 'foresail_forecast_demand',
      want: 'NoForecast: the forecast of the demand rps of shop/web ends before the lead time does',
    },
  ])('$name', async ({ ageMs, metric, want }) => {
    let now = NOW;
    const board = await boardOf([draftOf({ name: 'web', floor: 7, demands })], { rps: forecastOf(PEAKS) }, () => now);
    now += ageMs;
    expect(told(board, metric)).toEqual(want);
  });

  const none: ForecastStatus = { kind: 'none', at: NOW, why: { kind: 'no-data' } };

  test.each(['', 'quantile=0.95', 'policy=web'])('a demand without a forecast, asked for {%s}', async (selector) => {
    const board = await boardOf([draftOf({ name: 'web', demands })], { rps: none });
    expect(told(board, 'foresail_forecast_peak', selector)).toBe(
      'NoForecast: there is no forecast of the demand rps of shop/web',
    );
  });

  test('a demand without a value', async () => {
    const board = await boardOf([draftOf({ name: 'web', demands: [{ name: 'rps', value: null }] })], {});
    expect(told(board, 'foresail_demand_now')).toBe('NoValue: the demand rps of shop/web has no value now');
  });

  test('one stale value among those selected refuses the whole answer: the sum would be too low', async () => {
    let now = NOW;
    const board = await boardOf([draftOf({ name: 'a', demands })], {}, () => now);
    now += 2 * MINUTE;
    board.planned(draftOf({ name: 'b', demands, now }));
    expect(told(board, 'foresail_demand_now')).toContain('Stale');
    expect(told(board, 'foresail_demand_now', 'policy=b')).toEqual(['345{b,b,rps}']);
  });
});

test('a policy that is no longer in force is forgotten, and what lets go of a target is no plan', async () => {
  const demands = [{ name: 'rps', value: 1 }];
  const board = await boardOf([draftOf({ name: 'a', demands }), draftOf({ name: 'b', demands })], {
    rps: forecastOf(PEAKS),
  });
  board.planned({ ...draftOf({ name: 'c', demands }), mode: 'release' });
  board.keepOnly([{ tenant: DEFAULT_TENANT, policy: { namespace: 'shop', name: 'b' } }]);
  for (const metric of Object.keys(METRICS)) {
    const selected = told(board, metric);
    expect(JSON.stringify(selected)).toContain('b');
    expect(selected).toHaveLength(1);
  }
});

test('watching() passes on what the store says, and forgets a forecast that is gone', async () => {
  const board = await boardOf([draftOf({ name: 'web', demands: [{ name: 'rps', value: 1 }] })], {
    rps: forecastOf(PEAKS),
  });
  const key = { namespace: 'shop', policy: 'web', demand: 'rps' };
  const status: ForecastStatus = { kind: 'forecast', forecast: forecastOf({ 0.95: 5 }) satisfies Forecast };
  expect(await board.watching(DEFAULT_TENANT, { latest: async () => status }).latest(key)).toBe(status);
  expect(told(board, 'foresail_forecast_peak')).toEqual(['5{web,web,rps,0.95}']);
  await board.watching(DEFAULT_TENANT, { latest: async () => undefined }).latest(key);
  expect(told(board, 'foresail_forecast_peak')).toContain('NoForecast');
});
