import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Forecast } from '../model/forecast.ts';
import { DEFAULT_TENANT, parseTenant } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import { encodeJson } from '../storage/json-value.ts';
import { memoryKeyValue } from '../testing/memory-key-value.ts';
import { decodeForecast, encodeForecast } from './codec.ts';
import { openForecastStore } from './forecast-store.ts';

const T0 = 20_000 * DAY;
const NO_FIGURES = { errorVsLast: Number.NaN, errorVsSeason: Number.NaN, central: Number.NaN, bias: Number.NaN };
const key = { namespace: 'shop', policy: 'web', demand: 'rps' };

test('decodeForecast() gives back what encodeForecast() took, paths to seven digits', () => {
  const figure = fc.oneof(fc.float({ noNaN: false }), fc.constant(Number.POSITIVE_INFINITY));
  fc.assert(
    fc.property(fc.array(figure, { minLength: 1, maxLength: 50 }), fc.double(), (values, peak) => {
      const made = { ...forecastAt(T0), point: Float64Array.from(values, Math.fround) };
      const forecast: Forecast = {
        ...made,
        quantiles: [{ quantile: 0.5, values: made.point }],
        peak: {
          windowMs: MINUTE,
          quantiles: [{ quantile: 0.95, value: Number.isFinite(peak) ? peak + 0 : Number.NaN }],
        },
        live: {
          errorVsNaive: Number.isFinite(peak) ? peak + 0 : Number.NaN,
          coverageBroken: true,
          horizons: [{ ...NO_FIGURES, horizon: 'peak', aheadMs: MINUTE, count: 3, coverage: 0.5 }],
        },
      };
      expect(decodeForecast(encodeForecast(forecast))).toEqual(forecast);
    }),
  );
});

test('decodeForecast() refuses another version', () => {
  const bytes = encodeForecast(forecastAt(T0));
  bytes[0] = 9;
  expect(() => decodeForecast(bytes)).toThrow('its format is 9, not 1');
});

describe('openForecastStore()', () => {
  test('the newest forecast is the latest, and a withdrawal takes its place', async () => {
    const store = openForecastStore(memoryKeyValue());
    const forecasts = store.tenant(DEFAULT_TENANT);
    expect(await forecasts.latest(key)).toBeUndefined();
    await forecasts.issue(key, forecastAt(T0), []);
    await forecasts.issue(key, forecastAt(T0 + MINUTE), []);
    expect(await forecasts.latest(key)).toMatchObject({ kind: 'forecast', forecast: { issuedAt: T0 + MINUTE } });
    expect(await store.tenant(parseTenant('other')).latest(key)).toBeUndefined();
    await forecasts.withdraw(key, T0 + HOUR, { kind: 'no-data' });
    expect(await forecasts.latest(key)).toEqual({ kind: 'none', at: T0 + HOUR, why: { kind: 'no-data' } });
    expect(await forecasts.demands()).toEqual([key]);
  });

  test('issues closer together than a minute are kept as the latest only', async () => {
    const forecasts = openForecastStore(memoryKeyValue()).tenant(DEFAULT_TENANT);
    for (let i = 0; i <= 24; i++) await forecasts.issue(key, forecastAt(T0 + i * 5_000), []);
    const issues = await forecasts.issues(key, { start: T0, end: T0 + DAY });
    expect(issues.map(({ issuedAt }) => issuedAt - T0)).toEqual([0, MINUTE, 2 * MINUTE]);
  });

  test('sweep() keeps a day whole, one an hour for 30 days, and nothing older', async () => {
    const store = openForecastStore(memoryKeyValue());
    const forecasts = store.tenant(DEFAULT_TENANT);
    const ages = [31 * DAY, 2 * DAY, 2 * DAY - 10 * MINUTE, 2 * DAY - 70 * MINUTE, HOUR, HOUR - MINUTE];
    const now = T0 + 40 * DAY;
    for (const age of ages) await forecasts.issue(key, forecastAt(now - age), []);
    expect(await store.sweep(now)).toBe(2);
    const left = await forecasts.issues(key, { start: 0, end: now });
    expect(left.map(({ issuedAt }) => now - issuedAt)).toEqual([2 * DAY, 2 * DAY - 70 * MINUTE, HOUR, HOUR - MINUTE]);
  });

  test('keeps what became of each horizon, by the day of the truth', async () => {
    const forecasts = openForecastStore(memoryKeyValue()).tenant(DEFAULT_TENANT);
    // Each forecasts 10 for all steps, with 12 as its upper bound; the truth climbs by one every five minutes from 5.
    const before = T0 - 15 * MINUTE;
    for (let i = 0; i < 10; i++) {
      const at = before + i * 5 * MINUTE;
      await forecasts.issue(key, { ...forecastAt(at), stepMs: 5 * MINUTE }, [{ time: at, value: 5 + i }]);
    }
    const [yesterday, today] = await forecasts.scores(key, { start: T0 - DAY, end: T0 + DAY });
    // One step ahead: issued at 5 to 14, so that the truth is 6 to 14, of which the first two belong to the day before.
    expect(yesterday).toMatchObject({ day: T0 - DAY, horizons: { window: { count: 2, absoluteError: 4 + 3 } } });
    expect(today?.horizons.window).toMatchObject({
      count: 7,
      absoluteError: 2 + 1 + 0 + 1 + 2 + 3 + 4,
      absoluteErrorOfLast: 7,
      covered: 5,
    });
    expect(today?.horizons.whole).toMatchObject({ count: 5, absoluteErrorOfLast: 25 });
  });

  test('a forecast carries what became of those before it', async () => {
    const forecasts = openForecastStore(memoryKeyValue()).tenant(DEFAULT_TENANT);
    for (let i = 0; i < 8; i++) {
      const at = T0 + i * 5 * MINUTE;
      await forecasts.issue(key, { ...forecastAt(at), stepMs: 5 * MINUTE }, [{ time: at, value: 8 }]);
    }
    const latest = await forecasts.latest(key);
    expect(latest?.kind === 'forecast' && latest.forecast.live).toMatchObject({
      errorVsNaive: Number.NaN,
      coverageBroken: false,
      horizons: [
        { horizon: 'window', aheadMs: 5 * MINUTE, coverage: 1 },
        { horizon: 'half' },
        { horizon: 'whole' },
        { horizon: 'peak' },
      ],
    });
  });

  test('day records of the first version are read as the step at the end of the window', async () => {
    const keyValue = memoryKeyValue();
    const value = encodeJson({ day: T0, count: 7, absoluteError: 13, absoluteErrorOfLast: 21, covered: 5 });
    const day = String(T0).padStart(14, '0');
    await keyValue.write([{ key: `forecast-score/${DEFAULT_TENANT}/shop/web/rps/${day}`, value }]);
    const forecasts = openForecastStore(keyValue).tenant(DEFAULT_TENANT);
    const [score] = await forecasts.scores(key, { start: T0, end: T0 + DAY });
    expect(score).toMatchObject({ day: T0, horizons: { window: { count: 7, covered: 5, complete: 0 } } });
  });

  test('a scoring state of the first version, or another step, starts anew', async () => {
    const keyValue = memoryKeyValue();
    const value = encodeJson({ keptAt: T0, waiting: [{ validAt: T0 + MINUTE, point: 1, upper: 2, last: 1 }] });
    await keyValue.write([{ key: `forecast-scoring/${DEFAULT_TENANT}/shop/web/rps`, value }]);
    const forecasts = openForecastStore(keyValue).tenant(DEFAULT_TENANT);
    await forecasts.issue(key, forecastAt(T0 + MINUTE), [{ time: T0 + MINUTE, value: 1 }]);
    await forecasts.issue(key, { ...forecastAt(T0 + HOUR), stepMs: HOUR }, [{ time: T0 + HOUR, value: 1 }]);
    expect(await forecasts.scores(key, { start: T0, end: T0 + DAY })).toEqual([]);
  });
});

function forecastAt(issuedAt: number): Forecast {
  return {
    issuedAt,
    stepMs: MINUTE,
    point: new Float64Array(5).fill(10),
    quantiles: [{ quantile: 0.95, values: new Float64Array(5).fill(12) }],
    peak: {
      windowMs: 3 * MINUTE,
      quantiles: [
        { quantile: 0.5, value: 11 },
        { quantile: 0.95, value: 13 },
      ],
    },
    model: 'last',
    seasons: [],
    accuracy: { mae: 1, maeVsLast: 0.5, coverage: Number.NaN, origins: 10, peakVsNaive: 0.5, peakCoverage: 0.95 },
    historyMs: DAY,
  };
}
