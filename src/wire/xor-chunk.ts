import { WireError } from './errors.ts';

export interface XorSamples {
  readonly times: Float64Array;
  /** Bits as they were: staleness markers too. */
  readonly values: Float64Array;
}

/** Bits of a difference of differences, by how many ones stand before it. */
const DELTA_BITS = [0, 14, 17, 20, 64] as const;

/**
 * Decodes a chunk of floats as Prometheus stores and sends it (`tsdb/chunkenc/xor.go`, after Facebook's Gorilla): a count,
 * then times as differences of differences and values XORed with the one before.
 * @throws {WireError} If the bytes end before the samples do.
 */
export function decodeXorChunk(bytes: Uint8Array): XorSamples {
  const bits = new BitReader(bytes);
  const count = bits.read(16);
  // A sample takes two bits at the least: a count that is a lie must not take memory.
  if (count > bytes.length * 8) throw bits.cutShort();
  const times = new Float64Array(count);
  const values = new Float64Array(count);
  const words = new Uint32Array(values.buffer);
  let delta = 0;
  let high = 0;
  let low = 0;
  let leading = 0;
  let width = 0;
  for (let i = 0; i < count; i++) {
    if (i === 0) {
      times[0] = bits.varint();
      high = bits.read(32);
      low = bits.read(32);
    } else {
      if (i === 1) delta = bits.uvarint();
      else delta += differenceOf(bits);
      times[i] = times[i - 1]! + delta;
      if (bits.read(1) === 1) {
        if (bits.read(1) === 1) {
          leading = bits.read(5);
          // 64 does not fit six bits, and 0 would be no difference.
          width = bits.read(6) || 64;
        }
        const trailing = 64 - leading - width;
        if (trailing < 0) throw bits.fault(`${leading} leading zeros before ${width} bits`);
        const upper = width > 32 ? bits.read(width - 32) : 0;
        const lower = bits.read(Math.min(32, width));
        const [xorHigh, xorLow] = shiftedLeft(upper, lower, trailing);
        high = (high ^ xorHigh) >>> 0;
        low = (low ^ xorLow) >>> 0;
      }
    }
    words[2 * i] = low;
    words[2 * i + 1] = high;
  }
  return { times, values };
}

/** Samples of a chunk of any kind: all begin with their number. */
export function chunkSamples(bytes: Uint8Array): number {
  return bytes.length < 2 ? 0 : (bytes[0]! << 8) | bytes[1]!;
}

function differenceOf(bits: BitReader): number {
  let ones = 0;
  while (ones < 4 && bits.read(1) === 1) ones++;
  const width = DELTA_BITS[ones]!;
  if (width === 0) return 0;
  if (width === 64) {
    // Two's complement in two halves; what does not fit a double is no time of anybody's.
    const upper = bits.read(32) | 0;
    return upper * 2 ** 32 + bits.read(32);
  }
  const value = bits.read(width);
  // Half of the range itself is positive, unlike in two's complement.
  return value > 2 ** (width - 1) ? value - 2 ** width : value;
}

function shiftedLeft(high: number, low: number, by: number): readonly [number, number] {
  if (by === 0) return [high >>> 0, low >>> 0];
  if (by >= 32) return [(low << (by - 32)) >>> 0, 0];
  return [((high << by) | (low >>> (32 - by))) >>> 0, (low << by) >>> 0];
}

class BitReader {
  readonly #bytes: Uint8Array;
  /** In bits. */
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Up to 32 bits, the highest first. */
  read(count: number): number {
    if (this.#at + count > this.#bytes.length * 8) throw this.cutShort();
    let value = 0;
    for (let left = count; left > 0; ) {
      const room = 8 - (this.#at & 7);
      const taken = Math.min(room, left);
      const part = (this.#bytes[this.#at >>> 3]! >>> (room - taken)) & ((1 << taken) - 1);
      // Not by shifting: 32 bits would become a negative number.
      value = value * 2 ** taken + part;
      this.#at += taken;
      left -= taken;
    }
    return value;
  }

  uvarint(): number {
    let value = 0;
    for (let i = 0; i < 10; i++) {
      const byte = this.read(8);
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return value;
    }
    throw this.fault('a number has more than 10 bytes');
  }

  /** Zigzag: the lowest bit is the sign. */
  varint(): number {
    const value = this.uvarint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  cutShort(): WireError {
    return this.fault('it is cut short');
  }

  fault(why: string): WireError {
    return new WireError('a chunk of samples', why, this.#at >>> 3);
  }
}
