import type { HistogramValue, ResetHint } from '../../model/histogram-value.ts';
import type { Annotations } from '../annotations.ts';
import type { Span } from '../span.ts';
import { combined } from './add.ts';
import { type Compensated, settled } from './compensated.ts';
import { conflictingResets, mismatchedBuckets } from './elements.ts';
import { compacted, divided, multiplied, overflows } from './scale.ts';

/** Sums up histograms, or takes their mean. */
export class HistogramTotal {
  #total: Compensated;
  #count = 1;
  /** Once a sum would overflow: a mean that grows with each histogram. */
  #growing = false;
  readonly #wantsMean: boolean;
  readonly #hints = new Set<ResetHint>();
  #mismatched = false;

  constructor(first: HistogramValue, wantsMean: boolean) {
    this.#total = { value: first, errors: undefined };
    this.#wantsMean = wantsMean;
    this.#hints.add(first.hint);
  }

  /** False where one has custom buckets and the others have not: there is no total then. */
  add(histogram: HistogramValue): boolean {
    this.#count++;
    this.#hints.add(histogram.hint);
    if (!this.#growing) {
      const sum = combined(this.#total, histogram, 1);
      if (sum === undefined) return false;
      if (sum.mismatched) this.#mismatched = true;
      if (!this.#wantsMean || !overflows(sum.value)) {
        this.#total = sum;
        return true;
      }
      this.#growing = true;
      this.#total = scaled(this.#total, 1 / (this.#count - 1));
    }
    const grown = combined(scaled(this.#total, (this.#count - 1) / this.#count), divided(histogram, this.#count), 1);
    if (grown === undefined) return false;
    if (grown.mismatched) this.#mismatched = true;
    this.#total = grown;
    return true;
  }

  /** Tells what had to be done for it. */
  finish(annotations: Annotations, span: Span): HistogramValue {
    if (this.#mismatched) annotations.info(mismatchedBuckets('aggregation'), span);
    if (this.#hints.has('reset') && this.#hints.has('not_reset')) {
      annotations.warn(conflictingResets('aggregation'), span);
    }
    const { value, errors } = this.#total;
    if (!this.#wantsMean || this.#growing) return compacted(settled(this.#total));
    const mean = { value: divided(value, this.#count), errors: errors && errorsOver(errors, this.#count) };
    return compacted(settled(mean));
  }
}

function scaled({ value, errors }: Compensated, factor: number): Compensated {
  return { value: multiplied(value, factor), errors: errors && errorsOver(errors, 1 / factor) };
}

function errorsOver(errors: NonNullable<Compensated['errors']>, by: number): NonNullable<Compensated['errors']> {
  return {
    zeroCount: errors.zeroCount / by,
    count: errors.count / by,
    sum: errors.sum / by,
    positive: errors.positive.map((error) => error / by),
    negative: errors.negative.map((error) => error / by),
  };
}
