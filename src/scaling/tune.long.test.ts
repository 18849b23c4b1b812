import { describe, expect, test } from 'vitest';
import type { Samples } from '../model/series.ts';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import { parsedPolicy } from '../testing/policy.ts';
import type { ForecastReading } from './plan-types.ts';
import { type QuantilesForecaster, recordForecasts } from './simulation/recorded-forecasts.ts';
import { type TuneOptions, tunePolicy } from './tune.ts';

const STEP = 5 * MINUTE;
const POLICY = parsedPolicy('checkout', {
  target: { name: 'checkout' },
  demand: { query: 'x', step: '5m', capacity: { perReplica: 10 } },
  replicas: { min: 1, max: 60 },
  safety: { minHistory: '12h' },
});

/** A wave each six hours, with a jump at the hour: what a reactive autoscaler comes too late for. */
function rowsOf(days: number, demandAt: (t: number) => number = demand): Samples {
  const times = Float64Array.from({ length: (days * DAY) / STEP }, (_, i) => i * STEP);
  return { times, values: times.map(demandAt) };
}

function demand(t: number): number {
  return t % (6 * HOUR) < 2 * HOUR ? 250 : 40;
}

/** Knows the wave: the quantile is how much of the peak it gives. */
function openWave(history: Samples, windowMs: number, quantiles: readonly number[]): QuantilesForecaster {
  let last = history.times.at(-1) ?? 0;
  return {
    append: (time) => {
      last = time;
    },
    readEach: () =>
      quantiles.map(
        (quantile): ForecastReading => ({
          kind: 'ready',
          issuedAt: last,
          peak: (0.5 + quantile) * Math.max(...[0, 0.25, 0.5, 0.75, 1].map((part) => demand(last + part * windowMs))),
          windowMs,
          quantile,
          model: 'wave',
          maeVsLast: 0.5,
          coverage: null,
          historyMs: DAY,
        }),
      ),
  };
}

const tune = (change: Partial<TuneOptions> = {}) =>
  tunePolicy({ rows: rowsOf(1.5), policy: POLICY, world: {}, overCapacity: 0.01, forecaster: openWave, ...change });

describe('tunePolicy()', () => {
  const report = tune();

  test('chooses the cheapest settings that keep to the limit where they were chosen', () => {
    const kept = report.tried.filter(({ result }) => result.overCapacity <= 0.01);
    expect(kept.length).toBeGreaterThan(0);
    expect(report.onFit.chosen.podHours).toBeLessThanOrEqual(
      Math.min(...kept.map(({ result }) => result.podHours)) * 1.005,
    );
    expect(report.onFit.chosen.overCapacity).toBeLessThanOrEqual(0.01);
    expect(report.onFit.chosen.podHours).toBeLessThan(report.onFit.present.podHours);
  });

  test('the two parts share no moment, and history comes before them', () => {
    expect(report.fit.from).toBeGreaterThanOrEqual(12 * HOUR);
    expect(report.fit.to).toBe(report.rest.from);
    expect(report.rest.to).toBe(1.5 * DAY - STEP);
  });

  test('what happens on the rest plays no part in the choice', () => {
    const { from } = report.rest;
    const other = tune({ rows: rowsOf(1.5, (t) => (t < from ? demand(t) : 599)), from });
    expect(other.chosen).toEqual(report.chosen);
    expect(other.tried.map(({ result }) => result.podHours)).toEqual(report.tried.map(({ result }) => result.podHours));
    expect(other.onRest.chosen.podHours).not.toBe(report.onRest.chosen.podHours);
  });

  test('its front has no settings that others beat both ways', () => {
    const costs = report.front.map(({ fit }) => fit.podHours);
    const risks = report.front.map(({ fit }) => fit.overCapacity);
    expect(costs).toEqual(costs.toSorted((a, b) => a - b));
    expect(risks).toEqual(risks.toSorted((a, b) => b - a));
  });

  test('an objective chooses the quantile itself: it is not searched', () => {
    const objective = { overCapacityMs: 5 * MINUTE, periodMs: 30 * DAY };
    const { tried, present } = tune({ policy: { ...POLICY, objective } });
    expect(tried.length).toBeGreaterThan(5);
    for (const { settings } of tried) expect(settings.quantile).toBe(present.quantile);
  });

  test('where nothing keeps to the limit, the least over capacity is taken', () => {
    const strict = tune({ overCapacity: -1 });
    const least = Math.min(...strict.tried.map(({ result }) => result.overCapacity));
    expect(strict.onFit.chosen.overCapacity).toBe(least);
  });

  test.each([
    { name: 'a trace that is too short', change: { rows: rowsOf(0.5) }, says: 'days lie before the part to fit on' },
    { name: 'nothing to report on', change: { from: 1.5 * DAY }, says: 'nothing of the trace lies after' },
  ])('refuses $name', ({ change, says }) => {
    expect(() => tune(change)).toThrow(says);
  });
});

test('recordForecasts() replays what was known after each row, and nothing later', () => {
  const rows = rowsOf(1);
  const open = (history: Samples) => openWave(history, HOUR, [0.5, 0.9]);
  const from = 12 * HOUR;
  const recorded = recordForecasts(rows, from, open);
  const first = rows.times.findIndex((time) => time > from);
  const history = { times: rows.times.subarray(0, first + 3), values: rows.values.subarray(0, first + 3) };
  const replayed = recorded.replay(1)(history);
  const live = open(history);
  for (let i = first + 3; i < rows.times.length; i++) {
    expect(replayed.read()).toEqual(live.readEach()[1]);
    replayed.append(rows.times[i]!, rows.values[i]!);
    live.append(rows.times[i]!, rows.values[i]!);
  }
  expect(replayed.read()).toEqual(live.readEach()[1]);
});
