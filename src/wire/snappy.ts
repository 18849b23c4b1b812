import { WireTooLargeError } from './errors.ts';
import { ProtoReader } from './protobuf.ts';

const HASH_BITS = 14;
/** Copies reach at most this far back, so a copy always fits two bytes of offset. */
const WINDOW = 65_535;

/** Encodes a snappy block: greedy matches of four bytes or more, found through one hash table. */
export function encodeSnappy(bytes: Uint8Array): Uint8Array {
  const [length, elements] = [snappyLength(bytes.length), encodeSnappyPart(bytes)];
  const block = new Uint8Array(length.length + elements.length);
  block.set(length);
  block.set(elements, length.length);
  return block;
}

/** What a block begins with: the number of its bytes once it is decoded. Parts follow. */
export function snappyLength(length: number): Uint8Array {
  const bytes: number[] = [];
  let rest = length;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return Uint8Array.of(...bytes, rest);
}

/** Encodes a part of a block: parts one behind the other, after their length together, are a block. */
export function encodeSnappyPart(bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  // Literals cost at most 5 bytes for each 2^16, and a match is never longer than what it replaces.
  const out = new Uint8Array(length + Math.ceil(length / 6) + 32);
  const source = new DataView(bytes.buffer, bytes.byteOffset, length);
  const seen = new Int32Array(1 << HASH_BITS).fill(-1);
  let to = 0;
  let literalStart = 0;
  let at = 0;
  while (at + 4 <= length) {
    const word = source.getUint32(at, true);
    const slot = Math.imul(word, 0x1e35a7bd) >>> (32 - HASH_BITS);
    const match = seen[slot]!;
    seen[slot] = at;
    if (match < 0 || at - match > WINDOW || source.getUint32(match, true) !== word) {
      at++;
      continue;
    }
    let size = 4;
    while (at + size < length && bytes[match + size] === bytes[at + size]) size++;
    to = writeLiteral(out, to, bytes, literalStart, at);
    const offset = at - match;
    at += size;
    literalStart = at;
    while (size > 0) {
      const step = Math.min(size, 64);
      out[to++] = ((step - 1) << 2) | 2;
      out[to++] = offset & 0xff;
      out[to++] = offset >>> 8;
      size -= step;
    }
  }
  to = writeLiteral(out, to, bytes, literalStart, length);
  return out.subarray(0, to);
}

function writeLiteral(out: Uint8Array, at: number, bytes: Uint8Array, start: number, end: number): number {
  let to = at;
  const size = end - start;
  if (size === 0) return to;
  const n = size - 1;
  if (n < 60) {
    out[to++] = n << 2;
  } else {
    const extra = n < 0x100 ? 1 : n < 0x1_0000 ? 2 : n < 0x100_0000 ? 3 : 4;
    out[to++] = (59 + extra) << 2;
    for (let i = 0; i < extra; i++) out[to++] = (n >>> (8 * i)) & 0xff;
  }
  out.set(bytes.subarray(start, end), to);
  return to + size;
}

/**
 * Decodes a snappy block.
 * @param most Bytes that it may have decoded: its length is read before any memory is taken.
 * @throws {WireError} If it is damaged. @throws {WireTooLargeError} If it has more.
 */
export function decodeSnappy(block: Uint8Array, most: number): Uint8Array {
  const reader = new ProtoReader(block, 'a snappy block');
  const length = reader.uint32();
  if (length > most) throw new WireTooLargeError(`a snappy block has ${length} bytes, and at most ${most} are read`);
  const out = new Uint8Array(length);
  let { at } = reader;
  let to = 0;
  while (at < block.length) {
    const tag = block[at++]!;
    const kind = tag & 3;
    if (kind === 0) {
      let size = tag >>> 2;
      if (size >= 60) {
        const extra = size - 59;
        size = littleEndian(block, at, extra);
        at += extra;
      }
      size++;
      if (!(at + size <= block.length && to + size <= length)) throw reader.fault('a literal reaches past the end', at);
      out.set(block.subarray(at, at + size), to);
      at += size;
      to += size;
      continue;
    }
    const size = kind === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1;
    const extra = kind === 1 ? 1 : kind === 2 ? 2 : 4;
    const offset = littleEndian(block, at, extra) + (kind === 1 ? (tag >>> 5) * 256 : 0);
    at += extra;
    if (!(offset > 0 && offset <= to && to + size <= length)) throw reader.fault('a copy reaches past the end', at);
    // Byte by byte: a copy may repeat what it writes.
    for (let i = 0; i < size; i++, to++) out[to] = out[to - offset]!;
  }
  if (to !== length || at !== block.length) throw reader.fault('it ends too early', at);
  return out;
}

/** NaN beyond the end, with which every comparison fails. */
function littleEndian(bytes: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let i = 0; i < size; i++) value += (bytes[at + i] ?? Number.NaN) * 2 ** (8 * i);
  return value;
}
