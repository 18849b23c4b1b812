import type { SeriesCalendar } from './calendar.ts';

/** How the wall clock moves against the steps of a series: whole steps, relative to the clock at the first value. */
export interface LocalClock {
  /** Steps from which each shift is in force, ascending. Before the first of them the shift is zero. */
  readonly from: readonly number[];
  readonly shifts: readonly number[];
  /** The largest number of steps that divides all changes: seasons that divide it do not notice them. */
  readonly unit: number;
}

/** Whatever has a clock. Without one, local time runs along with the steps. */
export interface Clocked {
  readonly clock: LocalClock | undefined;
  /** Local steps from where phases are counted to index 0; 0 where it is left out. */
  readonly phase?: number;
}

/**
 * The clock of a series that starts at `start`; undefined where the zone has no transition. A change of less than half
 * a step (half an hour at steps of an hour) is none.
 */
export function localClock(
  { offsets }: Pick<SeriesCalendar, 'offsets'>,
  start: number,
  stepMs: number,
): LocalClock | undefined {
  let base = offsets[0]?.offsetMs ?? 0;
  const from: number[] = [];
  const shifts: number[] = [];
  let unit = 0;
  let shift = 0;
  for (const { from: time, offsetMs } of offsets) {
    if (time <= start) {
      base = offsetMs;
      continue;
    }
    const change = (offsetMs - base) / stepMs;
    const next = Math.sign(change) * Math.ceil(Math.abs(change) - 0.5) + 0;
    if (next === shift) continue;
    unit = gcd(unit, Math.abs(next - shift));
    shift = next;
    from.push(Math.ceil((time - start) / stepMs));
    shifts.push(shift);
  }
  return from.length === 0 ? undefined : { from, shifts, unit };
}

/** The newest index at or before `origin` that has the phase of `origin + horizon` in local time. */
export function seasonBefore({ clock }: Clocked, origin: number, horizon: number, season: number): number {
  const seasons = Math.ceil(horizon / season);
  if (clock === undefined || clock.unit % season === 0) return origin + horizon - seasons * season;
  // Where the clock was set back since, one season less may be enough; where it was set forward, one more.
  for (let k = Math.max(1, seasons - 1); ; k++) {
    const at = moved(clock, origin + horizon, -k * season);
    if (at <= origin) return at;
  }
}

/** The index one season earlier in local time. May be negative, as the index of a value that does not exist. */
export function seasonEarlier({ clock }: Clocked, t: number, season: number): number {
  if (clock === undefined || clock.unit % season === 0) return t - season;
  return Math.min(moved(clock, t, -season), t - 1);
}

/** Where in a season `t` lies in local time, 0 to `season` - 1, relative to where phases are counted from. */
export function phaseOf({ clock, phase = 0 }: Clocked, t: number, season: number): number {
  const local = phase + (clock === undefined ? t : t + shiftAt(clock, t));
  return local - Math.floor(local / season) * season;
}

/** Local time of `t` in steps, counted from the first value. */
export function localStep({ clock }: Clocked, t: number): number {
  return clock === undefined ? t : t + shiftAt(clock, t);
}

/** The index whose local time is `by` steps from that of `t`. */
export function movedBy({ clock }: Clocked, t: number, by: number): number {
  return clock === undefined ? t + by : moved(clock, t, by);
}

/** Steps on the wall clock from `origin` to `origin + horizon`. */
export function localSteps({ clock }: Clocked, origin: number, horizon: number): number {
  return clock === undefined ? horizon : horizon + shiftAt(clock, origin + horizon) - shiftAt(clock, origin);
}

/** A local time that was left out is taken an hour later; of two equal local times, the one nearer in steps. */
function moved(clock: LocalClock, t: number, by: number): number {
  const local = t + shiftAt(clock, t) + by;
  const near = shiftAt(clock, t + by);
  const guess = local - near;
  const there = shiftAt(clock, guess);
  if (there === near) return guess;
  const other = local - there;
  return shiftAt(clock, other) === there ? other : local - Math.min(near, there);
}

function shiftAt({ from, shifts }: LocalClock, t: number): number {
  for (let i = from.length - 1; i >= 0; i--) if (t >= from[i]!) return shifts[i]!;
  return 0;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
