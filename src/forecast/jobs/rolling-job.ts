import type { Millis } from '../../model/time.ts';
import { rollingForecasts } from '../backtest.ts';
import {
  type BacktestSums,
  backtestSums,
  CALIBRATION_QUANTILES,
  inSampleScale,
  pathOf,
  scoreForecast,
} from '../backtest-sums.ts';
import type { Network } from '../forecaster-options.ts';
import { MOST_STEPS, toRegular } from '../prepare.ts';
import { gridUntil, MOST_HISTORY_STEPS, type SeriesInput, withoutExcluded } from './series-input.ts';

export interface RollingJob extends SeriesInput {
  readonly kind: 'rolling';
  readonly horizonSteps: number;
  readonly seasons: 'auto' | readonly number[];
  readonly quantiles: readonly number[];
  /** The first origin, and the time between two. */
  readonly from: Millis;
  readonly everyMs: number;
}

export type RollingJobResult =
  | {
      readonly kind: 'rolling';
      readonly stepMs: number;
      /** For each origin, the time of the last sample used, and the end of the step that it belongs to. */
      readonly origins: Float64Array;
      readonly issuedAt: Float64Array;
      /** Origin by origin, step by step: the mean, then each quantile. */
      readonly cells: Float64Array;
      /** Errors of those forecasts, as far as what came is known. */
      readonly sums: BacktestSums;
    }
  /** Fewer than two samples at or before the first origin, or too little history at every origin. */
  | { readonly kind: 'no-data' }
  /** The time between two origins is no multiple of the series' step. */
  | { readonly kind: 'uneven'; readonly stepMs: number };

/** The deployed mix's forecasts as it moves along one series. */
export function doRolling(job: RollingJob, network: Network): RollingJobResult {
  const { from, everyMs, horizonSteps, seasons, times, values, calendar } = job;
  // The grid may not depend on what comes after the first origin either.
  const grid = gridUntil(job, from);
  if (grid === undefined) return { kind: 'no-data' };
  const { stepMs } = grid;
  const everySteps = Math.round(everyMs / stepMs);
  if (everySteps * stepMs !== everyMs) return { kind: 'uneven', stepMs };
  const regular = toRegular(around(job, stepMs), { ...grid, mostSteps: 2 * MOST_STEPS });
  const series = withoutExcluded(regular.series, calendar);
  const wanted = job.quantiles;
  const options = {
    ...network,
    horizonSteps,
    peakWindowMs: stepMs,
    seasons,
    quantiles: [...new Set([...wanted, ...CALIBRATION_QUANTILES])],
    firstLength: Math.floor((from - series.start) / stepMs) + 1,
    everySteps,
    mostSteps: MOST_HISTORY_STEPS,
    ...(calendar && { calendar }),
  };
  const sums = backtestSums(horizonSteps);
  const lastUsed = lastSampleTimes(times, values);
  const origins: number[] = [];
  const issuedAt: number[] = [];
  const blocks: Float64Array[] = [];
  for (const forecast of rollingForecasts(series, options)) {
    origins.push(lastUsed(forecast.issuedAt));
    issuedAt.push(forecast.issuedAt);
    const paths = [forecast.point, ...wanted.map((quantile) => pathOf(forecast, quantile))];
    const block = new Float64Array(horizonSteps * paths.length);
    for (let h = 0, at = 0; h < horizonSteps; h++) for (const path of paths) block[at++] = path[h]!;
    blocks.push(block);
    const seen = Math.round((forecast.issuedAt - series.start) / stepMs) + 1;
    const scale = inSampleScale(series.values.subarray(0, seen), forecast.seasons[0] ?? 1);
    scoreForecast(sums, forecast, series.values.subarray(seen, seen + horizonSteps), scale);
  }
  if (origins.length === 0) return { kind: 'no-data' };
  return {
    kind: 'rolling',
    stepMs,
    origins: Float64Array.from(origins),
    issuedAt: Float64Array.from(issuedAt),
    cells: joined(blocks),
    sums,
  };
}

/** As many steps before the first origin as go on a grid, and as many after it: a later end cuts no beginning off. */
function around({ times, values, from }: RollingJob, stepMs: number): Pick<RollingJob, 'times' | 'values'> {
  const width = (MOST_STEPS - 1) * stepMs;
  const isKept = (_: number, i: number) => Math.abs(times[i]! - from) < width;
  return { times: times.filter(isKept), values: values.filter(isKept) };
}

function joined(blocks: readonly Float64Array[]): Float64Array {
  const whole = new Float64Array(blocks.reduce((sum, block) => sum + block.length, 0));
  let at = 0;
  for (const block of blocks) {
    whole.set(block, at);
    at += block.length;
  }
  return whole;
}

/** The time of the newest sample at or before an instant. Asked with ascending instants. */
function lastSampleTimes(times: Float64Array, values: Float64Array): (instant: Millis) => Millis {
  const sorted = times.filter((_, i) => Number.isFinite(values[i]!)).sort();
  let at = 0;
  return (instant) => {
    while (at + 1 < sorted.length && sorted[at + 1]! <= instant) at++;
    return sorted[at]!;
  };
}
