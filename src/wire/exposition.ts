import type { Label } from '../model/labels.ts';
import type { Millis } from '../model/time.ts';

export interface Exemplar {
  readonly labels: readonly Label[];
  readonly value: number;
  /** NaN where it has none. */
  readonly time: Millis;
}

/** What the store keeps of a native histogram, and since when it counts: 0 where it does not say. */
export interface ExposedHistogram {
  readonly bytes: Uint8Array;
  readonly start: Millis;
}

/** One line of metadata. */
export type FamilyFact = { readonly kind: 'help' | 'type' | 'unit'; readonly metric: string; readonly text: string };

/**
 * Takes what a target exposes, in its order. A series is a number of the sink's, from 1. Numbers are passed bare: this is
 * the hot path.
 */
export interface ExpositionSink {
  /** A series that is new. Labels as written: unsorted, names possibly repeated, values possibly empty. */
  unseen(labels: readonly Label[]): number;
  /**
   * @param time NaN where the target gives none, else milliseconds.
   * @param start Since when it counts, in milliseconds. Left out or 0: it does not say.
   */
  sample(series: number, value: number, time: Millis, start?: Millis): void;
  /** Belongs to the sample before it. */
  exemplar(series: number, exemplar: Exemplar): void;
  /** A line of metadata that was not there before. */
  describe(fact: FamilyFact): void;
  /** A native histogram, as remote write has it. @param time As of samples. */
  histogram(series: number, histogram: ExposedHistogram, time: Millis): void;
  /** A native histogram that is none: why, in words. */
  badHistogram(series: number, why: string): void;
}

/** Series of one target that were seen, in whichever form they were exposed. */
export interface SeenSet {
  readonly size: number;
  series(): Iterable<number>;
  /** It is new when it comes again. */
  forget(series: number): void;
  /** Nothing was seen. */
  clear(): void;
}

/** More lines of metadata than this are forgotten, and read again. */
const MAX_FACTS = 20_000;

/** What was seen of one target in the protobuf format: its series by their keys and by their order, and its metadata. */
export class SeenFamilies implements SeenSet {
  readonly #series = new Map<string, number>();
  /** By series. */
  readonly #keys: (string | undefined)[] = [];
  /** By series: what followed it the last time. */
  readonly #next: number[] = [];
  readonly #facts = new Set<string>();
  /** The series that began the last exposition. */
  #first = 0;
  /** 0: the exposition begins. */
  #previous = 0;

  get size(): number {
    return this.#series.size;
  }

  series(): Iterable<number> {
    return this.#series.values();
  }

  begin(): void {
    this.#previous = 0;
  }

  /** The series of a key, which most often is what followed the one before it; 0 where it is new. */
  find(key: string): number {
    const guess = this.#previous === 0 ? this.#first : (this.#next[this.#previous] ?? 0);
    const series = this.#keys[guess] === key ? guess : (this.#series.get(key) ?? 0);
    if (series !== 0) this.#pass(series);
    return series;
  }

  learn(key: string, series: number): void {
    this.#series.set(key, series);
    this.#keys[series] = key;
    this.#pass(series);
  }

  #pass(series: number): void {
    if (this.#previous === 0) this.#first = series;
    else this.#next[this.#previous] = series;
    this.#previous = series;
  }

  hasFact(line: string): boolean {
    return this.#facts.has(line);
  }

  learnFact(line: string): void {
    if (this.#facts.size >= MAX_FACTS) this.#facts.clear();
    this.#facts.add(line);
  }

  forget(series: number): void {
    const key = this.#keys[series];
    if (key === undefined) return;
    this.#series.delete(key);
    this.#keys[series] = undefined;
  }

  clear(): void {
    this.#series.clear();
    this.#keys.length = 0;
    this.#next.length = 0;
    this.#facts.clear();
    this.#first = 0;
    this.#previous = 0;
  }
}
