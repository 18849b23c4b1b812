import { median, probit } from 'simple-statistics';
import { HOUR } from '../model/time.ts';
import type { SpecialTime } from './calendar.ts';
import { localStep, movedBy } from './local-clock.ts';
import { isSpecial, type LearnedSpecial, MOST_LEARNED, type SpecialWindow } from './special-times.ts';
import { appendValue, blockMean, isKnown, rewriteValues, type Track } from './track.ts';
import { fromModel, toModel } from './transform.ts';

/** The share of the way from an ordinary day to the last rest days that a day off is expected to go before any was seen. */
const REST_SHARE = 0.5;
/** The standard deviation of that share: nothing and the whole way are both likely enough. */
const REST_SHARE_SPREAD = 0.35;
/** The standard deviation, in model space, of the effect of a calendar's entry within a day. */
const TIME_SPREAD = 0.25;
const SHARE_LIMITS = [-0.5, 1.5] as const;
/** A learned effect stays within a factor of ten either way. */
const MOST_EFFECT = Math.log(10);
/** Earlier weeks behind what is ordinary, and behind the rest day's shape. */
const WEEKS = 3;
/** What an hour inside a special time shows of its effect fades into what is still unknown within a few. */
const SEEN_MS = 3 * HOUR;

/** How a value of a special time differs from an ordinary one: y = factor * fromModel(z + add). */
export interface SpecialEffect {
  readonly add: number;
  readonly factor: number;
  /** Standard deviation of `add`. */
  readonly spread: number;
  /** The time is one to learn nothing from: its value is not looked at. */
  readonly hidden: boolean;
}

const NO_EFFECT: SpecialEffect = { add: 0, factor: 1, spread: 0, hidden: false };

/** The effect expected at `t` by what is known at `origin`. */
export function effectAt(track: Track, t: number, origin: number): SpecialEffect {
  if (!isSpecial(track, t)) return NO_EFFECT;
  const specials = track.specials!;
  let add = 0;
  let factor = 1;
  let variance = 0;
  let hidden = false;
  for (const window of specials.windows) {
    if (t < window.from || t >= window.to) continue;
    if (window.kind === 'excluded') hidden = true;
    else if (window.kind === 'event') factor *= window.factor ?? 1;
    else {
      const rest = window.kind === 'day' ? restOff(track, t, origin) : 0;
      const { share, level, spread } = expected(specials.learned, window, rest);
      add += share * rest + level;
      // What was seen of the window so far speaks for its next hours.
      const ahead = origin >= window.from ? 1 - Math.exp(((origin - t) * specials.stepMs) / SEEN_MS) : 1;
      variance += spread * spread * ahead;
    }
  }
  return { add, factor, spread: Math.sqrt(variance), hidden };
}

/**
 * What earlier windows say about one: of the same name once there are two, else of the same calendar. One window alone
 * says nothing yet, of n windows (n - 1) / n is believed.
 */
function expected(
  learned: readonly LearnedSpecial[],
  { kind, source, name }: SpecialTime,
  rest: number,
): { share: number; level: number; spread: number } {
  const alike = learned.filter((one) => one.source === source && one.kind === kind);
  const known = alike.length > 1 ? believed(alike) : 0;
  const prior = kind === 'day' ? REST_SHARE : 0;
  const squares = alike.reduce((sum, one) => sum + one.restSquare, 0);
  const products = alike.reduce((sum, one) => sum + one.product, 0);
  const found = squares > 1e-6 ? clamp(products / squares, ...SHARE_LIMITS) : prior;
  const share = prior + known * (found - prior);
  const levelOf = (some: readonly LearnedSpecial[]) => median(some.map((one) => one.off - found * one.rest));
  let level = known > 0 ? known * levelOf(alike) : 0;
  const same = alike.filter((one) => one.name === name);
  if (same.length > 1) level += believed(same) * (levelOf(same) - level);
  level = clamp(level, -MOST_EFFECT, MOST_EFFECT);
  const unseen = kind === 'day' ? REST_SHARE_SPREAD * rest : TIME_SPREAD;
  const missed = alike.reduce((sum, one) => sum + (one.off - share * one.rest - level) ** 2, 0);
  return { share, level, spread: Math.sqrt((unseen * unseen + missed) / (1 + alike.length)) };
}

function believed({ length }: readonly unknown[]): number {
  return (length - 1) / length;
}

/** How far the last rest days are off the same weekdays of the last weeks, at the time of day of `t`. */
function restOff(track: Track, t: number, origin: number): number {
  const { day, firstDay, firstPhase } = track.specials!;
  const localDay = Math.floor((localStep(track, t) + firstPhase) / day);
  const back = (firstDay + localDay) % 7;
  if (back === 0) return 0;
  const ordinary = earlierMean(track, t, 7, origin);
  const rest = earlierMean(track, t, back, origin);
  return Number.isNaN(ordinary) || Number.isNaN(rest) ? 0 : rest - ordinary;
}

/** The mean of what was at this time of day `days` days ago and weeks before that. NaN where nothing was. */
function earlierMean(track: Track, t: number, days: number, origin: number): number {
  const { day, stepMs } = track.specials!;
  // A quarter of an hour either way: a single minute of another day says little.
  const half = Math.floor((15 * 60_000) / stepMs);
  let sum = 0;
  let count = 0;
  for (let back = days; count < WEEKS; back += 7) {
    const at = movedBy(track, t, -back * day);
    if (at < 0) break;
    if (at > origin) continue;
    sum += blockMean(track, at - half, Math.min(at + half, origin) + 1);
    count++;
  }
  return count > 0 ? sum / count : Number.NaN;
}

/**
 * What an ordinary time would have been at `t`, by what came before `from`: the same time of the week in earlier weeks,
 * at the level of the day before `from`; while there is no earlier week, the day before. NaN where there is neither.
 */
function ordinaryAt(track: Track, t: number, from: number): number {
  const { day } = track.specials!;
  const level = blockMean(track, from - day, from);
  let sum = 0;
  let count = 0;
  for (let back = 7 * day; count < WEEKS; back += 7 * day) {
    const at = movedBy(track, t, -back);
    const levelEnd = movedBy(track, from, -back);
    if (levelEnd < day) break;
    if (at >= from) continue;
    sum += track.z[at]! - blockMean(track, levelEnd - day, levelEnd);
    count++;
  }
  if (count > 0) return level + sum / count;
  for (let at = movedBy(track, t, -day); at >= 0; at = movedBy(track, at, -day)) if (at < from) return track.z[at]!;
  return Number.NaN;
}

/** Appends the next value to the track; one of a special time as an ordinary one. */
export function takeValue(track: Track, value: number): void {
  const z = isSpecial(track, track.length) ? ordinaryValue(track, track.length, value) : Number.NaN;
  appendValue(track, value, z);
}

/** The value of a special step as an ordinary one, in model space; what is hidden or missing is what is ordinary. */
function ordinaryValue(track: Track, t: number, value: number): number {
  const effect = effectAt(track, t, t - 1);
  const known = Number.isFinite(value) && !effect.hidden;
  if (known) return toModel(track.transform, value / effect.factor) - effect.add;
  const { begins, ends } = track.specials!;
  return ordinaryAt(track, t, Math.min(t, begins[ends.findIndex((end) => end > t)]!));
}

/**
 * Learns from the special times that are over, then puts what would have been ordinary in their place: no day after
 * looks back on them, and no model learns from them. Called before a value is appended.
 */
export function closeSpecials(track: Track): void {
  const { specials } = track;
  if (specials === undefined) return;
  for (; specials.next < specials.windows.length; specials.next++) {
    const window = specials.windows[specials.next]!;
    if (window.to > track.length) return;
    const ordinary = Float64Array.from({ length: window.to - window.from }, (_, i) =>
      ordinaryAt(track, window.from + i, window.from),
    );
    if (ordinary.some(Number.isNaN)) continue;
    const learned = learnFrom(track, window, ordinary);
    rewriteValues(track, window.from, ordinary);
    if (learned !== undefined) specials.learned.push(learned);
    if (specials.learned.length > MOST_LEARNED) specials.learned.shift();
  }
}

function learnFrom(track: Track, window: SpecialWindow, ordinary: Float64Array): LearnedSpecial | undefined {
  const { transform, specials } = track;
  const others = specials!.windows.filter((one) => one !== window && one.from < window.to && one.to > window.from);
  const { kind, source, name, start } = window;
  const sums = { steps: 0, off: 0, rest: 0, restSquare: 0, product: 0, demand: 0, ordinary: 0 };
  for (let t = window.from; t < window.to; t++) {
    const value = givenAt(track, t);
    if (Number.isNaN(value) || others.some(({ from, to }) => t >= from && t < to)) continue;
    const usual = ordinary[t - window.from]!;
    const rest = kind === 'day' ? restOff(track, t, window.from - 1) : 0;
    const off = toModel(transform, value) - usual;
    sums.steps++;
    sums.off += off;
    sums.rest += rest;
    sums.restSquare += rest * rest;
    sums.product += rest * off;
    sums.demand += value;
    sums.ordinary += fromModel(transform, usual);
  }
  const { steps } = sums;
  // A time of which little is known says nothing.
  if (kind === 'excluded' || 2 * steps < window.to - window.from) return undefined;
  return {
    ...{ kind, source, name, start },
    off: sums.off / steps,
    rest: sums.rest / steps,
    restSquare: sums.restSquare / steps,
    product: sums.product / steps,
    ratio: sums.demand / sums.ordinary,
  };
}

/** The value of a special step as it was given; NaN where it was not. Nothing of its time was learnt since. */
function givenAt(track: Track, t: number): number {
  if (!isKnown(track, t)) return Number.NaN;
  const { add, factor, hidden } = effectAt(track, t, t - 1);
  return hidden ? Number.NaN : factor * fromModel(track.transform, track.z[t]! + add);
}

/**
 * Carries a forecast made for an ordinary time over to a special one: shifts and multiplies it, and widens its quantiles
 * by how unsure the effect is.
 *
 * @param z The point forecast in model space.
 * @param made Values at `quantiles`, ascending, in the series' unit: replaced.
 * @returns The point forecast in the series' unit.
 */
export function asSpecial(
  { transform }: Track,
  { add, factor, spread }: SpecialEffect,
  z: number,
  quantiles: readonly number[],
  made: Float64Array,
): number {
  if (add === 0 && factor === 1 && spread === 0) return fromModel(transform, z);
  for (let j = 0; j < made.length; j++) {
    if (Number.isNaN(made[j]!)) continue;
    const off = toModel(transform, made[j]!) - z;
    const unsure = spread > 0 ? probit(quantiles[j]!) * spread : 0;
    const wider = Math.hypot(off, unsure) - Math.abs(off);
    made[j] = factor * fromModel(transform, z + add + off + Math.sign(unsure) * wider);
  }
  return factor * fromModel(transform, z + add);
}

/** The effect that makes the most of a value within (origin, origin + window]; none where a step of it is ordinary and that is more. */
export function largestEffect(track: Track, z: number, origin: number, window: number): SpecialEffect {
  if (track.specials === undefined) return NO_EFFECT;
  const of = ({ add, factor }: SpecialEffect) => factor * fromModel(track.transform, z + add);
  let largest: SpecialEffect | undefined;
  for (let t = origin + 1; t <= origin + window; t++) {
    const effect = effectAt(track, t, origin);
    if (largest === undefined || of(effect) > of(largest)) largest = effect;
  }
  return largest ?? NO_EFFECT;
}

function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(high, value));
}
