import { BitWriter } from './bit-writer.ts';

/** Widths of a difference of differences, each with as many ones before it as there are widths before. */
const DELTA_BITS = [14, 17, 20] as const;

/**
 * Encodes samples as a chunk of floats, as Prometheus stores and sends it (`tsdb/chunkenc/xor.go`): what `decodeXorChunk`
 * reads.
 * @param times Whole milliseconds that ascend, 65,535 at most.
 * @param values Bits travel as they are: staleness markers too.
 */
export function encodeXorChunk(times: Float64Array, values: Float64Array): Uint8Array {
  const count = times.length;
  const out = new BitWriter(32 + count * 4);
  out.write(count, 16);
  const xor = new XorWriter(out);
  const words = new Uint32Array(values.buffer, values.byteOffset, 2 * count);
  let delta = 0;
  for (let i = 0; i < count; i++) {
    if (i === 0) out.varint(times[0]!);
    else {
      const next = times[i]! - times[i - 1]!;
      if (i === 1) out.uvarint(next);
      else writeDifference(out, next - delta);
      delta = next;
    }
    xor.write(words[2 * i + 1]!, words[2 * i]!);
  }
  return out.finish();
}

/** Numbers one after the other, each as the bits in which it differs from the one before. */
export class XorWriter {
  readonly #out: BitWriter;
  #first = true;
  #high = 0;
  #low = 0;
  #leading = -1;
  #trailing = 0;

  constructor(out: BitWriter) {
    this.#out = out;
  }

  /** Both halves as unsigned numbers of 32 bits, or their two's complement. */
  write(high: number, low: number): void {
    const [changedHigh, changedLow] = [high ^ this.#high, low ^ this.#low];
    [this.#high, this.#low] = [high, low];
    if (this.#first) {
      this.#first = false;
      this.#out.write(high, 32);
      this.#out.write(low, 32);
      return;
    }
    if (changedHigh === 0 && changedLow === 0) {
      this.#out.write(0, 1);
      return;
    }
    // Five bits hold no more than 31.
    const leading = Math.min(31, changedHigh !== 0 ? Math.clz32(changedHigh) : 31);
    const trailing = changedLow !== 0 ? trailingZeros(changedLow) : 32 + trailingZeros(changedHigh);
    if (this.#leading >= 0 && leading >= this.#leading && trailing >= this.#trailing) this.#out.write(0b10, 2);
    else {
      [this.#leading, this.#trailing] = [leading, trailing];
      this.#out.write(0b11, 2);
      this.#out.write(leading, 5);
      // 64 does not fit six bits, and 0 would be no difference.
      this.#out.write((64 - leading - trailing) & 63, 6);
    }
    this.#writeMiddle(changedHigh, changedLow);
  }

  /** The bits between the zeros before and behind. */
  #writeMiddle(high: number, low: number): void {
    const by = this.#trailing;
    const width = 64 - this.#leading - by;
    const upper = by >= 32 ? 0 : by === 0 ? high : high >>> by;
    const lower = by >= 32 ? high >>> (by - 32) : by === 0 ? low : (high << (32 - by)) | (low >>> by);
    if (width > 32) this.#out.write(upper, width - 32);
    this.#out.write(lower, Math.min(32, width));
  }
}

function writeDifference(out: BitWriter, difference: number): void {
  if (difference === 0) {
    out.write(0, 1);
    return;
  }
  for (const [i, width] of DELTA_BITS.entries()) {
    const half = 2 ** (width - 1);
    // Half of the range itself is positive, unlike in two's complement.
    if (difference < -(half - 1) || difference > half) continue;
    out.write(2 ** (i + 2) - 2, i + 2);
    out.write(difference, width);
    return;
  }
  out.write(0b1111, 4);
  out.writeLong(difference, 64);
}

function trailingZeros(word: number): number {
  return 31 - Math.clz32(word & -word);
}
