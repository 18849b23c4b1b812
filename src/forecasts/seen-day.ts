import type { Truth } from '../model/issued-forecast.ts';
import { DAY, HOUR, MINUTE, type Millis } from '../model/time.ts';

/**
 * What was seen of a demand within the last day and two hours (a day may have 25), in cells of five minutes or of a
 * step: the naive forecasts of a step and of a peak are read from it. At most 6 kB.
 */
export interface SeenDay {
  readonly cellMs: number;
  /** Time of the newest value. */
  newest: Millis;
  /** Of each cell the last and the largest value; NaN where there is none. */
  readonly last: Float32Array;
  readonly most: Float32Array;
  /** Values that no later one reaches, oldest first: the first within a window is the largest in it. */
  peaks: readonly Truth[];
}

const CELL_MS = 5 * MINUTE;
const KEPT_MS = DAY + 2 * HOUR;
/** Values that fall for longer than this leave the list of peaks: the window of a peak has no more steps. */
const MOST_PEAKS = 240;

export function seenDay(stepMs: number): SeenDay {
  const cellMs = Math.max(CELL_MS, stepMs);
  const cells = Math.ceil(KEPT_MS / cellMs) + 1;
  return {
    cellMs,
    newest: 0,
    last: new Float32Array(cells).fill(Number.NaN),
    most: new Float32Array(cells).fill(Number.NaN),
    peaks: [],
  };
}

/** Takes a value in. One that is not newer than the newest came late or twice, and is passed over. */
export function see(day: SeenDay, { time, value }: Truth): void {
  const { cellMs, last, most } = day;
  if (time <= day.newest) return;
  const cell = Math.floor(time / cellMs);
  const first = Math.max(Math.floor(day.newest / cellMs) + 1, cell - last.length + 1);
  for (let c = first; c <= cell; c++) last[c % last.length] = most[c % last.length] = Number.NaN;
  const slot = cell % last.length;
  last[slot] = value;
  if (!(most[slot]! >= value)) most[slot] = value;
  day.peaks = [...day.peaks.filter((peak) => peak.value > value), { time, value }].slice(-MOST_PEAKS);
  day.newest = time;
}

/** The clock was set back: what was seen after `to` has not been yet. */
export function rewind(day: SeenDay, to: Millis): void {
  const { cellMs, last, most } = day;
  for (let c = Math.floor(to / cellMs) + 1; c <= Math.floor(day.newest / cellMs); c++) {
    last[c % last.length] = most[c % last.length] = Number.NaN;
  }
  day.peaks = day.peaks.filter(({ time }) => time <= to);
  day.newest = Math.min(day.newest, to);
}

/** The last value of the cell that `t` is in; NaN where it is not known (any more). */
export function seenAt(day: SeenDay, t: Millis): number {
  const cell = Math.floor(t / day.cellMs);
  return isKept(day, cell) ? day.last[cell % day.last.length]! : Number.NaN;
}

/** The largest value of the cells that (from, to] touches; NaN where under half of them are known. */
export function largestSeen(day: SeenDay, from: Millis, to: Millis): number {
  const first = Math.floor((from + 1) / day.cellMs);
  const final = Math.floor(to / day.cellMs);
  let known = 0;
  let largest = Number.NEGATIVE_INFINITY;
  for (let cell = first; cell <= final; cell++) {
    const value = isKept(day, cell) ? day.most[cell % day.most.length]! : Number.NaN;
    if (Number.isNaN(value)) continue;
    known++;
    largest = Math.max(largest, value);
  }
  return known > 0 && 2 * known >= final - first + 1 ? largest : Number.NaN;
}

/** The largest value after `after`; NaN where there is none. */
export function largestAfter({ peaks }: SeenDay, after: Millis): number {
  return peaks.find(({ time }) => time > after)?.value ?? Number.NaN;
}

export function newestValue({ peaks }: SeenDay): number {
  return peaks.at(-1)?.value ?? Number.NaN;
}

function isKept({ newest, cellMs, last }: SeenDay, cell: number): boolean {
  const newestCell = Math.floor(newest / cellMs);
  return newest > 0 && cell <= newestCell && cell > newestCell - last.length;
}
