import { HOUR, type Millis } from '../model/time.ts';
import type { SpendAhead } from './budget.ts';

const DAY_HOURS = 24;
const WEEK_HOURS = 168;
/** Weeks that a pattern is made of. */
const WEEKS = 4;
/** With less than a day nothing is projected. */
const LEAST_HOURS = DAY_HOURS;
/** The level follows so many last days. */
const LEVEL_HOURS = WEEK_HOURS;
/** Of a normal distribution: the central 95 %. */
const Z = 1.96;

/** Spend hour by hour, the last value that of the hour before `end`. NaN: not known. */
export interface HourlySpend {
  readonly end: Millis;
  readonly values: Float64Array;
}

/**
 * What comes if it goes on as in the last weeks: the mean of each hour of the week (of the day, with less than two
 * weeks), at the level of the last seven days. The interval is made of how far whole days were off, which adds up by
 * the root of their number, and of how well the level is known, which adds up by their number.
 *
 * @returns Undefined with less than a day of known hours.
 */
export function projectPattern({ end, values }: HourlySpend, hours: number): SpendAhead | undefined {
  const first = Math.max(0, values.length - WEEKS * WEEK_HOURS);
  const known = countKnown(values, first);
  if (known < LEAST_HOURS) return undefined;
  const season = known >= 2 * WEEK_HOURS ? WEEK_HOURS : DAY_HOURS;
  const means = seasonMeans(values, first, season, end);
  const slotOf = (i: number) => slot(end - (values.length - i) * HOUR, season);
  let [was, expected] = [0, 0];
  for (let i = Math.max(first, values.length - LEVEL_HOURS); i < values.length; i++) {
    if (Number.isNaN(values[i]!)) continue;
    was += values[i]!;
    expected += means[slotOf(i)]!;
  }
  const level = expected > 0 ? was / expected : 1;
  const { noise, drift, days } = dayErrors(values, first, (i) => means[slotOf(i)]!);
  const levelDays = Math.max(1, Math.min(days, LEVEL_HOURS / DAY_HOURS));
  // A mean of days says where the level was in their middle, as well as their noise lets it.
  const levelNoise = Math.sqrt(noise ** 2 / levelDays + (drift ** 2 * levelDays) / 3);
  // Of few days, the spread itself is hardly known (Student).
  const times = Z + 2.6 / Math.max(1, days - 1);
  const sums = new Float64Array(hours);
  const lower = new Float64Array(hours);
  const upper = new Float64Array(hours);
  let sum = 0;
  for (let h = 0; h < hours; h++) {
    sum += level * means[slot(end + h * HOUR, season)]!;
    const ahead = (h + 1) / DAY_HOURS;
    const width = times * Math.sqrt(ahead * noise ** 2 + ahead ** 2 * levelNoise ** 2 + (ahead ** 3 * drift ** 2) / 3);
    sums[h] = sum;
    lower[h] = Math.max(0, sum - width);
    upper[h] = sum + width;
  }
  return { from: end, sums, lower, upper, made: 'pattern' };
}

function seasonMeans(values: Float64Array, first: number, season: number, end: Millis): Float64Array {
  const sums = new Float64Array(season);
  const counts = new Float64Array(season);
  let [all, count] = [0, 0];
  for (let i = first; i < values.length; i++) {
    if (Number.isNaN(values[i]!)) continue;
    const at = slot(end - (values.length - i) * HOUR, season);
    sums[at]! += values[i]!;
    counts[at]!++;
    all += values[i]!;
    count++;
  }
  return sums.map((sum, at) => (counts[at]! > 0 ? sum / counts[at]! : all / count));
}

function slot(at: Millis, season: number): number {
  return Math.floor(at / HOUR) % season;
}

/** A level drifts by this much a day at least, of a day's mean: few weeks do not show what a longer time does. */
const LEAST_DRIFT = 0.01;

/**
 * What whole days were off from what was expected of them: noise, of each day for itself, and drift, by which the level
 * itself moves in a day. Both are read off how far days are apart that follow each other, and days a week apart. With
 * fewer than three days, noise is a tenth of a day's mean.
 */
function dayErrors(values: Float64Array, first: number, expected: (i: number) => number) {
  /** The newest first; NaN where too little of a day is known. */
  const errors: number[] = [];
  let [total, days] = [0, 0];
  for (let to = values.length; to - DAY_HOURS >= first; to -= DAY_HOURS) {
    let [error, known, sum] = [0, 0, 0];
    for (let i = to - DAY_HOURS; i < to; i++) {
      if (Number.isNaN(values[i]!)) continue;
      error += values[i]! - expected(i);
      sum += values[i]!;
      known++;
    }
    const isKnown = known >= DAY_HOURS / 2;
    errors.push(isKnown ? (error * DAY_HOURS) / known : Number.NaN);
    if (!isKnown) continue;
    total += (sum * DAY_HOURS) / known;
    days++;
  }
  const mean = days === 0 ? 0 : total / days;
  const least = LEAST_DRIFT * mean;
  if (days < 3) return { noise: 0.1 * mean, drift: least, days };
  const apart = Math.max(2, Math.min(7, days >> 1));
  const [next, far] = [apartBy(errors, 1), apartBy(errors, apart)];
  const drift = Math.sqrt(Math.max(0, (far - next) / (apart - 1)));
  const noise = Math.sqrt(Math.max(0, (next - drift ** 2) / 2));
  return { noise, drift: Math.max(least, drift), days };
}

/** The mean square of the difference of days so far apart. */
function apartBy(errors: readonly number[], days: number): number {
  let [sum, count] = [0, 0];
  for (let i = days; i < errors.length; i++) {
    const difference = errors[i]! - errors[i - days]!;
    if (Number.isNaN(difference)) continue;
    sum += difference ** 2;
    count++;
  }
  return count === 0 ? 0 : sum / count;
}

function countKnown(values: Float64Array, first: number): number {
  let known = 0;
  for (let i = first; i < values.length; i++) if (!Number.isNaN(values[i]!)) known++;
  return known;
}

/** What replicas cost hour by hour as sums; `lower` and `upper` are taken to go together. */
export function aheadOf(
  from: Millis,
  paths: { readonly mean: Float64Array; readonly lower: Float64Array; readonly upper: Float64Array },
): SpendAhead {
  const cumulative = (path: Float64Array) => {
    let sum = 0;
    return path.map((value) => {
      sum += value;
      return sum;
    });
  };
  return {
    from,
    sums: cumulative(paths.mean),
    lower: cumulative(paths.lower),
    upper: cumulative(paths.upper),
    made: 'forecast',
  };
}

/**
 * The largest number of replicas at which what is left lasts to the end, if demand goes as projected; 1 at least.
 * @param hourly What is projected, an amount an hour.
 * @param perReplicaHour Above 0.
 */
export function affordableReplicas(hourly: Float64Array, perReplicaHour: number, left: number): number {
  const costAt = (replicas: number) =>
    hourly.reduce((sum, amount) => sum + Math.min(amount, replicas * perReplicaHour), 0);
  let [low, high] = [
    1,
    Math.max(1, Math.ceil(hourly.reduce((most, each) => Math.max(most, each), 0) / perReplicaHour)),
  ];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (costAt(middle) <= left) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** A maximum on its way down: a tenth, or one replica, at a time. */
export function nextCeiling(present: number, target: number): number {
  return Math.max(target, Math.min(present - 1, Math.floor(present * 0.9)));
}

/** The same where each hour costs so many times as much as was projected. */
export function timesFactor({ sums, lower, upper, ...of }: SpendAhead, factors: Float64Array): SpendAhead {
  const scaled = (path: Float64Array) => {
    let sum = 0;
    return path.map((value, h) => {
      sum += (value - (h === 0 ? 0 : path[h - 1]!)) * factors[h]!;
      return sum;
    });
  };
  return { ...of, sums: scaled(sums), lower: scaled(lower), upper: scaled(upper) };
}
