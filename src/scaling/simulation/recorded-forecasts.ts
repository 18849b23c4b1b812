import { type Samples, upperBound } from '../../model/series.ts';
import type { Millis } from '../../model/time.ts';
import type { ForecastReading } from '../plan-types.ts';
import type { TraceForecaster } from './strategies.ts';

/** A forecaster that is read for several quantiles at once, each in its place. */
export interface QuantilesForecaster extends Pick<TraceForecaster, 'append'> {
  readEach(): readonly ForecastReading[];
}

/** What was forecast after each row, so that it need not be forecast again for each way of using it. */
export interface RecordedForecasts {
  /** A forecaster that says what was recorded, for the quantile in this place. It is as causal as the recorded one. */
  replay(quantile: number): (history: Samples) => TraceForecaster;
}

/**
 * Runs a forecaster once over all rows after `from`, and keeps its readings.
 * @param open Is given the rows up to `from`.
 */
export function recordForecasts(
  rows: Samples,
  from: Millis,
  open: (history: Samples) => QuantilesForecaster,
): RecordedForecasts {
  const first = upperBound(rows.times, from);
  const forecaster = open({ times: rows.times.subarray(0, first), values: rows.values.subarray(0, first) });
  const readings = [forecaster.readEach()];
  for (let i = first; i < rows.times.length; i++) {
    forecaster.append(rows.times[i]!, rows.values[i]!);
    readings.push(forecaster.readEach());
  }
  return {
    replay: (quantile) => (history) => {
      let known = history.times.length;
      return {
        append: () => {
          known++;
        },
        read: () => readings[Math.max(0, known - first)]![quantile]!,
      };
    },
  };
}
