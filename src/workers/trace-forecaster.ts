import type { SeriesCalendar } from '../forecast/calendar.ts';
import { type Forecaster, fitForecaster } from '../forecast/forecaster.ts';
import type { Network } from '../forecast/forecaster-options.ts';
import { inferGrid, toRegular } from '../forecast/prepare.ts';
import type { Forecast } from '../model/forecast.ts';
import type { Samples } from '../model/series.ts';
import { DAY, HOUR } from '../model/time.ts';
import { TAIL_QUANTILES } from '../scaling/objective.ts';
import type { ForecastReading } from '../scaling/plan-types.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import { PRICED_QUANTILES, pricedQuantile } from '../scaling/priced-quantile.ts';
import type { QuantilesForecaster } from '../scaling/simulation/recorded-forecasts.ts';
import type { TraceForecaster } from '../scaling/simulation/strategies.ts';

/** Times between fits: once there is a forecaster, and while the history is too short for one. */
const REFIT_MS = DAY;
const RETRY_MS = HOUR;

export interface TraceMeans {
  readonly calendar?: SeriesCalendar | undefined;
  /** Without it forecasts are made without the network. */
  readonly network?: Network;
  /** The highest that a reading may take, each read on its own. The default is the policy's alone. */
  readonly quantiles?: readonly number[];
}

/**
 * The program's own forecaster over a recorded trace: fitted on the rows of the history, updated with every row, fitted
 * again once a day. It never sees a row before it is appended.
 */
export function openTraceForecaster(
  policy: ScalingPolicy,
  history: Samples,
  windowMs: number,
  { calendar, network, quantiles = [policy.quantile] }: TraceMeans = {},
): TraceForecaster & QuantilesForecaster {
  const spec = policy.demands[0]!;
  const stepMs = Math.max(spec.stepMs, inferGrid(history.times)?.stepMs ?? 0);
  const grid = inferGrid(history.times, stepMs) ?? { stepMs, phaseMs: 0 };
  const times = Array.from(history.times);
  const values = Array.from(history.values, (value, i) => (isExcluded(policy, times[i]!) ? Number.NaN : value));
  const options = {
    horizonSteps: Math.max(1, Math.round(policy.horizonMs / stepMs)),
    peakWindowMs: Math.max(stepMs, Math.round(windowMs / stepMs) * stepMs),
    quantiles: ascending([
      ...quantiles,
      ...(policy.objective === undefined ? [] : TAIL_QUANTILES),
      ...(policy.shortageCost === undefined ? [] : PRICED_QUANTILES),
    ]),
    ...(calendar && { calendar }),
    ...network,
    seasons:
      policy.seasonsMs === 'auto' ? policy.seasonsMs : policy.seasonsMs.map((length) => Math.round(length / stepMs)),
  };
  let forecaster: Forecaster | null = null;
  let unfitted: ForecastReading = { kind: 'none', message: 'there are no rows yet' };
  let fittedAt = Number.NEGATIVE_INFINITY;
  /** The end of the last step that the forecaster has taken in, and the values of the step under way. */
  let end = Number.NEGATIVE_INFINITY;
  let open: number[] = [];

  const endOf = (time: number) => Math.ceil((time - grid.phaseMs) / stepMs) * stepMs + grid.phaseMs;

  function learn(): void {
    const { series } = toRegular({ times, values }, { ...grid, mostSteps: Math.ceil(spec.historyMs / stepMs) });
    const result = fitForecaster(series, options);
    end = series.start + (series.values.length - 1) * stepMs;
    open = [];
    fittedAt = times.at(-1)!;
    if (result.kind === 'fitted') forecaster = result.forecaster;
    else unfitted = result.kind === 'no-data' ? { kind: 'none', message: 'there are no rows yet' } : result;
  }

  function append(time: number, value: number): void {
    const known = isExcluded(policy, time) ? Number.NaN : value;
    if (forecaster === null) {
      times.push(time);
      values.push(known);
      if (time - fittedAt >= RETRY_MS) learn();
      return;
    }
    const stepEnd = endOf(time);
    if (stepEnd <= end) return;
    // Steps without a row between the last one and this are gaps.
    const gaps = Math.round((stepEnd - end) / stepMs) - 1;
    if (gaps > 0) {
      const added = new Float64Array(gaps).fill(Number.NaN);
      if (open.length > 0) added[0] = meanOf(open);
      open = [];
      forecaster.update(added);
      end += gaps * stepMs;
    }
    if (Number.isFinite(known)) open.push(known);
    if (time < stepEnd) return;
    forecaster.update([meanOf(open)]);
    open = [];
    end = stepEnd;
    if (end - fittedAt < REFIT_MS) return;
    forecaster.refit();
    fittedAt = end;
  }

  if (times.length > 0) learn();
  const readEach = () => {
    if (forecaster === null) return quantiles.map(() => unfitted);
    const forecast = forecaster.predict();
    return quantiles.map((quantile) => readingOf(forecast, { ...policy, quantile }, windowMs));
  };
  return { append, readEach, read: () => readEach()[0]! };
}

function readingOf(forecast: Forecast, policy: ScalingPolicy, windowMs: number): ForecastReading {
  const { issuedAt, peak, model, accuracy, historyMs } = forecast;
  const { quantile } = policy;
  const chosen =
    pricedQuantile(peak, policy, policy.demands[0]!.fill) ??
    peak.quantiles.find((entry) => entry.quantile === quantile);
  return {
    kind: 'ready',
    issuedAt,
    peak: finite(chosen?.value),
    windowMs,
    ...(peak.eventFactor !== undefined && { eventFactor: peak.eventFactor }),
    quantile: chosen?.quantile ?? quantile,
    ...(policy.objective !== undefined && {
      quantiles: peak.quantiles.map((entry) => ({ quantile: entry.quantile, value: finite(entry.value) })),
    }),
    model,
    maeVsLast: finite(accuracy.peakVsNaive) ?? finite(accuracy.maeVsLast),
    coverage: finite(accuracy.peakCoverage) ?? finite(accuracy.coverage),
    historyMs,
  };
}

function isExcluded({ exclude }: ScalingPolicy, time: number): boolean {
  return exclude.some(({ start, end }) => time >= start && time < end);
}

function ascending(list: readonly number[]): readonly number[] {
  return [...new Set(list)].sort((a, b) => a - b);
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function finite(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value : null;
}
