import type { IPoint } from 'influx';
import { type Labels, METRIC_NAME } from '../../model/labels.ts';
import { isStaleMarker, type SampledSeries, type Samples, setStaleMarker } from '../../model/series.ts';
import { encodeName, encodeTagKey, encodeText } from './influx-text.ts';

/**
 * One measurement a metric, a label a tag, a sample a point with the field `value`. What no field of floats holds (NaN,
 * infinities, a staleness marker) has the field `special` in its place, a text.
 */
export const FIELD = { value: 'value', special: 'special' } as const;

const STALE = 'stale';
const SPECIALS: Readonly<Record<string, number>> = { NaN: Number.NaN, '+Inf': Infinity, '-Inf': -Infinity };

/** InfluxDB counts nanoseconds in 64 bits: the years 1677 to 2262. */
export const LONGEST_MS = 9_223_372_036_854;

/** The points of series. Samples at times that InfluxDB does not know are left out, and counted. */
export function pointsOf(series: readonly SampledSeries[]): { readonly points: IPoint[]; readonly outOfRange: number } {
  const points: IPoint[] = [];
  let outOfRange = 0;
  for (const { labels, times, values } of series) {
    const { measurement, tags } = placeOf(labels);
    times.forEach((time, i) => {
      if (Math.abs(time) > LONGEST_MS) outOfRange++;
      // As text: the client takes a time of 0 for none.
      else points.push({ measurement, tags, fields: fieldsOf(values, i), timestamp: String(time) });
    });
  }
  return { points, outOfRange };
}

function placeOf(labels: Labels): { readonly measurement: string; readonly tags: Record<string, string> } {
  let measurement = '';
  // Without a prototype: a label may have the name of one.
  const tags: Record<string, string> = Object.create(null);
  for (const [name, value] of labels) {
    if (name === METRIC_NAME) measurement = encodeName(value);
    else tags[encodeTagKey(name)] = encodeText(value);
  }
  return { measurement, tags };
}

function fieldsOf(values: Float64Array, i: number): Record<string, unknown> {
  const value = values[i]!;
  if (Number.isFinite(value)) {
    // The client makes texts of numbers, and JavaScript one without a sign of a negative zero.
    return { [FIELD.value]: Object.is(value, -0) ? NEGATIVE_ZERO : value };
  }
  if (isStaleMarker(values, i)) return { [FIELD.special]: STALE };
  return { [FIELD.special]: Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf' };
}

const NEGATIVE_ZERO = { toString: () => '-0' };

/** A row of an answer: its time in milliseconds, and the two fields. */
export type Row = readonly [time: number, value: number | null, special: string | null];

/** Rows in order of time as samples. A number counts where both fields stand at one time. */
export function samplesOf(rows: readonly Row[]): Samples {
  const times = new Float64Array(rows.length);
  const values = new Float64Array(rows.length);
  let kept = 0;
  for (const [time, value, special] of rows) {
    // Points may lie closer than we write them: the last of a millisecond counts.
    if (kept > 0 && times[kept - 1] === time) kept--;
    times[kept] = time;
    if (typeof value === 'number') values[kept] = value;
    else if (special === STALE) setStaleMarker(values, kept);
    else values[kept] = SPECIALS[String(special)] ?? Number.NaN;
    kept++;
  }
  return { times: times.subarray(0, kept), values: values.subarray(0, kept) };
}
