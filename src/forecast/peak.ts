import type { FeaturePlan } from './features.ts';
import { horizonFeatures } from './features.ts';
import { largestIn, largestKnown } from './largest.ts';
import { seasonBefore, seasonEarlier } from './local-clock.ts';
import type { Model, ModelContext } from './models/model.ts';
import { rhythmPeak } from './models/rhythm.ts';
import { type HorizonRegressors, ridges } from './models/ridge.ts';
import { canExpectRises, expectedRise, leastBefore } from './rises.ts';
import { blockMean, type Track } from './track.ts';

/** A row about peaks is worth half after five weeks: there are few peaks. */
const PEAK_KEPT_PER_DAY = 0.98;

/**
 * Models of the largest value within the next `window` steps. It is a question of its own: the largest of the per-step
 * quantiles is not the quantile of the largest. `horizons` is always the one window.
 */
export function peakModels(context: ModelContext): readonly Model[] {
  const window = context.knots[0]!;
  const [first, second] = context.cycles;
  // Neighbouring windows share most of their values: three in four say nothing new at a step of a minute.
  const rowStride = Math.max(1, Math.round(context.historyLength / 12_000));
  const options = { target: peakAhead, regressors: peakRegressors, rowStride, evenly: true };
  const models = [recentPeak(), ...ridges(context, [{ name: 'peak-ridge', keptPerDay: PEAK_KEPT_PER_DAY }], options)];
  if (canExpectRises(context.cycles, window)) models.push(usualRise(context.cycles));
  if (first !== undefined) models.push(peakLastSeason('yesterday-peak', first, window));
  if (second !== undefined) models.push(peakLastSeason('last-week-peak', second, window));
  for (const season of context.rhythms ?? []) models.push(rhythmPeak(season));
  return models;
}

/** The largest known value in (origin, origin + window], in model space relative to the last value. */
function peakAhead(track: Track, origin: number, window: number): number {
  const peak = largestKnown(track, origin + 1, origin + window + 1);
  return peak - track.z[origin]!;
}

function recentPeak(): Model {
  return {
    name: 'recent-peak',
    refit() {},
    predict(track, origin, horizons, out) {
      for (let i = 0; i < horizons.length; i++) out[i] = largestIn(track, origin + 1 - horizons[i]!, origin + 1);
    },
  };
}

/** The least of the last window, raised by what this time of earlier days or weeks leads to expect. */
function usualRise(cycles: readonly number[]): Model {
  return {
    name: 'usual-rise',
    refit() {},
    predict(track, origin, horizons, out) {
      for (let i = 0; i < horizons.length; i++)
        out[i] = leastBefore(track, origin, horizons[i]!) + expectedRise(track, origin, horizons[i]!, cycles);
    },
  };
}

/** The peak of the same window a season ago, moved by how far the last hour or so is off the one before it. */
function peakLastSeason(name: string, season: number, window: number): Model {
  const level = Math.max(2, window);
  return {
    name,
    refit() {},
    predict(track, origin, horizons, out) {
      for (let i = 0; i < horizons.length; i++) {
        const end = seasonBefore(track, origin, horizons[i]!, season);
        const start = end - horizons[i]!;
        if (start < level || start >= origin) {
          out[i] = Number.NaN;
          continue;
        }
        const then = blockMean(track, start + 1 - level, start + 1);
        const now = blockMean(track, origin + 1 - level, origin + 1);
        out[i] = largestIn(track, start + 1, Math.min(end, origin) + 1) + 0.7 * (now - then);
      }
    },
  };
}

/** Seasons behind the mean of earlier peaks. */
const SEASONS_AVERAGED = 4;

/** To the regressors of a step at the window's end: the last window's peak and mean, and the peaks of earlier seasons. */
function peakRegressors(plan: FeaturePlan): HorizonRegressors {
  const [first, second] = plan.cycles;
  const shared = plan.horizonCount;
  return {
    count: shared + 2 + (first === undefined ? 0 : 3) + (second === undefined ? 0 : 1),
    write(track, origin, window, out) {
      const last = track.z[origin]!;
      horizonFeatures(plan, track, origin, window, out);
      let at = shared;
      out[at++] = largestIn(track, origin + 1 - window, origin + 1) - last;
      out[at++] = blockMean(track, origin + 1 - window, origin + 1) - last;
      if (first === undefined) return;
      const end = seasonBefore(track, origin, window, first);
      const yesterday = largestIn(track, end - window + 1, end + 1);
      let sum = 0;
      let count = 0;
      for (let t = end; count < SEASONS_AVERAGED && t >= 0; t = seasonEarlier(track, t, first)) {
        sum += largestIn(track, t - window + 1, t + 1);
        count++;
      }
      out[at++] = yesterday - last;
      out[at++] = sum / count - last;
      out[at++] = blockMean(track, end - window + 1, end + 1) - last;
      if (second === undefined) return;
      const lastWeek = seasonBefore(track, origin, window, second);
      out[at++] = largestIn(track, lastWeek - window + 1, lastWeek + 1) - last;
    },
  };
}
