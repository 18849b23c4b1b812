import { type ReadHistogram, readHistogram } from './histogram.ts';
import { ProtoWriter } from './proto-writer.ts';
import { ProtoReader } from './protobuf.ts';

/** Fields of io.prometheus.client.Histogram, and where remote write's `Histogram` has them. */
const SAME: ReadonlyMap<number, number> = new Map([
  [1, 1],
  [2, 3],
  [4, 2],
  [5, 4],
  [6, 5],
  [7, 6],
  [8, 7],
  [9, 8],
  [12, 11],
]);
/** Repeated numbers: packed or not here, packed there. */
const LISTS: ReadonlyMap<number, number> = new Map([
  [10, 9],
  [11, 10],
  [13, 12],
  [14, 13],
]);

/**
 * The native part of a histogram in the protobuf exposition, as the store keeps it. Whole counts are left out where there
 * are fractional ones, which the format has beside them.
 * @throws {WireError} If the bytes are no such message.
 */
export function readExposedHistogram(bytes: Uint8Array): ReadHistogram {
  const reader = new ProtoReader(bytes, 'protobuf exposition');
  const writer = new ProtoWriter(Math.max(64, bytes.length));
  const lists = new Map<number, Uint8Array[]>();
  const isFloat = hasFloatCount(bytes);
  while (reader.at < reader.end) {
    const tag = reader.tag();
    const start = reader.at;
    reader.skip(tag);
    const field = tag >>> 3;
    const list = LISTS.get(field);
    if (list !== undefined) {
      const parts = lists.get(list) ?? [];
      lists.set(list, parts);
      parts.push((tag & 7) === 2 ? payload(bytes, start, reader.at) : bytes.subarray(start, reader.at));
      continue;
    }
    const to = SAME.get(field);
    if (to === undefined || (isFloat && (field === 1 || field === 7))) continue;
    writer.bytes(Uint8Array.of((to << 3) | (tag & 7)));
    writer.bytes(bytes.subarray(start, reader.at));
  }
  for (const [field, parts] of lists) {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    writer.bytes(Uint8Array.from([(field << 3) | 2, ...lengthBytes(length)]));
    for (const part of parts) writer.bytes(part);
  }
  return readHistogram(writer.finish());
}

function hasFloatCount(bytes: Uint8Array): boolean {
  const reader = new ProtoReader(bytes, 'protobuf exposition');
  while (reader.at < reader.end) {
    const tag = reader.tag();
    const start = reader.at;
    reader.skip(tag);
    if (tag === ((4 << 3) | 1) && reader.view.getFloat64(start, true) > 0) return true;
  }
  return false;
}

function payload(bytes: Uint8Array, start: number, end: number): Uint8Array {
  let at = start;
  while (bytes[at]! >= 0x80) at++;
  return bytes.subarray(at + 1, end);
}

function lengthBytes(length: number): number[] {
  const bytes: number[] = [];
  let rest = length;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return [...bytes, rest];
}
