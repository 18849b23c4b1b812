import { Elements, millisOf, OTLP_REQUEST } from './otlp.ts';
import { ProtoReader } from './protobuf.ts';

const STRICT = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const LENIENT = new TextDecoder('utf-8', { ignoreBOM: true });

export const NOTHING = new Uint8Array();

/** The bytes of a field that should be there once at most. */
export class Once {
  readonly #walk: Walk;
  bytes: Uint8Array = NOTHING;
  isOnce = true;
  #isThere = false;

  constructor(walk: Walk) {
    this.#walk = walk;
  }

  /** Before the field is read. */
  peek(): void {
    const { reader } = this.#walk;
    const { at } = reader;
    const end = reader.lengthEnd();
    this.isOnce = !this.#isThere;
    this.#isThere = true;
    this.bytes = reader.bytes.subarray(reader.at, end);
    reader.at = at;
  }
}

/** A reader with a message's bounds, that counts what it makes. */
export class Walk {
  readonly reader: ProtoReader;
  readonly elements = new Elements();
  /** Texts so far that were not UTF-8. */
  invalidTexts = 0;

  /** Where the field begins that is read. */
  fieldAt = 0;
  readonly #only: ReadonlySet<number> | undefined;

  constructor(bytes: Uint8Array, only: ReadonlySet<number> | undefined) {
    this.reader = new ProtoReader(bytes, OTLP_REQUEST);
    this.#only = only;
  }

  /** Whether the message whose length is next is to be read. */
  isWanted(): boolean {
    if (this.#only === undefined) return true;
    const { reader } = this;
    const { at } = reader;
    reader.lengthEnd();
    const isIt = this.#only.has(reader.at);
    reader.at = at;
    return isIt;
  }

  /** Offers each field of the message to `read`, and skips those that it does not take. */
  fields(read: (tag: number) => boolean): void {
    const { reader } = this;
    while (reader.at < reader.end) {
      const { at } = reader;
      const tag = reader.tag();
      this.fieldAt = at;
      if (!read(tag)) reader.skip(tag);
    }
  }

  nested<T>(read: () => T): T {
    const { reader } = this;
    this.elements.add();
    const outer = reader.end;
    reader.end = reader.lengthEnd();
    const value = read();
    reader.end = outer;
    return value;
  }

  /** As `nested`, of what is read in steps. */
  *nestedSteps<T>(read: () => Generator<number, T>): Generator<number, T> {
    const { reader } = this;
    this.elements.add();
    const outer = reader.end;
    reader.end = reader.lengthEnd();
    const value = yield* read();
    reader.end = outer;
    return value;
  }

  /** As `fields`, of what is read in steps. */
  *fieldSteps(read: (tag: number) => Generator<number, boolean>): Generator<number, void> {
    const { reader } = this;
    while (reader.at < reader.end) {
      const { at } = reader;
      const tag = reader.tag();
      this.fieldAt = at;
      if (!(yield* read(tag))) reader.skip(tag);
    }
  }

  one(read: () => void): void {
    this.elements.add();
    read();
  }

  packed(read: () => void): void {
    const { reader } = this;
    const outer = reader.end;
    reader.end = reader.lengthEnd();
    while (reader.at < reader.end) this.one(read);
    reader.end = outer;
  }

  bytes(): Uint8Array {
    const { reader } = this;
    const end = reader.lengthEnd();
    const bytes = reader.bytes.subarray(reader.at, end);
    reader.at = end;
    return bytes;
  }

  text(): string {
    const bytes = this.bytes();
    try {
      return STRICT.decode(bytes);
    } catch {
      this.invalidTexts++;
      return LENIENT.decode(bytes);
    }
  }

  double(): number {
    const at = this.#take8();
    return this.reader.view.getFloat64(at, true);
  }

  int64(): number {
    const at = this.#take8();
    return this.reader.view.getInt32(at + 4, true) * 2 ** 32 + this.reader.view.getUint32(at, true);
  }

  uint64(): number {
    const at = this.#take8();
    return this.reader.view.getUint32(at + 4, true) * 2 ** 32 + this.reader.view.getUint32(at, true);
  }

  nanos(): number {
    const at = this.#take8();
    return millisOf(this.reader.view.getUint32(at, true), this.reader.view.getUint32(at + 4, true));
  }

  sint32(): number {
    const zigzag = this.reader.uint32();
    return (zigzag >>> 1) ^ -(zigzag & 1);
  }

  /** A varint of a uint64. */
  unsignedVarint(): number {
    const value = this.reader.varint();
    return value < 0 ? value + 2 ** 64 : value;
  }

  exactInt64(): number | bigint {
    const { reader } = this;
    const start = reader.at;
    const value = reader.varint();
    if (Number.isSafeInteger(value)) return value;
    let exact = 0n;
    for (let i = start; i < reader.at; i++) exact |= BigInt(reader.bytes[i]! & 0x7f) << BigInt(7 * (i - start));
    return BigInt.asIntN(64, exact);
  }

  #take8(): number {
    const { reader } = this;
    const { at } = reader;
    if (at + 8 > reader.end) throw reader.fault('a number is cut short', at);
    reader.at += 8;
    return at;
  }
}
