import { describe, expect, test } from 'vitest';
import type { Samples } from '../model/series.ts';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import { parsedPolicy } from '../testing/policy.ts';
import { type SimulationReport, simulate } from './simulate.ts';
import { STRATEGIES, type TraceForecaster } from './simulation/strategies.ts';

const POLICY = parsedPolicy('checkout', {
  target: { name: 'checkout' },
  demand: { query: 'x', capacity: { perReplica: 10 } },
  replicas: { min: 1, max: 60 },
  safety: { minHistory: '1d' },
});

/** Three days of minutes: quiet, but for three hours of load that come within five minutes, at ten each day. */
const TRACE: Samples = rowsOf((t) => {
  const hour = ((t % DAY) / HOUR + 24) % 24;
  if (hour < 10 || hour > 13) return 30;
  return 30 + 270 * Math.min(1, (hour - 10) * 12);
});

function rowsOf(demandAt: (t: number) => number): Samples {
  const times = Float64Array.from({ length: 3 * 1440 }, (_, i) => i * MINUTE);
  return { times, values: times.map(demandAt) };
}

/** Repeats yesterday: enough to show that the loop is closed. The real one is tested where it is made. */
function yesterdayForecaster(history: Samples, windowMs: number): TraceForecaster {
  const times = Array.from(history.times);
  const values = Array.from(history.values);
  return {
    append(time, value) {
      times.push(time);
      values.push(value);
    },
    read() {
      const last = times.length - 1;
      const start = last - 1440;
      const window = values.slice(Math.max(0, start), start + windowMs / MINUTE + 1);
      return {
        kind: 'ready',
        issuedAt: times[last]!,
        peak: Math.max(...window),
        windowMs,
        quantile: 0.95,
        model: 'yesterday',
        maeVsLast: 0.5,
        coverage: null,
        historyMs: times.length * MINUTE,
      };
    },
  };
}

function run(rows: Samples, change: object = {}): SimulationReport {
  const from = 2 * DAY;
  return simulate({ rows, policy: POLICY, from, strategies: STRATEGIES, forecaster: yesterdayForecaster, ...change });
}

const of = ({ results }: SimulationReport, name: string) => results.find(({ strategy }) => strategy === name)!;

describe('simulate()', () => {
  const report = run(TRACE);

  test('knowing the demand leaves nothing over capacity, waiting for it does', () => {
    expect(of(report, 'reactive').overCapacity).toBeGreaterThan(0.002);
    expect(of(report, 'reactive').podHoursRatio).toBe(1);
    expect(of(report, 'oracle').overCapacity).toBe(0);
    expect(of(report, 'yesterday').overCapacity).toBe(0);
    expect(of(report, 'foresail').overCapacity).toBeLessThan(of(report, 'reactive').overCapacity / 2);
  });

  test('a floor that only carries the load costs little', () => {
    for (const { podHoursRatio } of report.results) expect(podHoursRatio).toBeLessThan(1.2);
  });

  test('decisions are rows in order of time, the first at the beginning, each with other bounds', () => {
    const { decisions } = of(report, 'foresail');
    expect(decisions[0]).toMatchObject({ t: (2 * DAY) / 1000, max: 60 });
    expect(decisions[0]!.reason).toContain('foresail_demand is forecast to reach');
    for (const [i, row] of decisions.entries()) {
      expect(row.min).toBeLessThanOrEqual(row.max);
      if (i === 0) continue;
      expect(row.t).toBeGreaterThan(decisions[i - 1]!.t);
      expect([row.min, row.max]).not.toEqual([decisions[i - 1]!.min, decisions[i - 1]!.max]);
    }
  });

  test('the same input gives the same report', () => {
    expect(run(TRACE)).toEqual(report);
  });

  test('no decision depends on a row stamped less than the lag before it', () => {
    const cut = 2 * DAY + 11 * HOUR;
    const other = run({
      times: TRACE.times,
      values: TRACE.values.map((value, i) => (TRACE.times[i]! > cut ? 9 * value + 50 : value)),
    });
    for (const name of ['reactive', 'yesterday', 'last-week', 'max-of-3-days', 'foresail']) {
      const early = (rows: SimulationReport) => of(rows, name).decisions.filter(({ t }) => t * 1000 < cut + MINUTE);
      expect(early(other)).toEqual(early(report));
    }
    expect(of(other, 'foresail').decisions).not.toEqual(of(report, 'foresail').decisions);
  });

  test('pods that start at once leave little over capacity, a longer start more', () => {
    const over = [0, 3 * MINUTE, 10 * MINUTE].map(
      (startUpMs) => of(run(TRACE, { startUpMs, strategies: ['reactive'] }), 'reactive').overCapacity,
    );
    expect(over[0]).toBeLessThan(over[1]!);
    expect(over[1]).toBeLessThan(over[2]!);
  });

  test('a forecast that is not trusted leaves the reactive autoscaler alone', () => {
    const none: TraceForecaster = { append: () => {}, read: () => ({ kind: 'none', message: 'gone' }) };
    const alone = run(TRACE, { forecaster: () => none });
    expect(of(alone, 'foresail')).toMatchObject({ demoted: 1, overCapacity: of(report, 'reactive').overCapacity });
  });

  test('an objective chooses the quantile, with what was short so far, as the live loop does', () => {
    const tailed = (history: Samples, windowMs: number): TraceForecaster => {
      const forecaster = yesterdayForecaster(history, windowMs);
      return {
        append: forecaster.append,
        read() {
          const reading = forecaster.read();
          if (reading.kind !== 'ready') return reading;
          const value = (quantile: number) => reading.peak! * (0.4 + quantile ** 4);
          return { ...reading, quantiles: [0.5, 0.8, 0.95, 0.99].map((q) => ({ quantile: q, value: value(q) })) };
        },
      };
    };
    const asked = (minutes: number) => {
      const policy = { ...POLICY, objective: { overCapacityMs: minutes * MINUTE, periodMs: 30 * DAY } };
      return of(run(TRACE, { policy, forecaster: tailed, strategies: ['foresail'] }), 'foresail');
    };
    const [strict, loose] = [asked(1), asked(20_000)];
    expect(strict.decisions[0]!.reason).toContain('the objective lets foresail_demand be over capacity');
    expect(strict.decisions[0]!.reason).toContain('0s were this month');
    expect(loose.overCapacity).toBeGreaterThan(0);
    const late = loose.decisions.filter(({ t }) => t * 1000 > 2 * DAY + 11 * HOUR).map(({ reason }) => reason);
    expect(late.join()).toMatch(/; \d+m were this month/);
    expect(strict.overCapacity).toBeLessThan(loose.overCapacity);
    expect(strict.podHours).toBeGreaterThan(loose.podHours);
  });

  test('a trace that ends before the judged time is refused', () => {
    expect(() => run(TRACE, { from: 4 * DAY })).toThrow(RangeError);
  });
});
