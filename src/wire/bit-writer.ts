/** Writes bits, the highest first, as Prometheus's chunks have them. */
export class BitWriter {
  #bytes: Uint8Array;
  /** In bits. */
  #at = 0;

  constructor(size = 256) {
    this.#bytes = new Uint8Array(size);
  }

  /** Up to 32 bits of a whole number; those above are left out. */
  write(value: number, width: number): void {
    if (this.#at + width > this.#bytes.length * 8) this.#grow();
    for (let left = width; left > 0; ) {
      const room = 8 - (this.#at & 7);
      const taken = Math.min(room, left);
      const part = (value >>> (left - taken)) & ((1 << taken) - 1);
      this.#bytes[this.#at >>> 3]! |= part << (room - taken);
      this.#at += taken;
      left -= taken;
    }
  }

  /** Two's complement in more than 32 bits of a number that a double holds exactly. */
  writeLong(value: number, width: number): void {
    const high = Math.floor(value / 2 ** 32);
    this.write(high | 0, width - 32);
    this.write((value - high * 2 ** 32) | 0, 32);
  }

  uvarint(value: number): void {
    let rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) this.write((rest % 128) | 0x80, 8);
    this.write(rest, 8);
  }

  /** Zigzag: the lowest bit is the sign. */
  varint(value: number): void {
    this.uvarint(value >= 0 ? value * 2 : -value * 2 - 1);
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, (this.#at + 7) >>> 3);
  }

  #grow(): void {
    const grown = new Uint8Array(this.#bytes.length * 2);
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}
