import { mapColumns, POINT_COLUMNS, type PointColumn, type Points } from '../model/point-columns.ts';
import type { SampleCodec } from './partition-chunk.ts';

const VERSION = 1;
const LENGTH_BYTES = 4;

/** A counter's least value is its first one, and its greatest the last, but where it was reset: they are stored once. */
const SAME: Partial<Record<PointColumn, PointColumn>> = { first: 'min', last: 'max' };

/** The points of one series and day, at least one: a version and, for each column in its order, a length and a chunk. */
export function encodePoints(codec: SampleCodec, points: Points): Uint8Array {
  const parts = POINT_COLUMNS.map((column) => {
    const same = SAME[column];
    if (same !== undefined && sameBits(points[column], points[same])) return new Uint8Array();
    return codec.encode(points.times, points[column]);
  });
  const value = new Uint8Array(parts.reduce((sum, { length }) => sum + LENGTH_BYTES + length, 1));
  const view = new DataView(value.buffer);
  value[0] = VERSION;
  let at = 1;
  for (const part of parts) {
    view.setUint32(at, part.length, true);
    value.set(part, at + LENGTH_BYTES);
    at += LENGTH_BYTES + part.length;
  }
  return value;
}

/** @throws {RangeError} If the bytes are damaged, or of a form that this release does not know. */
export function decodePoints(codec: SampleCodec, value: Uint8Array, stepMs: number): Points {
  if (value[0] !== VERSION) throw new RangeError(`cannot read points: they have version ${value[0]}`);
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const columns: Partial<Record<PointColumn | 'times', Float64Array>> = {};
  let at = 1;
  for (const column of POINT_COLUMNS) {
    const length = view.getUint32(at, true);
    const bytes = value.subarray(at + LENGTH_BYTES, at + LENGTH_BYTES + length);
    at += LENGTH_BYTES + length;
    const same = SAME[column];
    if (length === 0 && same !== undefined) {
      columns[column] = columns[same]!;
      continue;
    }
    const { times, values } = codec.decode(bytes);
    columns.times ??= times;
    if (values.length !== columns.times.length) throw new RangeError('cannot read points: their columns differ');
    columns[column] = values;
  }
  return mapColumns(stepMs, (column) => columns[column]!);
}

function sameBits(a: Float64Array, b: Float64Array): boolean {
  const bytesOf = ({ buffer, byteOffset, byteLength }: Float64Array) => Buffer.from(buffer, byteOffset, byteLength);
  return bytesOf(a).equals(bytesOf(b));
}
