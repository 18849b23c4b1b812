import { type KahanSum, kahanAdd, quantileOf } from '../numeric.ts';
import type { RangeFunction, Window } from './definition.ts';

const SUM: KahanSum = { sum: 0, c: 0 };

export const sumOverTime: RangeFunction = ({ values, from, to }, out, at) => {
  const total = cleared();
  for (let i = from; i < to; i++) kahanAdd(total, values[i]!);
  out[at] = Number.isFinite(total.sum) || Number.isNaN(total.sum) ? total.sum + total.c : total.sum;
  return true;
};

/** The mean of the sum, or, should the sum overflow, a mean that grows with each sample. */
export const avgOverTime: RangeFunction = ({ values, from, to }, out, at) => {
  const total = cleared();
  total.sum = values[from]!;
  for (let i = from + 1; i < to; i++) {
    const { sum, c } = total;
    kahanAdd(total, values[i]!);
    if (Number.isFinite(total.sum) || Number.isNaN(total.sum)) continue;
    out[at] = growingMean(values.subarray(i, to), i - from, sum, c);
    return true;
  }
  const count = to - from;
  out[at] = total.sum / count + total.c / count;
  return true;
};

function growingMean(rest: Float64Array, before: number, sum: number, c: number): number {
  const mean: KahanSum = { sum: sum / before, c: c / before };
  let count = before;
  for (const value of rest) {
    count++;
    const share = (count - 1) / count;
    mean.sum *= share;
    mean.c *= share;
    kahanAdd(mean, value / count);
  }
  return mean.sum + mean.c;
}

/** NaN gives way to any number. */
export const minOverTime: RangeFunction = ({ values, from, to }, out, at) => {
  let least = values[from]!;
  for (let i = from + 1; i < to; i++) if (values[i]! < least || Number.isNaN(least)) least = values[i]!;
  out[at] = least;
  return true;
};

export const maxOverTime: RangeFunction = ({ values, from, to }, out, at) => {
  let greatest = values[from]!;
  for (let i = from + 1; i < to; i++) if (values[i]! > greatest || Number.isNaN(greatest)) greatest = values[i]!;
  out[at] = greatest;
  return true;
};

/** Of equal values, the last. */
export const tsOfMinOverTime: RangeFunction = (window, out, at) => {
  out[at] = window.times[extreme(window, (value, best) => value <= best)]! / 1000;
  return true;
};

export const tsOfMaxOverTime: RangeFunction = (window, out, at) => {
  out[at] = window.times[extreme(window, (value, best) => value >= best)]! / 1000;
  return true;
};

function extreme({ values, from, to }: Window, better: (value: number, best: number) => boolean): number {
  let best = from;
  for (let i = from; i < to; i++) if (better(values[i]!, values[best]!) || Number.isNaN(values[best]!)) best = i;
  return best;
}

export const countOverTime: RangeFunction = ({ from, to }, out, at) => {
  out[at] = to - from;
  return true;
};

export const presentOverTime: RangeFunction = (_, out, at) => {
  out[at] = 1;
  return true;
};

export const firstOverTime: RangeFunction = ({ values, from }, out, at) => {
  out[at] = values[from]!;
  return true;
};

export const lastOverTime: RangeFunction = ({ values, to }, out, at) => {
  out[at] = values[to - 1]!;
  return true;
};

export const tsOfFirstOverTime: RangeFunction = ({ times, from }, out, at) => {
  out[at] = times[from]! / 1000;
  return true;
};

export const tsOfLastOverTime: RangeFunction = ({ times, to }, out, at) => {
  out[at] = times[to - 1]! / 1000;
  return true;
};

export const stdvarOverTime: RangeFunction = (window, out, at) => {
  out[at] = variance(window);
  return true;
};

export const stddevOverTime: RangeFunction = (window, out, at) => {
  out[at] = Math.sqrt(variance(window));
  return true;
};

/** Welford's update, with both sums compensated. */
function variance({ values, from, to }: Window): number {
  const mean: KahanSum = { sum: 0, c: 0 };
  const squares: KahanSum = { sum: 0, c: 0 };
  for (let i = from; i < to; i++) {
    const distance = values[i]! - (mean.sum + mean.c);
    kahanAdd(mean, distance / (i - from + 1));
    kahanAdd(squares, distance * (values[i]! - (mean.sum + mean.c)));
  }
  return (squares.sum + squares.c) / (to - from);
}

export const quantileOverTime: RangeFunction = ({ values, from, to, scalars }, out, at) => {
  out[at] = quantileOf(scalars[0]!, values.slice(from, to));
  return true;
};

/** The median distance from the median. */
export const madOverTime: RangeFunction = ({ values, from, to }, out, at) => {
  const sorted = values.slice(from, to);
  if (sorted.some(Number.isNaN)) {
    out[at] = Number.NaN;
    return true;
  }
  const median = quantileOf(0.5, sorted);
  out[at] = quantileOf(
    0.5,
    sorted.map((value) => Math.abs(value - median)),
  );
  return true;
};

function cleared(): KahanSum {
  SUM.sum = 0;
  SUM.c = 0;
  return SUM;
}
