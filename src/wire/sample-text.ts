import type { Samples } from '../model/series.ts';

/** The exports of `assembly/` that write samples as text. */
export interface SampleTextCore {
  readonly memory: WebAssembly.Memory;
  allocate(bytes: number): number;
  powersOfTen(): number;
  formatSamples(times: number, values: number, count: number, out: number): number;
}

/** Writes some samples of a series, those `from` to `to`: a view, good until the next call. Undefined where it cannot. */
export type WriteSamples = (samples: Samples, from: number, to: number) => Uint8Array | undefined;

/** No more samples may be written at once. */
export const MOST_WRITTEN = 4_096;
const BYTES = 64;
/** As assembly/sample-text.ts has them. */
const LEAST_POWER = 30;
const POWERS = 90;

/** Samples as `,[1785751200.5,"0.25"]` each, those that `formatValue` and `String` would write, but much faster. */
export function sampleWriter(core: SampleTextCore): WriteSamples {
  new BigUint64Array(core.memory.buffer, core.powersOfTen() >>> 0, 2 * POWERS).set(powersOfTen());
  const timesAt = core.allocate(MOST_WRITTEN * (16 + BYTES)) >>> 0;
  const valuesAt = timesAt + MOST_WRITTEN * 8;
  const out = valuesAt + MOST_WRITTEN * 8;
  return ({ times, values }, from, to) => {
    copyBits(times.subarray(from, to), core.memory.buffer, timesAt);
    copyBits(values.subarray(from, to), core.memory.buffer, valuesAt);
    const length = core.formatSamples(timesAt, valuesAt, to - from, out);
    return length < 0 ? undefined : new Uint8Array(core.memory.buffer, out, length);
  };
}

/** The first 128 bits of powers of ten, rounded up, the high half first. */
function powersOfTen(): BigUint64Array {
  const words = new BigUint64Array(2 * POWERS);
  for (let i = 0; i < POWERS; i++) {
    const power = i - LEAST_POWER;
    const ten = 10n ** BigInt(Math.abs(power));
    // Scaled so that what is left has at least 128 bits.
    const [above, below] = power < 0 ? [1n << 400n, ten] : [ten << 400n, 1n];
    const quotient = above / below;
    const shift = BigInt(quotient.toString(2).length - 128);
    const isExact = above % below === 0n && quotient % (1n << shift) === 0n;
    const rounded = (quotient >> shift) + (isExact ? 0n : 1n);
    words[2 * i] = rounded >> 64n;
    words[2 * i + 1] = rounded & 0xffff_ffff_ffff_ffffn;
  }
  return words;
}

/** Copies memory, since a staleness marker's bits may not survive passing through a number. */
function copyBits(from: Float64Array, buffer: ArrayBuffer, at: number): void {
  new Uint8Array(buffer, at, from.byteLength).set(new Uint8Array(from.buffer, from.byteOffset, from.byteLength));
}
