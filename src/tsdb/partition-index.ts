import type { Labels } from '../model/labels.ts';
import type { Matcher } from '../model/matcher.ts';
import { LabelIndex, unite } from './label-index.ts';

/** A series of one tenant in one partition. */
export interface PartitionSeries {
  readonly id: Uint8Array;
  readonly labels: Labels;
}

/** Finds the series of one tenant in one partition by their labels. */
export class PartitionIndex {
  readonly #series = new Map<number, IndexedSeries>();
  readonly #labels: LabelIndex<IndexedSeries>;
  #lastRef = 0;

  /** @param seed A number that those who choose labels cannot know. */
  constructor(seed: number) {
    this.#labels = new LabelIndex(this.#series, seed);
  }

  get size(): number {
    return this.#series.size;
  }

  /** Those that match any of the lists; none given: all. What is removed later stays as it is in here. */
  select(matcherSets: readonly (readonly Matcher[])[]): readonly PartitionSeries[] {
    return this.find(matcherSets).map(({ id, labels }) => ({ id, labels }));
  }

  /** The same; labels are to be read before anything else is done. */
  find(matcherSets: readonly (readonly Matcher[])[]): readonly PartitionSeries[] {
    return matcherSets.length === 0
      ? this.#labels.all
      : unite(matcherSets.map((matchers) => this.#labels.select(matchers)));
  }

  /** A series whose labels are there already is left as it is. */
  add({ id, labels }: PartitionSeries): void {
    if (this.#labels.find(labels) !== undefined) return;
    const ref = ++this.#lastRef;
    this.#series.set(ref, new IndexedSeries(this.#labels, this.#labels.add(ref, labels), { ref, id }));
  }

  remove(labelSets: Iterable<Labels>): void {
    const gone: IndexedSeries[] = [];
    for (const labels of labelSets) {
      const series = this.#labels.find(labels);
      if (series === undefined) continue;
      this.#series.delete(series.ref);
      gone.push(series);
    }
    this.#labels.remove(gone);
  }
}

class IndexedSeries implements PartitionSeries {
  readonly ref: number;
  readonly id: Uint8Array;
  labelsAt: number;
  readonly #index: LabelIndex<IndexedSeries>;

  constructor(index: LabelIndex<IndexedSeries>, labelsAt: number, { ref, id }: Pick<IndexedSeries, 'ref' | 'id'>) {
    this.#index = index;
    this.labelsAt = labelsAt;
    this.ref = ref;
    this.id = id;
  }

  /** Made anew each time. */
  get labels(): Labels {
    return this.#index.labelsAt(this.labelsAt);
  }
}
