import { type Samples, upperBound } from '../../model/series.ts';
import { HOUR, type Millis } from '../../model/time.ts';

/** A recorded demand as a function of time: linear between rows; a gap of over an hour holds the last value. */
export interface DemandTrace {
  readonly start: Millis;
  readonly end: Millis;
  at(t: Millis): number;
  /** The mean over (from, to]. */
  mean(from: Millis, to: Millis): number;
  /** The largest value within [from, to]. */
  max(from: Millis, to: Millis): number;
}

const LONGEST_LINE_MS = HOUR;

/** @throws {RangeError} If there is no row, or a value is not a number of zero or more. */
export function demandTrace({ times, values }: Samples): DemandTrace {
  const rows = times.length;
  if (rows === 0) throw new RangeError('cannot simulate an empty trace');
  const bad = values.findIndex((value) => !(value >= 0 && value < Number.POSITIVE_INFINITY));
  if (bad !== -1) throw new RangeError(`cannot simulate row ${bad + 1}: its demand is ${values[bad]}`);

  /** The integral from the first row to each row, in demand x ms. */
  const area = new Float64Array(rows);
  for (let i = 1; i < rows; i++) {
    const length = times[i]! - times[i - 1]!;
    const right = length > LONGEST_LINE_MS ? values[i - 1]! : values[i]!;
    area[i] = area[i - 1]! + ((values[i - 1]! + right) / 2) * length;
  }

  /** Index of the last row at or before `t`, -1 before the first. */
  const rowAt = (t: Millis) => upperBound(times, t) - 1;

  const at = (t: Millis): number => {
    const i = rowAt(t);
    if (i < 0) return values[0]!;
    const length = (times[i + 1] ?? t) - times[i]!;
    if (i === rows - 1 || length > LONGEST_LINE_MS) return values[i]!;
    return values[i]! + ((values[i + 1]! - values[i]!) * (t - times[i]!)) / length;
  };

  const integral = (t: Millis): number => {
    const i = rowAt(t);
    if (i < 0) return (t - times[0]!) * values[0]!;
    return area[i]! + ((values[i]! + at(t)) / 2) * (t - times[i]!);
  };

  return {
    start: times[0]!,
    end: times[rows - 1]!,
    at,
    mean: (from, to) => (to > from ? (integral(to) - integral(from)) / (to - from) : at(to)),
    max: (from, to) => {
      let largest = Math.max(at(from), at(to));
      for (let i = rowAt(from) + 1; i < rows && times[i]! < to; i++) largest = Math.max(largest, values[i]!);
      return largest;
    },
  };
}
