import type { ForecastScore, HorizonSums } from '../model/issued-forecast.ts';
import type { Scored } from './pending.ts';

const NO_SUMS: HorizonSums = {
  count: 0,
  absoluteError: 0,
  absoluteErrorOfLast: 0,
  absoluteErrorOfRecent: 0,
  seasonCount: 0,
  absoluteErrorBesideSeason: 0,
  absoluteErrorOfSeason: 0,
  covered: 0,
  complete: 0,
  within: 0,
  bias: 0,
  size: 0,
};

/** One more forecast that came true; what was there keeps `kept` of its weight. */
export function addScored(sums: HorizonSums = NO_SUMS, { pending, truth }: Scored, kept = 1): HorizonSums {
  const { point, upper, low, high, last, season, recent } = pending;
  const error = Math.abs(point - truth);
  const hasSeason = season !== null;
  const isComplete = low !== null && high !== null;
  const added: HorizonSums = {
    count: 1,
    absoluteError: error,
    absoluteErrorOfLast: Math.abs(last - truth),
    absoluteErrorOfRecent: recent === null ? 0 : Math.abs(recent - truth),
    seasonCount: hasSeason ? 1 : 0,
    absoluteErrorBesideSeason: hasSeason ? error : 0,
    absoluteErrorOfSeason: hasSeason ? Math.abs(season - truth) : 0,
    covered: isAbove(truth, upper) ? 0 : 1,
    complete: isComplete ? 1 : 0,
    within: isComplete && !isAbove(low, truth) && !isAbove(truth, high) ? 1 : 0,
    bias: isComplete ? point - truth : 0,
    size: isComplete ? Math.abs(truth) : 0,
  };
  return combined(sums, added, kept);
}

/** Forecasts are made and kept to seven digits or so: what holds still lies as often as not a digit beyond its bounds. */
const SAME = 1e-6;

/** Whether a value is above another by more than the digits that forecasts have. */
export function isAbove(value: number, bound: number): boolean {
  return value - bound > SAME * Math.abs(value);
}

function combined(a: HorizonSums, b: HorizonSums, kept: number): HorizonSums {
  const names = Object.keys(NO_SUMS) as (keyof HorizonSums)[];
  return Object.fromEntries(names.map((name) => [name, a[name] * kept + b[name]])) as unknown as HorizonSums;
}

/** A day's record as the first version wrote it: the step at the end of the peak's window alone. */
interface FirstScore extends Pick<HorizonSums, 'count' | 'absoluteError' | 'absoluteErrorOfLast' | 'covered'> {
  readonly day: number;
}

/** A day's record, as this version or the first one wrote it. */
export function readScore(record: ForecastScore | FirstScore): ForecastScore {
  if ('horizons' in record) return record;
  const { day, ...sums } = record;
  return { day, horizons: { window: { ...NO_SUMS, ...sums } } };
}
