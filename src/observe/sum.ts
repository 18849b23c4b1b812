import type { QueryValue } from '../model/query-result.ts';
import type { RegularSeries } from '../model/series.ts';
import type { TimeRange } from '../model/time.ts';

/** The value of an instant query: several series are summed; NaN where there is none. */
export function sumAt(value: QueryValue): number {
  if (value.kind === 'scalar') return value.value;
  if (value.kind !== 'vector') return Number.NaN;
  return sumFinite(value.samples.map((sample) => sample.value));
}

/** The values of a range query on its steps: several series are summed, and a step without any is a gap. */
export function sumOver(value: QueryValue, { start, end }: TimeRange, stepMs: number): RegularSeries {
  const values = new Float64Array(Math.max(0, Math.floor((end - start) / stepMs) + 1)).fill(Number.NaN);
  if (value.kind !== 'matrix') return { start, stepMs, values };
  for (const series of value.series) {
    for (let i = 0; i < series.times.length; i++) {
      const sample = series.values[i]!;
      const step = Math.round((series.times[i]! - start) / stepMs);
      if (!Number.isFinite(sample) || step < 0 || step >= values.length) continue;
      values[step] = Number.isNaN(values[step]!) ? sample : values[step]! + sample;
    }
  }
  return { start, stepMs, values };
}

/** As `sumOver`, but the mean: several series of a share are no larger share. */
export function meanOver(value: QueryValue, range: TimeRange, stepMs: number): RegularSeries {
  const sum = sumOver(value, range, stepMs);
  if (value.kind !== 'matrix') return sum;
  const counts = new Float64Array(sum.values.length);
  for (const { times, values } of value.series) {
    for (let i = 0; i < times.length; i++) {
      if (Number.isFinite(values[i]!)) counts[Math.round((times[i]! - range.start) / stepMs)]!++;
    }
  }
  return { ...sum, values: sum.values.map((total, i) => total / counts[i]!) };
}

function sumFinite(values: readonly number[]): number {
  const finite = values.filter(Number.isFinite);
  return finite.length === 0 ? Number.NaN : finite.reduce((sum, value) => sum + value, 0);
}
