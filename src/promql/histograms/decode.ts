import { type BucketCounts, type HistogramValue, NO_BUCKETS, type ResetHint } from '../../model/histogram-value.ts';

/* Reads a `Histogram` message of remote write as the store keeps it: checked, fields in order, packed. */

const HINTS: readonly ResetHint[] = ['unknown', 'reset', 'not_reset', 'gauge'];

interface Layout {
  /** Offset and length, in turns. */
  readonly spans: number[];
  readonly deltas: number[];
  readonly counts: number[];
}

/** A place in a message. */
interface Reading {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at: number;
}

/**
 * @returns 'stale' for a staleness marker, which is one in place of the sum.
 * @throws {RangeError} If the message is cut short.
 */
export function decodeHistogramValue(bytes: Uint8Array): HistogramValue | 'stale' {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const reading: Reading = { bytes, view, at: 0 };
  const layouts: Record<'positive' | 'negative', Layout> = {
    positive: { spans: [], deltas: [], counts: [] },
    negative: { spans: [], deltas: [], counts: [] },
  };
  const read = { count: 0, sum: 0, schema: 0, zeroThreshold: 0, zeroCount: 0 };
  let hint: ResetHint = 'unknown';
  const bounds: number[] = [];
  while (reading.at < bytes.length) {
    const tag = varint(reading);
    const field = Math.floor(tag / 8);
    const layout = layouts[field < 11 ? 'negative' : 'positive'];
    if (field === 1) read.count = varint(reading);
    else if (field === 2) read.count = double(reading);
    else if (field === 3) {
      if (isStale(reading)) return 'stale';
      read.sum = double(reading);
    } else if (field === 4) read.schema = unzigzag(varint(reading));
    else if (field === 5) read.zeroThreshold = double(reading);
    else if (field === 6) read.zeroCount = varint(reading);
    else if (field === 7) read.zeroCount = double(reading);
    else if (field === 8 || field === 11) readSpan(reading, layout.spans);
    else if (field === 9 || field === 12) each(reading, () => layout.deltas.push(unzigzag(varint(reading))));
    else if (field === 10 || field === 13) each(reading, () => layout.counts.push(double(reading)));
    else if (field === 14) hint = HINTS[varint(reading)] ?? 'unknown';
    else if (field === 16) each(reading, () => bounds.push(double(reading)));
    else throw new RangeError(`field ${field} has no place in a stored histogram`);
  }
  return { hint, ...read, positive: bucketsOf(layouts.positive), negative: bucketsOf(layouts.negative), bounds };
}

function bucketsOf({ spans, deltas, counts }: Layout): BucketCounts {
  if (spans.length === 0) return NO_BUCKETS;
  const indices: number[] = [];
  let index = 0;
  for (let i = 0; i < spans.length; i += 2) {
    index += spans[i]!;
    for (let k = 0; k < spans[i + 1]!; k++) indices.push(index++);
  }
  if (deltas.length === 0) return { indices, counts };
  let count = 0;
  return { indices, counts: deltas.map((delta) => (count += delta)) };
}

function readSpan(reading: Reading, spans: number[]): void {
  const end = varint(reading) + reading.at;
  let offset = 0;
  let length = 0;
  while (reading.at < end) {
    if (varint(reading) === 0x08) offset = unzigzag(varint(reading));
    else length = varint(reading);
  }
  spans.push(offset, length);
}

function each(reading: Reading, read: () => void): void {
  const end = varint(reading) + reading.at;
  while (reading.at < end) read();
}

function varint(reading: Reading): number {
  let value = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = reading.bytes[reading.at++];
    if (byte === undefined) throw new RangeError('a stored histogram is cut short');
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value;
  }
}

function double(reading: Reading): number {
  reading.at += 8;
  return reading.view.getFloat64(reading.at - 8, true);
}

/** Looks at bits, since a marker may not survive as a number. */
function isStale({ view, at }: Reading): boolean {
  return view.getUint32(at, true) === 0x00000002 && view.getUint32(at + 4, true) === 0x7ff00000;
}

function unzigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}
