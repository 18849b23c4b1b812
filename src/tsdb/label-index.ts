import { type Label, type Labels, labelValue } from '../model/labels.ts';
import { compileMatcher, type Matcher } from '../model/matcher.ts';

interface Posting<T> {
  /** Shared by every series that has this label: names and values are held once. */
  readonly label: Label;
  series: T[];
}

/** Finds the series of one tenant by their labels. */
export class LabelIndex<T extends { readonly labels: Labels }> {
  readonly #names = new Map<string, Map<string, Posting<T>>>();
  #all: T[] = [];

  get all(): readonly T[] {
    return this.#all;
  }

  /** The same labels, sharing memory with those of the other series. */
  intern(labels: Labels): Labels {
    return labels.map(([name, value]) => this.#posting(name, value).label);
  }

  add(series: T): void {
    this.#all.push(series);
    for (const [name, value] of series.labels) this.#posting(name, value).series.push(series);
  }

  remove(gone: ReadonlySet<T>): void {
    if (gone.size === 0) return;
    this.#all = this.#all.filter((series) => !gone.has(series));
    // Only the postings of what goes are looked at, each once: the others may be many more.
    const touched = new Map<string, Set<string>>();
    for (const { labels } of gone) {
      for (const [name, value] of labels) {
        const values = touched.get(name) ?? new Set();
        touched.set(name, values.add(value));
      }
    }
    for (const [name, values] of touched) {
      const postings = this.#names.get(name);
      if (postings === undefined) continue;
      for (const value of values) {
        const posting = postings.get(value);
        if (posting === undefined) continue;
        posting.series = posting.series.filter((series) => !gone.has(series));
        if (posting.series.length === 0) postings.delete(value);
      }
      if (postings.size === 0) this.#names.delete(name);
    }
  }

  /**
   * Series that match all matchers. An absent label is an empty one.
   * @throws {RangeError} If a regular expression is not valid.
   */
  select(matchers: readonly Matcher[]): readonly T[] {
    const tests = matchers.map((matcher) => ({ name: matcher.name, matcher, test: remembering(matcher) }));
    let smallest: { readonly postings: readonly Posting<T>[]; readonly size: number; readonly by: Matcher } | undefined;
    for (const { matcher, test } of tests) {
      // A matcher that accepts the empty value also accepts series without the label: it can only filter.
      if (test('')) continue;
      const postings = this.#postingsOf(matcher, test);
      const size = postings.reduce((sum, { series }) => sum + series.length, 0);
      if (size === 0) return [];
      if (smallest === undefined || size < smallest.size) smallest = { postings, size, by: matcher };
    }
    const candidates = smallest === undefined ? this.#all : smallest.postings.flatMap(({ series }) => series);
    const rest = tests.filter(({ matcher }) => matcher !== smallest?.by);
    return candidates.filter(({ labels }) => rest.every(({ name, test }) => test(labelValue(labels, name))));
  }

  #postingsOf({ name, op, value }: Matcher, test: (value: string) => boolean): readonly Posting<T>[] {
    const values = this.#names.get(name);
    if (values === undefined) return [];
    if (op !== '=') return [...values].flatMap(([text, posting]) => (test(text) ? [posting] : []));
    const posting = values.get(value);
    return posting === undefined ? [] : [posting];
  }

  #posting(name: string, value: string): Posting<T> {
    let values = this.#names.get(name);
    if (values === undefined) {
      values = new Map();
      this.#names.set(name, values);
    }
    let posting = values.get(value);
    if (posting === undefined) {
      posting = { label: [name, value], series: [] };
      values.set(value, posting);
    }
    return posting;
  }
}

/** Tests each distinct value once: a regular expression costs much more than a look-up. */
function remembering(matcher: Matcher): (value: string) => boolean {
  const test = compileMatcher(matcher);
  if (matcher.op === '=' || matcher.op === '!=') return test;
  const seen = new Map<string, boolean>();
  return (value) => {
    let answer = seen.get(value);
    if (answer === undefined) {
      answer = test(value);
      seen.set(value, answer);
    }
    return answer;
  };
}
