import type { ForecastMaker } from '../forecast/desk.ts';
import type { Forecast } from '../model/forecast.ts';
import type { RegularSeries } from '../model/series.ts';

/**
 * Forecasters that are quick to make and easy to check: the forecast is the sum of all values that were taken in. What
 * is saved is that sum and the number of values.
 */
export const countingMaker: ForecastMaker = {
  fit: (history) => (history.values.length === 0 ? { kind: 'no-data' } : made(history, sumOf(history.values))),
  restore(state, history) {
    const [version, sum, count] = new Float64Array(state.slice().buffer);
    if (version !== 1) return { kind: 'unusable', reason: 'version' };
    return made(history, sum! + sumOf(history.values.subarray(count)));
  },
};

function made(history: RegularSeries, from: number) {
  let sum = from;
  let count = history.values.length;
  return {
    kind: 'fitted' as const,
    forecaster: {
      models: ['sum'],
      update(values: ArrayLike<number>) {
        sum += sumOf(values);
        count += values.length;
      },
      refit() {},
      save: () => new Uint8Array(Float64Array.of(1, sum, count).buffer),
      predict: (): Forecast => ({
        issuedAt: history.start + (count - 1) * history.stepMs,
        stepMs: history.stepMs,
        point: Float64Array.of(sum),
        quantiles: [{ quantile: 0.5, values: Float64Array.of(sum) }],
        peak: { windowMs: history.stepMs, quantiles: [{ quantile: 0.5, value: sum }] },
        model: 'sum',
        seasons: [],
        accuracy: { mae: 0, maeVsLast: 0, coverage: 1, origins: 1, peakVsNaive: 0, peakCoverage: 1 },
        historyMs: count * history.stepMs,
      }),
    },
  };
}

function sumOf(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + (Number.isFinite(value) ? value : 0), 0);
}
