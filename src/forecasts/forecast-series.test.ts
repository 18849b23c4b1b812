import { describe, expect, test } from 'vitest';
import type { Forecast } from '../model/forecast.ts';
import { labelsOf, labelValue, METRIC_NAME } from '../model/labels.ts';
import type { Matcher } from '../model/matcher.ts';
import { isStaleMarker, type SelectedSeries } from '../model/series.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import { evaluatorOver } from '../promql/run.ts';
import type { SeriesReader } from '../storage/storage.ts';
import { memoryKeyValue } from '../testing/memory-key-value.ts';
import { withForecastSeries } from './forecast-series.ts';
import { openForecastStore } from './forecast-store.ts';

const T0 = 20_000 * DAY;
const key = { namespace: 'shop', policy: 'web', demand: 'rps' };
const recorded = labelsOf({ [METRIC_NAME]: 'rps', namespace: 'shop', policy: 'web', workload: 'web', revision: '1' });

/** A store with one recorded demand, 5 for ten minutes up to T0, and the forecasts issued at these minutes after T0. */
async function readerWith(minutes: readonly number[]) {
  const forecasts = openForecastStore(memoryKeyValue()).tenant(DEFAULT_TENANT);
  for (const minute of minutes) await forecasts.issue(key, forecastAt(T0 + minute * MINUTE, 100 + minute), []);
  const demand: SelectedSeries = {
    labels: recorded,
    chunks: [
      {
        encoding: 'plain',
        times: Float64Array.from({ length: 10 }, (_, i) => T0 + (i - 9) * MINUTE),
        values: new Float64Array(10).fill(5),
      },
    ],
  };
  const stored: SeriesReader = {
    select: async (matchers) =>
      matchers.every(({ name, op, value }) => op === '=' && labelValue(recorded, name) === value) ? [demand] : [],
    series: async () => [recorded],
    labelNames: async () => recorded.map(([name]) => name),
    labelValues: async (name) => [labelValue(recorded, name)],
    metadata: async () => [],
  };
  const reader = withForecastSeries(stored, {
    ...forecasts,
    demands: async () => [{ key, workload: 'web', recorded }],
  });
  return { reader, forecasts, ...evaluatorOver(reader) };
}

describe('withForecastSeries()', () => {
  test('a time ahead has what the newest forecast says of it', async () => {
    const { instant } = await readerWith([0, 1, 2]);
    expect(await vectorOf(instant('rps:predicted', T0 + 5 * MINUTE))).toEqual({
      yhat: 102,
      yhat_lower: 92,
      yhat_upper: 112,
    });
  });

  test('a time gone by has what was last said before it', async () => {
    const { range } = await readerWith([0, 1, 2]);
    const result = await range('rps:predicted{ml_forecast="yhat"}', {
      start: T0,
      end: T0 + 10 * MINUTE,
      stepMs: MINUTE,
    });
    const [series] = result.value.kind === 'matrix' ? result.value.series : [];
    expect([...series!.times].map((time) => (time - T0) / MINUTE)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect([...series!.values]).toEqual([100, 101, 102, 102, 102, 102, 102]);
  });

  test('ends with a staleness marker, so that no lookback carries the last point on', async () => {
    const { reader, instant } = await readerWith([0]);
    const [series] = await reader.select([named('rps:predicted')], { start: T0, end: T0 + HOUR });
    const { times, values } = series!.chunks[0]!;
    expect(times.at(-1)).toBe(T0 + 6 * MINUTE);
    expect(isStaleMarker(values, values.length - 1)).toBe(true);
    expect(await vectorOf(instant('rps:predicted', T0 + 6.5 * MINUTE))).toEqual({});
  });

  test.each([
    String((T0 + MINUTE) / 1000),
    '2024-10-04T00:01:00Z',
  ])('ml_issued_at="%s" is what was believed then', async (at) => {
    const { instant } = await readerWith([0, 1, 2, 3]);
    const asked = `rps:predicted{ml_forecast="yhat", ml_issued_at="${at}"}`;
    expect(await vectorOf(instant(asked, T0 + 4 * MINUTE))).toEqual({ yhat: 101 });
  });

  test('ml_issued_at takes a time, and only =', async () => {
    const { instant } = await readerWith([0]);
    await expect(instant('rps:predicted{ml_issued_at="soon"}', T0)).rejects.toThrow('not a time: "soon"');
    await expect(instant('rps:predicted{ml_issued_at!="5"}', T0)).rejects.toThrow('ml_issued_at takes =, not !=');
  });

  test('a withdrawn forecast says nothing of the time after', async () => {
    const { forecasts, instant } = await readerWith([0, 1]);
    await forecasts.withdraw(key, T0 + 2 * MINUTE, { kind: 'no-data' });
    expect(await vectorOf(instant('rps:predicted{ml_forecast="yhat"}', T0 + 2 * MINUTE))).toEqual({ yhat: 101 });
    expect(await vectorOf(instant('rps:predicted', T0 + 3 * MINUTE))).toEqual({});
  });

  test('<demand>:ahead says at a time what was known then of the time after it, and no longer', async () => {
    const { range, instant, reader } = await readerWith([0, 1, 2]);
    const ahead = 'rps:ahead{ml_forecast="yhat",lead="5m"}';
    const result = await range(ahead, { start: T0, end: T0 + 10 * MINUTE, stepMs: MINUTE });
    const [series] = result.value.kind === 'matrix' ? result.value.series : [];
    // Forecasts say five minutes: of five ahead, each says its issue alone.
    expect([...series!.times].map((time) => (time - T0) / MINUTE)).toEqual([0, 1, 2]);
    expect([...series!.values]).toEqual([100, 101, 102]);
    const at = T0 + 2 * MINUTE;
    const answer = await instant(`${ahead} - on () rps:predicted{ml_forecast="yhat"} offset -5m`, at);
    expect(answer.value).toMatchObject({ samples: [{ value: 0 }] });
    const [found] = await reader.select([named('rps:ahead')], { start: T0, end: T0 + HOUR });
    expect(isStaleMarker(found!.chunks[0]!.values, found!.chunks[0]!.values.length - 1)).toBe(true);
  });

  test('<demand>:ahead says nothing once a forecast does not reach so far', async () => {
    const { forecasts, instant } = await readerWith([0]);
    const { point, quantiles, ...short } = forecastAt(T0 + MINUTE, 101);
    const cut = quantiles.map(({ quantile, values }) => ({ quantile, values: values.slice(0, 3) }));
    await forecasts.issue(key, { ...short, point: point.slice(0, 3), quantiles: cut }, []);
    const ahead = 'rps:ahead{ml_forecast="yhat",lead="5m"}';
    expect(await vectorOf(instant(ahead, T0))).toEqual({ yhat: 100 });
    expect(await vectorOf(instant(ahead, T0 + MINUTE))).toEqual({});
  });

  test('<demand>:actual is the recorded demand', async () => {
    const { instant } = await readerWith([]);
    const result = await instant('rps:actual{policy="web"}', T0);
    expect(result.value).toMatchObject({ kind: 'vector', samples: [{ value: 5 }] });
  });

  test('names are found by a name with a colon only', async () => {
    const { reader } = await readerWith([0]);
    const range = { start: T0, end: T0 + HOUR };
    expect(await reader.select([{ name: 'namespace', op: '=', value: 'shop' }], range)).toHaveLength(1);
    const regex: Matcher = { name: METRIC_NAME, op: '=~', value: 'rps:.+' };
    // Of those that look ahead, the three paths that look no further than the forecast.
    expect(await reader.select([regex], range)).toHaveLength(4 + 3);
    expect(await reader.series([[named('rps:predicted')]], range)).toHaveLength(4);
    expect(await reader.labelValues(METRIC_NAME, [], range)).toEqual([
      'rps',
      'rps:actual',
      'rps:ahead',
      'rps:predicted',
    ]);
    expect(await reader.labelNames([], range)).toContain('ml_forecast');
  });

  test('counts its samples against the limit', async () => {
    const { reader } = await readerWith([0]);
    const range = { start: T0, end: T0 + HOUR };
    await expect(reader.select([named('rps:predicted')], range, { maxSamples: 17 })).rejects.toThrow('17');
    expect(await reader.select([named('rps:predicted')], range, { maxSamples: 18 })).toHaveLength(3);
  });
});

function named(name: string): Matcher {
  return { name: METRIC_NAME, op: '=', value: name };
}

async function vectorOf(answer: ReturnType<ReturnType<typeof evaluatorOver>['instant']>) {
  const { value } = await answer;
  if (value.kind !== 'vector') throw new Error(`got a ${value.kind}`);
  return Object.fromEntries(value.samples.map((sample) => [labelValue(sample.labels, 'ml_forecast'), sample.value]));
}

function forecastAt(issuedAt: number, point: number): Forecast {
  const path = (value: number) => new Float64Array(5).fill(value);
  return {
    issuedAt,
    stepMs: MINUTE,
    point: path(point),
    quantiles: [
      { quantile: 0.025, values: path(point - 10) },
      { quantile: 0.975, values: path(point + 10) },
    ],
    peak: { windowMs: 3 * MINUTE, quantiles: [] },
    model: 'last',
    seasons: [],
    accuracy: { mae: 1, maeVsLast: 0.5, coverage: Number.NaN, origins: 10, peakVsNaive: 0.5, peakCoverage: 0.95 },
    historyMs: DAY,
  };
}
