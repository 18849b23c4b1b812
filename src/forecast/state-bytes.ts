/** What is wrong with saved bytes: their reader says so and nobody else has to look. */
export class DamagedStateError extends RangeError {
  override readonly name = 'DamagedStateError';
}

/** Numbers in a row, little-endian, into bytes that grow. */
export interface StateWriter {
  number(value: number): void;
  count(value: number): void;
  text(value: string): void;
  bytes(value: Uint8Array): void;
  doubles(values: Float64Array): void;
  singles(values: ArrayLike<number>): void;
  /** With an error of at most a sixteen-millionth of the largest: three bytes each. */
  coarse(values: ArrayLike<number>): void;
  /** With an error of at most a sixty-thousandth of the largest: two bytes each. */
  rough(values: ArrayLike<number>): void;
  finish(): Uint8Array;
}

/** The largest whole number in three bytes with a sign. */
const COARSEST = 2 ** 23 - 1;
/** And in two. */
const ROUGHEST = 2 ** 15 - 1;

function scaleOf(values: ArrayLike<number>, largest: number): number {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, Math.abs(values[i]!));
  return most > 0 ? most / largest : 1;
}

export function stateWriter(): StateWriter {
  let view = new DataView(new ArrayBuffer(4096));
  let length = 0;
  function room(bytes: number): number {
    if (length + bytes > view.byteLength) {
      const longer = new Uint8Array(Math.max(2 * view.byteLength, length + bytes));
      longer.set(new Uint8Array(view.buffer, 0, length));
      view = new DataView(longer.buffer);
    }
    length += bytes;
    return length - bytes;
  }
  // Room first: the view may be another one after it.
  const number = (value: number) => {
    const at = room(8);
    view.setFloat64(at, value, true);
  };
  const count = (value: number) => {
    const at = room(4);
    view.setUint32(at, value, true);
  };
  const bytes = (value: Uint8Array) => {
    count(value.length);
    const at = room(value.length);
    new Uint8Array(view.buffer).set(value, at);
  };
  return {
    number,
    count,
    bytes,
    text: (value) => bytes(new TextEncoder().encode(value)),
    doubles(values) {
      count(values.length);
      for (const value of values) number(value);
    },
    singles(values) {
      count(values.length);
      const at = room(4 * values.length);
      for (let i = 0; i < values.length; i++) view.setFloat32(at + 4 * i, values[i]!, true);
    },
    coarse(values) {
      const scale = scaleOf(values, COARSEST);
      count(values.length);
      number(scale);
      const at = room(3 * values.length);
      for (let i = 0; i < values.length; i++) {
        const whole = Math.round(values[i]! / scale);
        view.setInt16(at + 3 * i, whole >> 8, true);
        view.setUint8(at + 3 * i + 2, whole & 0xff);
      }
    },
    rough(values) {
      const scale = scaleOf(values, ROUGHEST);
      count(values.length);
      number(scale);
      const at = room(2 * values.length);
      for (let i = 0; i < values.length; i++) view.setInt16(at + 2 * i, Math.round(values[i]! / scale), true);
    },
    finish: () => new Uint8Array(view.buffer.slice(0, length)),
  };
}

/** Reads what a `StateWriter` wrote. Every call throws a `DamagedStateError` where the bytes do not hold what is asked. */
export interface StateReader {
  number(): number;
  count(): number;
  text(): string;
  bytes(): Uint8Array;
  doubles(out: Float64Array): void;
  singles(out: Float32Array | Float64Array): void;
  coarse(out: Float32Array | Float64Array): void;
  rough(out: Float32Array | Float64Array): void;
  end(): void;
}

export function stateReader(saved: Uint8Array): StateReader {
  const view = new DataView(saved.buffer, saved.byteOffset, saved.byteLength);
  let at = 0;
  function take(bytes: number): number {
    if (at + bytes > view.byteLength) throw new DamagedStateError(`cannot read state: it ends after ${at} bytes`);
    at += bytes;
    return at - bytes;
  }
  const number = () => view.getFloat64(take(8), true);
  const count = () => view.getUint32(take(4), true);
  const bytes = () => {
    const size = count();
    const from = take(size);
    return saved.subarray(from, from + size);
  };
  function expect(size: number): void {
    const got = count();
    if (got !== size) throw new DamagedStateError(`cannot read state: ${got} values where ${size} belong`);
  }
  return {
    number,
    count,
    bytes,
    text: () => new TextDecoder().decode(bytes()),
    doubles(out) {
      expect(out.length);
      for (let i = 0; i < out.length; i++) out[i] = number();
    },
    singles(out) {
      expect(out.length);
      const from = take(4 * out.length);
      for (let i = 0; i < out.length; i++) out[i] = view.getFloat32(from + 4 * i, true);
    },
    coarse(out) {
      expect(out.length);
      const scale = number();
      const from = take(3 * out.length);
      for (let i = 0; i < out.length; i++) {
        out[i] = scale * (256 * view.getInt16(from + 3 * i, true) + view.getUint8(from + 3 * i + 2));
      }
    },
    rough(out) {
      expect(out.length);
      const scale = number();
      const from = take(2 * out.length);
      for (let i = 0; i < out.length; i++) out[i] = scale * view.getInt16(from + 2 * i, true);
    },
    end() {
      if (at !== view.byteLength)
        throw new DamagedStateError(`cannot read state: ${view.byteLength - at} bytes too many`);
    },
  };
}

/** FNV-1a over bytes, 32 bits: tells a damaged state, not a forged one. */
export function checksumOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash >>> 0;
}
