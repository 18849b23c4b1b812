import type { ForecastAccuracy } from '../model/forecast.ts';
import type { Channel } from './channel.ts';
import { LEAST_RESIDUALS } from './intervals.ts';
import { skillOf } from './skill.ts';

/** How the deployed mix did: of the steps over all scored origins, of the peak over the last days. */
export function accuracyOf(channels: readonly Channel[], peak: Channel): ForecastAccuracy {
  const total = { errors: 0, error: 0, naiveError: 0, watched: 0, covered: 0 };
  let origins = 0;
  for (const { sums } of channels) {
    origins = Math.max(origins, sums.origins);
    total.errors += sums.origins;
    total.error += sums.error;
    total.naiveError += sums.naiveError;
    total.watched += sums.watched;
    total.covered += sums.covered;
  }
  return {
    mae: total.errors > 0 ? total.error / total.errors : Number.NaN,
    maeVsLast: total.naiveError > 0 ? total.error / total.naiveError : total.errors > 0 ? 1 : Number.NaN,
    coverage: shareOf(total),
    origins,
    peakVsNaive: peak.skill === undefined ? Number.NaN : skillOf(peak.skill),
    peakCoverage: shareOf(peak.sums),
  };
}

function shareOf({ covered, watched }: { readonly covered: number; readonly watched: number }): number {
  return watched >= LEAST_RESIDUALS ? covered / watched : Number.NaN;
}
