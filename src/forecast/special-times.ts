import { DAY, type Millis } from '../model/time.ts';
import type { SeriesCalendar, SpecialTime } from './calendar.ts';

/** The special times of one series, and what was learnt of those that are over. */
export interface Specials {
  readonly windows: readonly SpecialWindow[];
  /** The union of the windows: first steps, and steps after the last, ascending. */
  readonly begins: Float64Array;
  readonly ends: Float64Array;
  readonly day: number;
  readonly stepMs: number;
  /** Days from the rest day to the local day of the first value, and the local time of day of that value, in steps. */
  readonly firstDay: number;
  readonly firstPhase: number;
  readonly learned: LearnedSpecial[];
  /** Windows before this one are over and taken in. */
  next: number;
}

export interface SpecialWindow extends SpecialTime {
  /** Steps [from, to). */
  readonly from: number;
  readonly to: number;
}

/** What one special time was like, in model space, means over its steps. Plain data: it outlives the history. */
export interface LearnedSpecial {
  readonly kind: SpecialTime['kind'];
  readonly source: string;
  readonly name: string;
  readonly start: Millis;
  /** How far the time was off an ordinary one. */
  readonly off: number;
  /** How far the rest day is off an ordinary one then, its square, and its product with `off` at each step. */
  readonly rest: number;
  readonly restSquare: number;
  readonly product: number;
  /** Demand over what an ordinary time would have had: the truth of a declared factor. */
  readonly ratio: number;
}

const LEAST_STEPS_A_DAY = 4;
/** Learnt times beyond this many make room for newer ones. */
export const MOST_LEARNED = 64;

/** @param learned What an earlier run learnt: what began before this history does is kept. */
export function specialsOf(
  { specials = [], offsets, restDay = 0 }: SeriesCalendar,
  { start, stepMs }: { readonly start: Millis; readonly stepMs: number },
  learned: readonly LearnedSpecial[] = [],
): Specials | undefined {
  const day = Math.round(DAY / stepMs);
  if (specials.length === 0 || day < LEAST_STEPS_A_DAY) return undefined;
  const stepOf = (t: Millis) => Math.max(0, Math.ceil((t - start) / stepMs));
  const windows = specials
    .map((special) => ({ ...special, from: stepOf(special.start), to: stepOf(special.end) }))
    .filter(({ from, to }) => to > from)
    .sort((a, b) => a.to - b.to);
  const local = start + (offsets.findLast(({ from }) => from <= start)?.offsetMs ?? 0);
  const days = Math.floor(local / DAY);
  return {
    windows,
    ...unionOf(windows),
    day,
    stepMs,
    // The epoch began on a Thursday.
    firstDay: (((days + 4 - restDay) % 7) + 7) % 7,
    firstPhase: Math.round((local - days * DAY) / stepMs),
    learned: learned.filter((one) => one.start < start).slice(-MOST_LEARNED),
    next: 0,
  };
}

function unionOf(windows: readonly SpecialWindow[]): Pick<Specials, 'begins' | 'ends'> {
  const merged: [number, number][] = [];
  for (const { from, to } of [...windows].sort((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return {
    begins: Float64Array.from(merged, ([from]) => from),
    ends: Float64Array.from(merged, ([, to]) => to),
  };
}

/** Whether the step lies in a special time. */
export function isSpecial({ specials }: { readonly specials: Specials | undefined }, t: number): boolean {
  if (specials === undefined) return false;
  const { begins, ends } = specials;
  let low = 0;
  let high = begins.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ends[middle]! <= t) low = middle + 1;
    else high = middle;
  }
  return low < begins.length && begins[low]! <= t;
}
