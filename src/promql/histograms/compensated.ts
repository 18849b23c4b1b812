import type { HistogramValue } from '../../model/histogram-value.ts';

/** A histogram that others were added to, with what each of its numbers lost to rounding. */
export interface Compensated {
  readonly value: HistogramValue;
  readonly errors: HistogramErrors | undefined;
}

/** Of the buckets one each, in their order. */
export interface HistogramErrors {
  readonly zeroCount: number;
  readonly count: number;
  readonly sum: number;
  readonly positive: readonly number[];
  readonly negative: readonly number[];
}

/** A sum with what rounding took added at last. */
export function settled({ value, errors }: Compensated): HistogramValue {
  if (errors === undefined) return value;
  const plus = (counts: readonly number[], lost: readonly number[]) => counts.map((count, i) => count + lost[i]!);
  return {
    ...value,
    zeroCount: value.zeroCount + errors.zeroCount,
    count: value.count + errors.count,
    sum: value.sum + errors.sum,
    positive: { indices: value.positive.indices, counts: plus(value.positive.counts, errors.positive) },
    negative: { indices: value.negative.indices, counts: plus(value.negative.counts, errors.negative) },
  };
}
