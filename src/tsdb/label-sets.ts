import type { Label, Labels } from '../model/labels.ts';

/** How full the slots may get before they are doubled. */
const MAX_LOAD = 0.6;
/** In a slot whose owner is gone: what comes behind it stays where it is. No reference is as large. */
const GONE = 0xffffffff;

/** Where a label set is kept, and the series that has it. */
export interface LabelSetOwner {
  readonly ref: number;
  labelsAt: number;
}

/**
 * The label sets of one tenant, each as the numbers of its labels: names and values are held once. A label set is found
 * by a hash of those numbers, seeded by the process, and compared.
 */
export class LabelSets<T extends LabelSetOwner> {
  readonly #seed: number;
  readonly #owners: ReadonlyMap<number, T>;
  readonly #names = new Map<string, Map<string, number>>();
  /** By number; a hole where the label is gone. */
  readonly #labels: (Label | undefined)[] = [];
  readonly #freeNumbers: number[] = [];
  /** Label sets one behind another: how many labels, then their numbers. */
  #arena = new Uint32Array(1_024);
  #arenaEnd = 0;
  #dead = 0;
  /** References by hash; 0 is free. */
  #slots = new Uint32Array(256);
  /** Slots in use, those of gone owners included. */
  #used = 0;

  /** @param owners Those whose label sets are here, by reference. */
  constructor(owners: ReadonlyMap<number, T>, seed: number) {
    this.#owners = owners;
    this.#seed = seed;
  }

  /** Bytes beside the labels themselves. */
  get sizeBytes(): number {
    return this.#arena.byteLength + this.#slots.byteLength;
  }

  valuesOf(name: string): ReadonlyMap<string, number> | undefined {
    return this.#names.get(name);
  }

  label(number: number): Label {
    return this.#labels[number]!;
  }

  /** The numbers of the labels. */
  numbersAt(at: number): Uint32Array {
    return this.#arena.subarray(at + 1, at + 1 + this.#arena[at]!);
  }

  labelsAt(at: number): Labels {
    const labels: Label[] = [];
    for (let i = at + 1, end = i + this.#arena[at]!; i < end; i++) labels.push(this.#labels[this.#arena[i]!]!);
    return labels;
  }

  /** The number of this name's label of the set at `at`; -1 where it has none. */
  numberOf(at: number, name: string): number {
    for (let i = at + 1, end = i + this.#arena[at]!; i < end; i++) {
      if (this.#labels[this.#arena[i]!]![0] === name) return this.#arena[i]!;
    }
    return -1;
  }

  /** Who has exactly these labels. */
  find(labels: Labels): T | undefined {
    const numbers = new Uint32Array(labels.length);
    for (const [i, [name, value]] of labels.entries()) {
      const number = this.#names.get(name)?.get(value);
      if (number === undefined) return undefined;
      numbers[i] = number;
    }
    const mask = this.#slots.length - 1;
    for (let slot = this.#hash(numbers) & mask; ; slot = (slot + 1) & mask) {
      const ref = this.#slots[slot]!;
      if (ref === 0) return undefined;
      const owner = this.#owners.get(ref);
      if (owner !== undefined && this.#equals(owner.labelsAt, numbers)) return owner;
    }
  }

  /** Keeps the label set of a new owner. Returns where. */
  add(ref: number, labels: Labels): number {
    const at = this.#arenaEnd;
    const end = at + 1 + labels.length;
    if (end > this.#arena.length) {
      const grown = new Uint32Array(Math.max(end, this.#arena.length + (this.#arena.length >> 1)));
      grown.set(this.#arena);
      this.#arena = grown;
    }
    this.#arena[at] = labels.length;
    labels.forEach((label, i) => {
      this.#arena[at + 1 + i] = this.#numberFor(label);
    });
    this.#arenaEnd = end;
    this.#used++;
    if (this.#used / this.#slots.length > MAX_LOAD) this.#renewSlots(1);
    this.#place(ref, at);
    return at;
  }

  /** Forgets the label sets of owners that are gone already, and labels that nobody has any more. */
  remove(gone: Iterable<T>, unusedLabels: readonly number[]): void {
    for (const { ref, labelsAt } of gone) {
      this.#dead += 1 + this.#arena[labelsAt]!;
      const mask = this.#slots.length - 1;
      let slot = this.#hash(this.numbersAt(labelsAt)) & mask;
      while (this.#slots[slot] !== ref) slot = (slot + 1) & mask;
      this.#slots[slot] = GONE;
    }
    for (const number of unusedLabels) {
      const [name, value] = this.#labels[number]!;
      const values = this.#names.get(name)!;
      values.delete(value);
      if (values.size === 0) this.#names.delete(name);
      this.#labels[number] = undefined;
      this.#freeNumbers.push(number);
    }
    if (this.#dead > this.#arenaEnd >> 1) this.#compact();
  }

  #numberFor(label: Label): number {
    const [name, value] = label;
    let values = this.#names.get(name);
    if (values === undefined) {
      values = new Map();
      this.#names.set(name, values);
    }
    let number = values.get(value);
    if (number === undefined) {
      number = this.#freeNumbers.pop() ?? this.#labels.length;
      values.set(value, number);
      this.#labels[number] = label;
    }
    return number;
  }

  #compact(): void {
    const arena = new Uint32Array(Math.max(1_024, this.#arenaEnd - this.#dead));
    let end = 0;
    for (const owner of this.#owners.values()) {
      const from = owner.labelsAt;
      const length = 1 + this.#arena[from]!;
      for (let i = 0; i < length; i++) arena[end + i] = this.#arena[from + i]!;
      owner.labelsAt = end;
      end += length;
    }
    this.#arena = arena;
    this.#arenaEnd = end;
    this.#dead = 0;
  }

  #equals(at: number, numbers: Uint32Array): boolean {
    if (this.#arena[at] !== numbers.length) return false;
    for (let i = 0; i < numbers.length; i++) if (this.#arena[at + 1 + i] !== numbers[i]) return false;
    return true;
  }

  /** Of the numbers from `from` to `to`: a view of each set would cost more than its hash. */
  #hash(numbers: Uint32Array, from = 0, to = numbers.length): number {
    let hash = this.#seed ^ (to - from);
    // MurmurHash3's mixing (Austin Appleby, public domain).
    for (let i = from; i < to; i++) {
      let word = Math.imul(numbers[i]! ^ this.#seed, 0xcc9e2d51);
      word = Math.imul((word << 15) | (word >>> 17), 0x1b873593);
      hash ^= word;
      hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
    }
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return (hash ^ (hash >>> 16)) >>> 0;
  }

  #place(ref: number, at: number): void {
    const mask = this.#slots.length - 1;
    let slot = this.#hash(this.#arena, at + 1, at + 1 + this.#arena[at]!) & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = ref;
  }

  /** Slots for the owners that are left and some more. */
  #renewSlots(more: number): void {
    let length = 256;
    while ((this.#owners.size + more) / length > MAX_LOAD / 1.5) length *= 2;
    this.#slots = new Uint32Array(length);
    this.#used = this.#owners.size + more;
    for (const { ref, labelsAt } of this.#owners.values()) this.#place(ref, labelsAt);
  }
}
