import { WireError } from './errors.ts';

export interface SnappyOptions {
  /** A block that announces more decoded bytes is refused before anything is allocated. */
  readonly maxBytes: number;
  /** Decoded into, where it is large enough; otherwise a new buffer is allocated. What is behind may change as well. */
  readonly buffer?: Uint8Array;
}

/**
 * The decoded length that a snappy block announces.
 * @throws {WireError} If the preamble is not a length below 2^32.
 */
export function snappyLength(block: Uint8Array): number {
  return preamble(block).length;
}

/**
 * Decodes the snappy block format (not the framed one).
 * @returns A view of exactly the decoded bytes.
 * @throws {WireError} If the block is damaged, or decodes to more than `maxBytes`.
 */
export function decodeSnappy(block: Uint8Array, { maxBytes, buffer }: SnappyOptions): Uint8Array {
  const { length, end: bodyStart } = preamble(block);
  if (length > maxBytes) {
    throw new WireError('snappy block', `decoded length ${length} is above the limit of ${maxBytes}`, 0);
  }
  // No element decodes to more than 64 bytes for each of its own 3 (a copy with a 2-byte offset).
  if (length * 3 > (block.length - bodyStart) * 64) {
    throw new WireError('snappy block', `${block.length} bytes cannot hold the decoded length ${length}`, 0);
  }
  const out = buffer !== undefined && buffer.length >= length ? buffer : new Uint8Array(length);
  const source = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const target = new DataView(out.buffer, out.byteOffset, out.byteLength);
  const blockEnd = block.length;
  // Whole words may be written up to here: what is too much of the last one is overwritten by what follows it.
  const roomy = out.length - 3;
  let at = bodyStart;
  let to = 0;

  while (at < blockEnd) {
    const tag = block[at]!;
    const element = at++;
    if ((tag & 3) === 0) {
      let size = (tag >>> 2) + 1;
      if (size > 60) {
        const extra = size - 60;
        if (at + extra > blockEnd) throw cutShort(element);
        size = 0;
        for (let i = extra - 1; i >= 0; i--) size = size * 256 + block[at + i]!;
        size += 1;
        at += extra;
      }
      if (at + size > blockEnd) throw cutShort(element);
      if (to + size > length) throw tooLong(element, length);
      if (size > 64) {
        out.set(block.subarray(at, at + size), to);
      } else if (at + size + 3 <= blockEnd && to + size <= roomy) {
        for (let i = 0; i < size; i += 4) target.setInt32(to + i, source.getInt32(at + i, true), true);
      } else {
        for (let i = 0; i < size; i++) out[to + i] = block[at + i]!;
      }
      at += size;
      to += size;
      continue;
    }
    let size: number;
    let offset: number;
    if ((tag & 3) === 1) {
      if (at >= blockEnd) throw cutShort(element);
      size = ((tag >>> 2) & 7) + 4;
      offset = ((tag >>> 5) << 8) | block[at++]!;
    } else if ((tag & 3) === 2) {
      if (at + 2 > blockEnd) throw cutShort(element);
      size = (tag >>> 2) + 1;
      offset = source.getUint16(at, true);
      at += 2;
    } else {
      if (at + 4 > blockEnd) throw cutShort(element);
      size = (tag >>> 2) + 1;
      offset = source.getUint32(at, true);
      at += 4;
    }
    if (offset === 0 || offset > to) {
      throw new WireError('snappy block', `a copy reaches ${offset} bytes back where ${to} are decoded`, element);
    }
    if (to + size > length) throw tooLong(element, length);
    // A copy may overlap what it writes; four bytes at a time is right only from 4 bytes back.
    if (offset >= 4 && to + size <= roomy) {
      const from = to - offset;
      for (let i = 0; i < size; i += 4) target.setInt32(to + i, target.getInt32(from + i, true), true);
    } else {
      for (let i = 0; i < size; i++) out[to + i] = out[to + i - offset]!;
    }
    to += size;
  }
  if (to !== length) {
    throw new WireError('snappy block', `it ends after ${to} of ${length} announced decoded bytes`, blockEnd);
  }
  return out.length === length ? out : out.subarray(0, length);
}

function preamble(block: Uint8Array): { length: number; end: number } {
  let length = 0;
  for (let i = 0; i < 5; i++) {
    const byte = block[i];
    if (byte === undefined) throw cutShort(i);
    length += (byte & 0x7f) * 2 ** (7 * i);
    if (byte >= 0x80) continue;
    if (length > 0xffff_ffff) break;
    return { length, end: i + 1 };
  }
  throw new WireError('snappy block', 'the announced length is not below 2^32', 0);
}

function cutShort(offset: number): WireError {
  return new WireError('snappy block', 'an element is cut short', offset);
}

function tooLong(offset: number, length: number): WireError {
  return new WireError('snappy block', `more is decoded than the announced ${length} bytes`, offset);
}

const HASH_BITS = 14;
/** Copies reach at most this far back, so a copy always fits two bytes of offset. */
const WINDOW = 65_535;

/** Encodes a snappy block: greedy matches of four bytes or more, found through one hash table. */
export function encodeSnappy(bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  // Literals cost at most 5 bytes for each 2^16, and a match is never longer than what it replaces.
  const out = new Uint8Array(length + Math.ceil(length / 6) + 32);
  const source = new DataView(bytes.buffer, bytes.byteOffset, length);
  const seen = new Int32Array(1 << HASH_BITS).fill(-1);
  let to = 0;
  let rest = length;
  while (rest > 0x7f) {
    out[to++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  out[to++] = rest;

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
