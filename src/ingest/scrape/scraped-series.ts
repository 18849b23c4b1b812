/** What is known of a series of a target, in bits. */
export const TRACKED = 1;
/** Relabelling dropped it. */
export const DROPPED = 2;
/** It may not be stored; `refusals` says why. */
export const REFUSED = 4;

/** The pass of a series that no pass had. */
export const NEVER = 0;

/**
 * The series of one target by number, from 1: what every sample asks stands in columns, since a target may have a hundred
 * thousand.
 */
export class ScrapedSeries {
  /** Zero while the store has given none. */
  refs = new Uint32Array(64);
  /** The pass that last had it. */
  passes = new Uint32Array(64);
  flags = new Uint8Array(64);
  /** Canonical labels, as long as there is no reference. */
  readonly labels = new Map<number, Uint8Array>();
  readonly refusals = new Map<number, string>();
  #free: number[] = [];
  #last = 0;

  /** A number that nothing else has. */
  add(): number {
    const series = this.#free.pop() ?? ++this.#last;
    if (series >= this.refs.length) this.#grow();
    return series;
  }

  forget(series: number): void {
    this.refs[series] = 0;
    this.passes[series] = NEVER;
    this.flags[series] = 0;
    this.labels.delete(series);
    this.refusals.delete(series);
    this.#free.push(series);
  }

  clear(): void {
    this.refs = new Uint32Array(64);
    this.passes = new Uint32Array(64);
    this.flags = new Uint8Array(64);
    this.labels.clear();
    this.refusals.clear();
    this.#free = [];
    this.#last = 0;
  }

  #grow(): void {
    const { refs, passes, flags } = this;
    const wider = refs.length * 2;
    this.refs = new Uint32Array(wider);
    this.passes = new Uint32Array(wider);
    this.flags = new Uint8Array(wider);
    this.refs.set(refs);
    this.passes.set(passes);
    this.flags.set(flags);
  }
}
