import type { Labels } from '../model/labels.ts';
import { compileMatcher, type Matcher } from '../model/matcher.ts';
import { type LabelSetOwner, LabelSets } from './label-sets.ts';
import { type Postings, refsOf, sizeOf, withoutRefs, withRef } from './postings.ts';

/** Finds the series of one tenant by their labels. */
export class LabelIndex<T extends LabelSetOwner> {
  readonly #series: ReadonlyMap<number, T>;
  readonly #sets: LabelSets<T>;
  /** By the number of a label; a hole where nobody has it. */
  readonly #postings: (Postings | undefined)[] = [];

  /** @param series By reference: whoever adds to the index adds there next. */
  constructor(series: ReadonlyMap<number, T>, seed: number) {
    this.#series = series;
    this.#sets = new LabelSets(series, seed);
  }

  get all(): readonly T[] {
    return [...this.#series.values()];
  }

  /** The series with exactly these labels. */
  find(labels: Labels): T | undefined {
    return this.#sets.find(labels);
  }

  /** Bytes beside the labels themselves and the postings. */
  get sizeBytes(): number {
    return this.#sets.sizeBytes;
  }

  labelsAt(at: number): Labels {
    return this.#sets.labelsAt(at);
  }

  /** Returns where the labels of the series are kept. */
  add(ref: number, labels: Labels): number {
    const at = this.#sets.add(ref, labels);
    for (const number of this.#sets.numbersAt(at)) this.#postings[number] = withRef(this.#postings[number], ref);
    return at;
  }

  /** Forgets series that are no longer in the map. */
  remove(gone: readonly T[]): void {
    if (gone.length === 0) return;
    // Only the postings of what goes are looked at, each once: the others may be many more.
    const touched = new Map<number, number>();
    for (const { labelsAt } of gone) {
      for (const number of this.#sets.numbersAt(labelsAt)) touched.set(number, (touched.get(number) ?? 0) + 1);
    }
    const unused: number[] = [];
    for (const [number, count] of touched) {
      const left = withoutRefs(this.#postings[number]!, count, this.#series);
      this.#postings[number] = left;
      if (left === undefined) unused.push(number);
    }
    this.#sets.remove(gone, unused);
  }

  /**
   * Series that match all matchers. An absent label is an empty one.
   * @throws {RangeError} If a regular expression is not valid.
   */
  select(matchers: readonly Matcher[]): readonly T[] {
    const tests = matchers.map((matcher) => ({ matcher, test: compileMatcher(matcher) }));
    let smallest: { readonly postings: readonly Postings[]; readonly size: number; readonly by: Matcher } | undefined;
    for (const { matcher, test } of tests) {
      // A matcher that accepts the empty value also accepts series without the label: it can only filter.
      if (test('')) continue;
      const postings = this.#postingsOf(matcher, test);
      const size = postings.reduce<number>((sum, each) => sum + sizeOf(each), 0);
      if (size === 0) return [];
      if (smallest === undefined || size < smallest.size) smallest = { postings, size, by: matcher };
    }
    const rest = tests
      .filter(({ matcher }) => matcher !== smallest?.by)
      .map(({ matcher, test }) => this.#acceptor(matcher.name, test));
    const found: T[] = [];
    const take = (series: T | undefined) => {
      if (series === undefined) return;
      for (const accepts of rest) if (!accepts(series.labelsAt)) return;
      found.push(series);
    };
    if (smallest === undefined) for (const series of this.#series.values()) take(series);
    else for (const postings of smallest.postings) for (const ref of refsOf(postings)) take(this.#series.get(ref));
    return found;
  }

  #postingsOf({ name, op, value }: Matcher, test: (value: string) => boolean): readonly Postings[] {
    const values = this.#sets.valuesOf(name);
    if (values === undefined) return [];
    const numbers =
      op === '=' ? [values.get(value)] : [...values].map(([text, number]) => (test(text) ? number : undefined));
    return numbers.flatMap((number) => (number === undefined ? [] : [this.#postings[number]!]));
  }

  /** Tests each distinct value once: a regular expression costs much more than a look-up. */
  #acceptor(name: string, test: (value: string) => boolean): (labelsAt: number) => boolean {
    const seen = new Map<number, boolean>([[-1, test('')]]);
    return (labelsAt) => {
      const number = this.#sets.numberOf(labelsAt, name);
      let answer = seen.get(number);
      if (answer === undefined) {
        answer = test(this.#sets.label(number)[1]);
        seen.set(number, answer);
      }
      return answer;
    };
  }
}

/** What is in any of the lists, once. */
export function unite<T>(lists: readonly (readonly T[])[]): readonly T[] {
  return lists.length === 1 ? lists[0]! : [...new Set(lists.flat())];
}
