import type { BucketCounts, HistogramValue } from '../../model/histogram-value.ts';
import { type KahanSum, kahanAdd } from '../numeric.ts';

/** A side's buckets with what their additions lost, if that is known. */
export interface Side extends BucketCounts {
  readonly errors: readonly number[] | undefined;
}

/** Where a bucket goes in a schema that is coarser by so many steps, each of which joins two neighbours. */
function coarserIndex(index: number, by: number): number {
  return Math.floor((index - 1) / 2 ** by) + 1;
}

/** Neighbours that are one bucket of a coarser schema, joined. */
export function coarserSide({ indices, counts, errors }: Side, by: number): Side {
  if (by <= 0 || indices.length === 0) return { indices, counts, errors };
  const out = { indices: [] as number[], counts: [] as number[], errors: [] as number[] };
  const state: KahanSum = { sum: 0, c: 0 };
  for (let i = 0; i < indices.length; i++) {
    const index = coarserIndex(indices[i]!, by);
    const last = out.indices.length - 1;
    if (last < 0 || out.indices[last] !== index) {
      out.indices.push(index);
      out.counts.push(counts[i]!);
      out.errors.push(errors?.[i] ?? 0);
      continue;
    }
    state.sum = out.counts[last]!;
    state.c = out.errors[last]!;
    kahanAdd(state, counts[i]!);
    if (errors !== undefined) kahanAdd(state, errors[i]!);
    out.counts[last] = state.sum;
    out.errors[last] = state.c;
  }
  return out;
}

/** At a coarser schema. */
export function atSchema(histogram: HistogramValue, schema: number): HistogramValue {
  const by = histogram.schema - schema;
  if (by <= 0) return histogram;
  const side = (counts: BucketCounts): BucketCounts => {
    const { indices, counts: joined } = coarserSide({ ...counts, errors: undefined }, by);
    return { indices, counts: joined };
  };
  return {
    ...histogram,
    hint: 'unknown',
    schema,
    positive: side(histogram.positive),
    negative: side(histogram.negative),
  };
}
