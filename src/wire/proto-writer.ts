const UTF8 = new TextEncoder();

/** Writes protobuf's primitives. */
export class ProtoWriter {
  #bytes: Uint8Array;
  #at = 0;

  constructor(size = 65_536) {
    this.#bytes = new Uint8Array(size);
  }

  /** Bytes that are written. */
  get length(): number {
    return this.#at;
  }

  bytes(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#at);
  }

  /** Writes a nested message; its length is put in front once it is known. */
  message(tag: number, write: () => void): void {
    this.#room(16);
    this.#bytes[this.#at++] = tag;
    const start = this.#at;
    this.#at += 1;
    write();
    const length = this.#at - start - 1;
    const extra = varintSize(length) - 1;
    if (extra > 0) {
      this.#room(extra);
      this.#bytes.copyWithin(start + 1 + extra, start + 1, this.#at);
    }
    this.#at = start;
    this.#varint(length);
    this.#at += length;
  }

  text(tag: number, text: string): void {
    const bytes = UTF8.encode(text);
    this.#room(16 + bytes.length);
    this.#bytes[this.#at++] = tag;
    this.#varint(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  fixed64(tag: number, source: DataView, offset: number): void {
    this.#room(16);
    this.#bytes[this.#at++] = tag;
    // Typed arrays are little-endian wherever Node runs, as protobuf is.
    for (let i = 0; i < 8; i++) this.#bytes[this.#at++] = source.getUint8(offset + i);
  }

  /** An int64, or any number that is not below 0. */
  int64(tag: number, value: number): void {
    this.#room(16);
    this.#bytes[this.#at++] = tag;
    if (value >= 0) {
      this.#varint(value);
      return;
    }
    let rest = BigInt.asUintN(64, BigInt(Math.trunc(value)));
    for (let i = 0; i < 9; i++) {
      this.#bytes[this.#at++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#bytes[this.#at++] = Number(rest);
  }

  /** A bare number that is not below 0. */
  number(value: number): void {
    this.#room(16);
    this.#varint(value);
  }

  #varint(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      this.#bytes[this.#at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#at++] = rest;
  }

  #room(size: number): void {
    if (this.#at + size <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + size));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) size++;
  return size;
}
