import { type Forecaster, fitForecaster } from '../forecast/forecaster.ts';
import { inferGrid, toRegular } from '../forecast/prepare.ts';
import type { Samples } from '../model/series.ts';
import { DAY, type Millis } from '../model/time.ts';
import type { ForecastReading } from '../scaling/plan-types.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import type { TraceForecaster } from '../scaling/simulation/strategies.ts';

const NONE: ForecastReading = { kind: 'none', message: 'the demand has no samples' };

/** The forecaster of a replay: the live one, fed row by row and refitted daily. It sees nothing later than its rows. */
export function openTraceForecaster(
  { demands, quantile, seasonsMs }: ScalingPolicy,
  history: Samples,
  windowMs: number,
): TraceForecaster {
  const { stepMs } = demands[0]!;
  const grid = inferGrid(history.times, stepMs) ?? { stepMs, phaseMs: 0 };
  const { series } = toRegular(history, grid);
  const fit = fitForecaster(series, {
    horizonSteps: 1,
    peakWindowMs: windowMs,
    quantiles: [quantile],
    seasons: seasonsMs === 'auto' ? 'auto' : seasonsMs.map((ms) => Math.round(ms / stepMs)),
  });
  if (fit.kind !== 'fitted') {
    const none: ForecastReading = fit.kind === 'no-data' ? NONE : fit;
    return { append: () => {}, read: () => none };
  }
  const { forecaster } = fit;
  let last = series.start + (series.values.length - 1) * stepMs;
  let refitAt = last + DAY;
  return {
    append(time, value) {
      if (time <= last) return;
      // Rows that are missing are steps without a value.
      const steps = Math.max(1, Math.round((time - last) / stepMs));
      forecaster.update([...new Array<number>(steps - 1).fill(Number.NaN), value]);
      last += steps * stepMs;
      if (last < refitAt) return;
      forecaster.refit();
      refitAt = last + DAY;
    },
    read: () => readingOf(forecaster, last, quantile),
  };
}

function readingOf(forecaster: Forecaster, issuedAt: Millis, quantile: number): ForecastReading {
  const { peak, model, accuracy, historyMs } = forecaster.predict();
  const { maeVsLast, coverage } = accuracy;
  return {
    kind: 'ready',
    issuedAt,
    peak: finiteOrNull(peak.quantiles.find((one) => one.quantile === quantile)?.value ?? Number.NaN),
    windowMs: peak.windowMs,
    quantile,
    model,
    maeVsLast: finiteOrNull(maeVsLast),
    coverage: finiteOrNull(coverage),
    historyMs,
  };
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
