import type { Samples } from '../../model/series.ts';
import type { Scale } from './scale.ts';

/** SVG path data, to a tenth of a pixel. A value that is no number, or a hole longer than `gapMs`, lifts the pen. */
export function linePath({ times, values }: Samples, x: Scale, y: Scale, gapMs = Number.POSITIVE_INFINITY): string {
  let path = '';
  let last = Number.NaN;
  for (let i = 0; i < times.length; i++) {
    const time = times[i]!;
    if (!Number.isFinite(values[i]!)) {
      last = Number.NaN;
      continue;
    }
    const joined = time - last <= gapMs;
    const point = `${pixel(x(time))} ${pixel(y(values[i]!))}`;
    path += joined ? `L${point}` : `M${point}`;
    // A point between two gaps is a line without length: a round cap makes it a dot.
    if (!joined) path += 'h0';
    last = time;
  }
  return path;
}

/** Like `linePath`, but a value holds until the next one. */
export function stepPath({ times, values }: Samples, x: Scale, y: Scale, gapMs = Number.POSITIVE_INFINITY): string {
  let path = '';
  let last = Number.NaN;
  for (let i = 0; i < times.length; i++) {
    const time = times[i]!;
    if (!Number.isFinite(values[i]!)) {
      last = Number.NaN;
      continue;
    }
    const [px, py] = [pixel(x(time)), pixel(y(values[i]!))];
    path += time - last <= gapMs ? `H${px}V${py}` : `M${px} ${py}h0`;
    last = time;
  }
  return path;
}

/** The closed area between two lines over the same times. Points where one of them is no number are left out. */
export function bandPath(
  times: ArrayLike<number>,
  lower: ArrayLike<number>,
  upper: ArrayLike<number>,
  x: Scale,
  y: Scale,
): string {
  const there: string[] = [];
  const back: string[] = [];
  for (let i = 0; i < times.length; i++) {
    if (!Number.isFinite(lower[i]!) || !Number.isFinite(upper[i]!)) continue;
    there.push(`${pixel(x(times[i]!))} ${pixel(y(upper[i]!))}`);
    back.unshift(`${pixel(x(times[i]!))} ${pixel(y(lower[i]!))}`);
  }
  return there.length === 0 ? '' : `M${[...there, ...back].join('L')}Z`;
}

function pixel(value: number): string {
  return String(Math.round(value * 10) / 10);
}
