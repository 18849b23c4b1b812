import type { Samples } from '../../model/series.ts';
import type { Scale } from './scale.ts';

/**
 * At most four samples for each pixel across, of many: the first, the lowest, the highest and the last, in order. A
 * picture of a million samples looks the same and stays small. A gap within a pixel is kept as one.
 */
export function thinned(samples: Samples, x: Scale): Samples {
  const { times, values } = samples;
  const pixels = Math.abs(x.range[1] - x.range[0]);
  if (times.length <= 4 * pixels) return samples;
  const kept: number[] = [];
  for (let from = 0; from < times.length; ) {
    const pixel = Math.floor(x(times[from]!));
    let to = from + 1;
    let low = from;
    let high = from;
    let gap = Number.isFinite(values[from]!) ? -1 : from;
    for (; to < times.length && Math.floor(x(times[to]!)) === pixel; to++) {
      const value = values[to]!;
      if (!Number.isFinite(value)) gap = to;
      else {
        if (!(value >= values[low]!)) low = to;
        if (!(value <= values[high]!)) high = to;
      }
    }
    const chosen = new Set([from, low, high, to - 1]);
    if (gap !== -1) chosen.add(gap);
    kept.push(...[...chosen].sort((a, b) => a - b));
    from = to;
  }
  return { times: Float64Array.from(kept, (i) => times[i]!), values: Float64Array.from(kept, (i) => values[i]!) };
}
