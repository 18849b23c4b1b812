import { mapColumns, POINT_COLUMNS, type Points } from './point-columns.ts';
import { isStaleMarker, lowerBound, type Samples, upperBound } from './series.ts';
import type { Millis, TimeRange } from './time.ts';

/** The points of samples. In `min` and `max` NaN gives way to any number, as in PromQL. */
export function downsample({ times, values }: Samples, stepMs: number): Points {
  const points = emptyColumns(stepMs, Math.min(times.length, stepsIn(times, stepMs)));
  let n = -1;
  let compensation = 0;
  let previous = Number.NaN;
  for (let i = 0; i < times.length; i++) {
    const value = values[i]!;
    if (Number.isNaN(value) && isStaleMarker(values, i)) continue;
    const end = pointTime(times[i]!, stepMs);
    if (n < 0 || points.times[n] !== end) {
      if (n >= 0) endSum(points, n, compensation);
      n++;
      compensation = 0;
      previous = Number.NaN;
      points.times[n] = end;
      points.min[n] = value;
      points.max[n] = value;
      points.first[n] = value;
      points.firstAfter[n] = times[i]! - (end - stepMs);
    }
    if (value < points.min[n]! || Number.isNaN(points.min[n]!)) points.min[n] = value;
    if (value > points.max[n]! || Number.isNaN(points.max[n]!)) points.max[n] = value;
    const sum = points.sum[n]!;
    const next = sum + value;
    // Neumaier's compensation, as `sum_over_time` has it.
    if (Number.isFinite(next))
      compensation += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum;
    points.sum[n] = next;
    points.count[n]!++;
    if (value < previous) points.lost[n]! += previous;
    points.last[n] = previous = value;
    points.lastBefore[n] = end - times[i]!;
  }
  if (n >= 0) endSum(points, n, compensation);
  return slicePoints(points, 0, n + 1);
}

function endSum(points: Points, n: number, compensation: number): void {
  if (Number.isFinite(points.sum[n]!)) points.sum[n]! += compensation;
}

/** The time of the point that a sample is in. */
function pointTime(time: Millis, stepMs: number): Millis {
  // Minus zero is zero.
  return Math.ceil(time / stepMs) * stepMs + 0;
}

function stepsIn(times: Float64Array, stepMs: number): number {
  if (times.length === 0) return 0;
  return (pointTime(times.at(-1)!, stepMs) - pointTime(times[0]!, stepMs)) / stepMs + 1;
}

/** The points whose times are in the range, both ends included. */
export function pointsWithin(points: Points, { start, end }: TimeRange): Points {
  const [from, to] = [lowerBound(points.times, start), upperBound(points.times, end)];
  return from === 0 && to === points.times.length ? points : slicePoints(points, from, Math.max(from, to));
}

/** Without the points that have anything of the range, both ends included. */
export function pointsWithout(points: Points, { start, end }: TimeRange): Points {
  const from = lowerBound(points.times, start);
  const to = lowerBound(points.times, end + points.stepMs);
  if (from >= to) return points;
  return joinPoints([slicePoints(points, 0, from), slicePoints(points, to, points.times.length)]);
}

/** All points of both. Where both have one, that of more samples stays; of as many, the first one's. */
export function fullerPoints(a: Points, b: Points): Points {
  if (b.times.length === 0) return a;
  if (a.times.length === 0) return b;
  if (a.times.at(-1)! < b.times[0]!) return joinPoints([a, b]);
  const joined = emptyColumns(a.stepMs, a.times.length + b.times.length);
  let n = 0;
  for (let i = 0, j = 0; i < a.times.length || j < b.times.length; n++) {
    const ofA = a.times[i] ?? Number.POSITIVE_INFINITY;
    const ofB = b.times[j] ?? Number.POSITIVE_INFINITY;
    const takesA = ofA < ofB || (ofA === ofB && a.count[i]! >= b.count[j]!);
    const [from, at] = takesA ? [a, i] : [b, j];
    joined.times[n] = from.times[at]!;
    for (const column of POINT_COLUMNS) joined[column][n] = from[column][at]!;
    if (ofA <= ofB) i++;
    if (ofB <= ofA) j++;
  }
  return slicePoints(joined, 0, n);
}

/** One behind another, as they come: times must ascend over all. At least one. */
export function joinPoints(parts: readonly Points[]): Points {
  if (parts.length === 1) return parts[0]!;
  const joined = emptyColumns(
    parts[0]!.stepMs,
    parts.reduce((sum, { times }) => sum + times.length, 0),
  );
  let at = 0;
  for (const part of parts) {
    joined.times.set(part.times, at);
    for (const column of POINT_COLUMNS) joined[column].set(part[column], at);
    at += part.times.length;
  }
  return joined;
}

function slicePoints(points: Points, from: number, to: number): Points {
  return mapColumns(points.stepMs, (column) => points[column].subarray(from, to));
}

function emptyColumns(stepMs: number, length: number): Points {
  return mapColumns(stepMs, () => new Float64Array(length));
}
