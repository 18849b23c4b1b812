/** Beyond this many, references are held in four bytes each. */
const FEW = 16;

/** References of the series that have a label: mostly one, for pods and instances, or very many. */
export type Postings = number | readonly number[] | ManyRefs;

/** Tells whether a reference is still one of a series. */
export interface Living {
  has(ref: number): boolean;
}

/** Four bytes a reference. Those of series that are gone stay until they are half of all. */
export class ManyRefs {
  #refs: Uint32Array;
  #count: number;
  #gone = 0;

  constructor(refs: readonly number[]) {
    this.#refs = new Uint32Array(Math.max(2 * FEW, refs.length));
    this.#refs.set(refs);
    this.#count = refs.length;
  }

  /** May have some of series that are gone. */
  get refs(): Uint32Array {
    return this.#refs.subarray(0, this.#count);
  }

  get size(): number {
    return this.#count - this.#gone;
  }

  /** Forgets this many, which `living` no longer has. */
  remove(count: number, living: Living): void {
    this.#gone += count;
    if (this.#gone <= this.#count >> 1) return;
    let left = 0;
    for (let i = 0; i < this.#count; i++) if (living.has(this.#refs[i]!)) this.#refs[left++] = this.#refs[i]!;
    this.#refs = this.#refs.slice(0, Math.max(2 * FEW, left));
    this.#count = left;
    this.#gone = 0;
  }

  add(ref: number): void {
    if (this.#count === this.#refs.length) {
      const grown = new Uint32Array(this.#count + (this.#count >> 1));
      grown.set(this.#refs);
      this.#refs = grown;
    }
    this.#refs[this.#count++] = ref;
  }
}

export function withRef(postings: Postings | undefined, ref: number): Postings {
  if (postings === undefined) return ref;
  if (typeof postings === 'number') return [postings, ref];
  if (postings instanceof ManyRefs) {
    postings.add(ref);
    return postings;
  }
  // Arrays that grow by themselves leave room for many more.
  return postings.length < FEW ? [...postings, ref] : new ManyRefs([...postings, ref]);
}

/** Without `count` references, which `living` no longer has. Undefined where none is left. */
export function withoutRefs(postings: Postings, count: number, living: Living): Postings | undefined {
  if (postings instanceof ManyRefs && postings.size - count > FEW) {
    postings.remove(count, living);
    return postings;
  }
  const left = [...refsOf(postings)].filter((ref) => living.has(ref));
  return left.length <= 1 ? left[0] : left;
}

/** May have some of series that are gone. */
export function refsOf(postings: Postings): Iterable<number> {
  if (typeof postings === 'number') return [postings];
  return postings instanceof ManyRefs ? postings.refs : postings;
}

export function sizeOf(postings: Postings): number {
  if (typeof postings === 'number') return 1;
  return postings instanceof ManyRefs ? postings.size : postings.length;
}
