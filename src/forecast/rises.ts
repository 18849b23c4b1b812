import { type Channel, createChannel } from './channel.ts';
import type { ConformalScratch } from './intervals.ts';
import { largestIn } from './largest.ts';
import { seasonEarlier } from './local-clock.ts';
import type { MixTuning } from './mix.ts';
import { createRecall, recallOf, slotOf } from './recall.ts';
import type { Track } from './track.ts';
import { fromModel } from './transform.ts';

/**
 * What runs by the clock, a sale at six or the start of a shift, lifts demand within minutes once a day or once a week.
 * Its few origins say next to nothing among the hundreds of a day about who foresees it and by how much. Origins before
 * such rises are therefore a question of their own, with weights and residuals of their own. Plain data.
 */
export interface Rises {
  readonly channel: Channel;
  readonly cycles: readonly number[];
  /** Expected rises are looked at every so many steps when it is decided which of them are steep. */
  readonly stride: number;
  /** An origin belongs here from this expected rise on, in model space. */
  least: number;
}

/** Steep is what is among so large a share of all expected rises, and so many times their median: noise is not. */
const SHARE = 0.03;
const TIMES_MEDIAN = 2.5;
/** Seasons that decide which rises are steep. */
const JUDGED = 7;
/** Earlier days and weeks that are asked: a rise on half of the days, or in both weeks, is expected again. */
const DAYS = 4;
const WEEKS = 2;
/** A rise is steep against its season: the window is at most this share of it. */
const MOST_OF_SEASON = 1 / 12;
/** Origins before rises after which an error counts little more than a third: some days of a daily one. */
const REMEMBERED = 150;
const POWER = 6;
/** Few origins, and then few residuals, have to do at first: a weekly rise has eight of them in two weeks. */
const WARM_UP = 3;
const LEAST_SEEN = 5;

/** Expected rises of the days that are judged, by origin: a series has but one window and one set of cycles. */
const known = createRecall(16_384);

/** How lively a series is, as intervals are scaled by it. */
interface Spreads {
  readonly spreadZ: number;
  readonly spreadY: number;
}

/** Whether enough of them came true for quantiles, rough ones at first: the ordinary ones are sure to miss. */
export function isLearnt({ channel }: Rises): boolean {
  return channel.conformal.scores[0]!.seen >= LEAST_SEEN;
}

/** Whether rises of a season can be told from the season itself. */
export function canExpectRises(cycles: readonly number[], window: number): boolean {
  return cycles[0] !== undefined && window <= MOST_OF_SEASON * cycles[0];
}

/** @returns Undefined where there is no season that leads to expect any. */
export function createRises(
  experts: number,
  window: number,
  { cycles, stride, scratch }: Pick<Rises, 'cycles' | 'stride'> & { readonly scratch: ConformalScratch },
): Rises | undefined {
  if (!canExpectRises(cycles, window)) return undefined;
  const day = cycles[0]!;
  const tuning: MixTuning = {
    memories: [{ horizons: 0, dayShare: REMEMBERED / day }],
    nearPower: POWER,
    farPower: POWER,
  };
  const scoring = { stride: 1, day, warmUp: WARM_UP, naives: 1, residualDays: 0, tuning, scratch };
  return { channel: createChannel(experts, window, scoring), cycles, stride, least: Number.POSITIVE_INFINITY };
}

/** Decides anew which expected rises are steep. */
export function refitRises(rises: Rises, track: Track): void {
  const { channel, cycles, stride } = rises;
  const expected = new Float64Array(Math.ceil((JUDGED * cycles[0]!) / stride));
  let count = 0;
  for (let origin = Math.max(0, track.length - JUDGED * cycles[0]!); origin < track.length; origin += stride) {
    const rise = expectedRise(track, origin, channel.horizon, cycles);
    if (!Number.isNaN(rise)) expected[count++] = rise;
  }
  if (count === 0) return;
  const sorted = expected.subarray(0, count).sort();
  rises.least = Math.max(sorted[Math.floor((1 - SHARE) * (count - 1))]!, TIMES_MEDIAN * sorted[count >> 1]!);
}

/**
 * How lively things are just before a steep rise: as they are now, and in proportion to the rise. Undefined where none
 * is expected.
 */
export function spreadsBeforeRise(rises: Rises, track: Track, origin: number, now: Spreads): Spreads | undefined {
  const rise = expectedRise(track, origin, rises.channel.horizon, rises.cycles);
  if (!(rise >= rises.least && rise > 0)) return undefined;
  const { transform, z } = track;
  const rising = fromModel(transform, z[origin]! + rise) - fromModel(transform, z[origin]!);
  return { spreadZ: now.spreadZ + rise, spreadY: now.spreadY + rising };
}

/**
 * How far the peak of the window lay above the least of the window before it at this time of earlier seasons, in model
 * space: the median of the last days, or what both of the last weeks had where that is more. NaN where there is none.
 */
export function expectedRise(track: Track, origin: number, window: number, cycles: readonly number[]): number {
  const { places, values } = recallOf(known, track);
  const slot = slotOf(known, origin);
  if (places[slot] !== origin) {
    values[slot] = workedOut(track, origin, window, cycles);
    places[slot] = origin;
  }
  return values[slot]!;
}

function workedOut(track: Track, origin: number, window: number, [day, week]: readonly number[]): number {
  const daily = earlierRises(track, origin, window, { season: day!, most: DAYS });
  daily.sort((a, b) => b - a);
  const usual = daily[daily.length >> 1] ?? Number.NaN;
  const weekly = week === undefined ? [] : earlierRises(track, origin, window, { season: week, most: WEEKS });
  return weekly.length < WEEKS ? usual : Math.max(usual, Math.min(...weekly));
}

function earlierRises(
  track: Track,
  origin: number,
  window: number,
  { season, most }: { readonly season: number; readonly most: number },
): number[] {
  const found: number[] = [];
  let t = seasonEarlier(track, origin, season);
  for (; found.length < most && t >= window; t = seasonEarlier(track, t, season)) {
    found.push(largestIn(track, t + 1, Math.min(t + window, origin) + 1) - leastBefore(track, t, window));
  }
  return found;
}

/** The least value in [origin - window, origin], in model space. */
export function leastBefore({ z }: Track, origin: number, window: number): number {
  let least = z[origin]!;
  for (let t = Math.max(0, origin - window); t < origin; t++) if (z[t]! < least) least = z[t]!;
  return least;
}
