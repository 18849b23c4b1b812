import type { Points } from '../model/point-columns.ts';
import type { SelectedSeries } from '../model/series.ts';
import { extrapolatedChange } from './functions/rate.ts';
import { type KahanSum, kahanAdd } from './numeric.ts';
import type { Rows } from './rows.ts';

/** The points of one step: `from` to `to` (exclusive), one at least. The window is (start, end]. */
interface PointWindow {
  readonly points: Points;
  from: number;
  to: number;
  start: number;
  end: number;
}

/** The result for one window, or undefined if there is none. */
type PointFunction = (window: PointWindow) => number | undefined;

/**
 * Range functions that give over points what they give over samples, where windows begin and end with points; sums up
 * to the rounding of their last digit.
 */
const POINT_FUNCTIONS: Readonly<Record<string, PointFunction>> = {
  min_over_time: ({ points: { min }, from, to }) => best(min, from, to, (value, least) => value < least),
  max_over_time: ({ points: { max }, from, to }) => best(max, from, to, (value, greatest) => value > greatest),
  sum_over_time: ({ points: { sum }, from, to }) => {
    const total = summed(sum, from, to);
    return Number.isFinite(total.sum) ? total.sum + total.c : total.sum;
  },
  count_over_time: ({ points: { count }, from, to }) => countIn(count, from, to),
  avg_over_time: ({ points: { sum, count }, from, to }) => {
    const total = summed(sum, from, to);
    const samples = countIn(count, from, to);
    return Number.isFinite(total.sum) ? total.sum / samples + total.c / samples : total.sum;
  },
  present_over_time: () => 1,
  first_over_time: ({ points: { first }, from }) => first[from]!,
  last_over_time: ({ points: { last }, to }) => last[to - 1]!,
  increase: (window) => changeIn(window, true),
  rate: (window) => perSecond(window, changeIn(window, true)),
  delta: (window) => changeIn(window, false),
};

export function hasPointFunction(name: string): boolean {
  return Object.hasOwn(POINT_FUNCTIONS, name);
}

export interface PointWindows {
  readonly name: string;
  readonly keepsName: boolean;
  readonly ends: Float64Array;
  readonly rangeMs: number;
  /** Told of each series that has a result. */
  readonly onRow?: (labels: SelectedSeries['labels']) => void;
}

/** A range function at every step, one row for each series, each of which has points. */
export function pointRows(selected: readonly SelectedSeries[], windows: PointWindows): Rows {
  const { name, keepsName, ends, rangeMs, onRow } = windows;
  const compute = POINT_FUNCTIONS[name]!;
  return {
    count: selected.length,
    mixed: false,
    read(row, values, present, at) {
      const { labels, points } = selected[row]!;
      if (points === undefined) throw new TypeError('points were asked for and are not there');
      const { times } = points;
      const window: PointWindow = { points, from: 0, to: 0, start: 0, end: 0 };
      let found = 0;
      for (let step = 0; step < ends.length; step++) {
        window.end = ends[step]!;
        window.start = window.end - rangeMs;
        while (window.to < times.length && times[window.to]! <= window.end) window.to++;
        while (window.from < window.to && times[window.from]! <= window.start) window.from++;
        const value = window.from === window.to ? undefined : compute(window);
        present[at + step] = value === undefined ? 0 : 1;
        if (value === undefined) continue;
        values[at + step] = value;
        found++;
      }
      if (found === 0) return undefined;
      onRow?.(labels);
      return { labels, dropName: !keepsName };
    },
  };
}

/** NaN gives way to any number. */
function best(
  column: Float64Array,
  from: number,
  to: number,
  better: (value: number, best: number) => boolean,
): number {
  let found = column[from]!;
  for (let i = from + 1; i < to; i++) if (better(column[i]!, found) || Number.isNaN(found)) found = column[i]!;
  return found;
}

function summed(column: Float64Array, from: number, to: number): KahanSum {
  const total: KahanSum = { sum: 0, c: 0 };
  for (let i = from; i < to; i++) kahanAdd(total, column[i]!);
  return total;
}

function countIn(count: Float64Array, from: number, to: number): number {
  let samples = 0;
  for (let i = from; i < to; i++) samples += count[i]!;
  return samples;
}

/** @param counter Whether a fall is a reset: what was counted before it is added. */
function changeIn({ points, from, to, start, end }: PointWindow, counter: boolean): number | undefined {
  const { times, stepMs, first, last, lost, firstAfter, lastBefore } = points;
  const samples = countIn(points.count, from, to);
  if (samples < 2) return undefined;
  let change = last[to - 1]! - first[from]!;
  if (counter) {
    for (let i = from; i < to; i++) {
      if (i > from && first[i]! < last[i - 1]!) change += last[i - 1]!;
      change += lost[i]!;
    }
  }
  return extrapolatedChange({
    change,
    counter,
    samples,
    first: first[from]!,
    firstTime: times[from]! - stepMs + firstAfter[from]!,
    lastTime: times[to - 1]! - lastBefore[to - 1]!,
    start,
    end,
  });
}

function perSecond({ start, end }: PointWindow, change: number | undefined): number | undefined {
  return change === undefined ? undefined : change / ((end - start) / 1000);
}
