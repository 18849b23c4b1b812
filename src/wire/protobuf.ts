import { WireError } from './errors.ts';

/** Reads protobuf's primitives from a range of bytes. Every read is checked against `end`. */
export class ProtoReader {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at: number;
  end: number;
  /** What errors call the bytes. */
  readonly #what: string;

  constructor(bytes: Uint8Array, what = 'remote write request') {
    this.#what = what;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
    this.end = bytes.length;
  }

  /** A field's tag: `number << 3 | wire type`. */
  tag(): number {
    const start = this.at;
    const tag = this.uint32();
    if (tag >>> 3 === 0) throw this.fault('field number 0', start);
    return tag;
  }

  uint32(): number {
    const first = this.bytes[this.at]!;
    if (this.at < this.end && first < 0x80) {
      this.at++;
      return first;
    }
    const start = this.at;
    const value = this.varint();
    if (value < 0 || value > 0xffff_ffff) throw this.fault('a number that does not fit 32 bits', start);
    return value;
  }

  /** An int64. Rounded where it does not fit a double exactly. */
  varint(): number {
    const { bytes, end } = this;
    const start = this.at;
    let low = 0;
    let middle = 0;
    let high = 0;
    for (let i = 0; i < 10; i++) {
      if (this.at >= end) throw this.fault('a number is cut short', start);
      const byte = bytes[this.at++]!;
      const bits = byte & 0x7f;
      if (i < 4) low |= bits << (7 * i);
      else if (i < 8) middle |= bits << (7 * (i - 4));
      else high |= bits << (7 * (i - 8));
      if (byte >= 0x80) continue;
      // Bit 63 is the sign: `high` holds bits 56 to 63, and a tenth byte carries one bit only.
      const top = high & 0x80 ? (high & 0xff) - 0x100 : high & 0xff;
      return top * 2 ** 56 + middle * 2 ** 28 + low;
    }
    throw this.fault('a number has more than 10 bytes', start);
  }

  /** Reads a length and returns where the field ends. */
  lengthEnd(): number {
    const start = this.at;
    const length = this.uint32();
    const fieldEnd = this.at + length;
    if (fieldEnd > this.end) throw this.fault(`a length of ${length} reaches past the end of its message`, start);
    return fieldEnd;
  }

  skip(tag: number): void {
    const start = this.at;
    switch (tag & 7) {
      case 0:
        this.varint();
        return;
      case 1:
        this.at += 8;
        break;
      case 2:
        this.at = this.lengthEnd();
        return;
      case 5:
        this.at += 4;
        break;
      default:
        throw this.fault(`wire type ${tag & 7} in field ${tag >>> 3}`, start);
    }
    if (this.at > this.end) throw this.fault('a field is cut short', start);
  }

  fault(why: string, offset: number): WireError {
    return new WireError(this.#what, why, offset);
  }
}
