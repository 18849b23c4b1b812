/** How full the slots may get before they are doubled. */
const MAX_LOAD = 0.6;

/**
 * A table from byte strings to numbers above zero, in one arena: no object for each entry. Hashes are seeded by the
 * process and the bytes are compared on every hit, so that equal hashes, found or forged, do no harm.
 */
export class BytesTable {
  readonly #seed: number;
  #arena = new Uint8Array(4_096);
  #view = new DataView(this.#arena.buffer);
  #arenaEnd = 0;
  /** Entry number + 1 by hash slot; 0 is free. */
  #slots = new Uint32Array(256);
  #hashes = new Uint32Array(128);
  #offsets = new Uint32Array(129);
  #numbers = new Uint32Array(128);
  #count = 0;
  /** Senders repeat their series in the same order: the entry after the last one found is tried first. */
  #guess = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** Bytes held, for whoever bounds this table. */
  get sizeBytes(): number {
    return this.#arenaEnd + this.#count * 20;
  }

  /** The number of these bytes, or 0. */
  find(bytes: DataView, start: number, end: number): number {
    const guess = this.#guess;
    if (guess < this.#count && this.#isEntry(guess, bytes, start, end)) {
      this.#guess = guess + 1;
      return this.#numbers[guess]!;
    }
    const entry = this.#entryOf(bytes, start, end, this.#hash(bytes, start, end));
    if (entry < 0) return 0;
    this.#guess = entry + 1;
    return this.#numbers[entry]!;
  }

  /** The length of the entry after the last one found, where its bytes stand at `start`; 0 where others do. */
  expectedLength(bytes: DataView, start: number, limit: number): number {
    const guess = this.#guess;
    if (guess >= this.#count) return 0;
    const length = this.#offsets[guess + 1]! - this.#offsets[guess]!;
    return start + length <= limit && this.#isEntry(guess, bytes, start, start + length) ? length : 0;
  }

  /** The number of the entry that `expectedLength` has just found. */
  takeExpected(): number {
    return this.#numbers[this.#guess++]!;
  }

  /** Remembers a number for these bytes; 0 forgets it, and keeps the bytes. */
  set(bytes: Uint8Array, number: number): void {
    const view = viewOf(bytes);
    const hash = this.#hash(view, 0, bytes.length);
    const found = this.#entryOf(view, 0, bytes.length, hash);
    if (found >= 0) {
      this.#numbers[found] = number;
      return;
    }
    if (number === 0) return;
    this.#room(bytes.length);
    const entry = this.#count++;
    this.#arena.set(bytes, this.#arenaEnd);
    this.#offsets[entry] = this.#arenaEnd;
    this.#arenaEnd += bytes.length;
    this.#offsets[entry + 1] = this.#arenaEnd;
    this.#hashes[entry] = hash;
    this.#numbers[entry] = number;
    this.#place(entry, hash);
  }

  #isEntry(entry: number, view: DataView, start: number, end: number): boolean {
    const from = this.#offsets[entry]!;
    const length = end - start;
    if (this.#offsets[entry + 1]! - from !== length) return false;
    const own = this.#view;
    let i = 0;
    for (; i + 16 <= length; i += 16) {
      const a = from + i;
      const b = start + i;
      // Differences of four words at once: equal bytes are the usual case, and branches cost more than arithmetic.
      const differing =
        (own.getInt32(a, true) ^ view.getInt32(b, true)) |
        (own.getInt32(a + 4, true) ^ view.getInt32(b + 4, true)) |
        (own.getInt32(a + 8, true) ^ view.getInt32(b + 8, true)) |
        (own.getInt32(a + 12, true) ^ view.getInt32(b + 12, true));
      if (differing !== 0) return false;
    }
    for (; i < length; i++) if (own.getUint8(from + i) !== view.getUint8(start + i)) return false;
    return true;
  }

  #entryOf(view: DataView, start: number, end: number, hash: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#slots[slot]! - 1;
      if (entry < 0) return -1;
      if (this.#hashes[entry] === hash && this.#isEntry(entry, view, start, end)) return entry;
    }
  }

  #hash(view: DataView, start: number, end: number): number {
    let hash = this.#seed ^ (end - start);
    let at = start;
    // MurmurHash3's mixing (Austin Appleby, public domain), four bytes a step.
    for (; at + 4 <= end; at += 4) {
      let word = Math.imul(view.getUint32(at, true), 0xcc9e2d51);
      word = Math.imul((word << 15) | (word >>> 17), 0x1b873593);
      hash ^= word;
      hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
    }
    for (; at < end; at++) hash = Math.imul(hash ^ view.getUint8(at), 0x5bd1e995);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return (hash ^ (hash >>> 16)) >>> 0;
  }

  #place(entry: number, hash: number): void {
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = entry + 1;
  }

  #room(size: number): void {
    if (this.#arenaEnd + size > this.#arena.length) {
      const grown = new Uint8Array(Math.max(this.#arena.length * 2, this.#arenaEnd + size));
      grown.set(this.#arena);
      this.#arena = grown;
      this.#view = new DataView(grown.buffer);
    }
    if (this.#count < this.#hashes.length) return;
    const capacity = this.#hashes.length * 2;
    this.#hashes = widened(this.#hashes, capacity);
    this.#numbers = widened(this.#numbers, capacity);
    this.#offsets = widened(this.#offsets, capacity + 1);
    if (capacity / this.#slots.length <= MAX_LOAD) return;
    this.#slots = new Uint32Array(this.#slots.length * 2);
    for (let entry = 0; entry < this.#count; entry++) this.#place(entry, this.#hashes[entry]!);
  }
}

/** For `find`, which is called too often to make a view each time. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function widened(from: Uint32Array<ArrayBuffer>, length: number): Uint32Array<ArrayBuffer> {
  const wide = new Uint32Array(length);
  wide.set(from);
  return wide;
}
