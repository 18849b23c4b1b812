import { type BucketCounts, CUSTOM_BUCKETS, type HistogramValue } from '../model/histogram-value.ts';
import { compacted } from '../promql/histograms/scale.ts';
import { formatGeneral, wordOf } from './template/format-number.ts';

/** A histogram in the notation of tests, the same for the same one: `{{count:3 sum:4 buckets:[1 2]}}`. */
export function formatHistogramNotation(histogram: HistogramValue): string {
  const { schema, count, sum, zeroCount, zeroThreshold, bounds, hint, positive, negative } = compacted(histogram);
  const parts: string[] = [];
  if (schema !== 0) parts.push(`schema:${schema}`);
  for (const [name, value] of Object.entries({ count, sum, z_bucket: zeroCount, z_bucket_w: zeroThreshold })) {
    if (value !== 0) parts.push(`${name}:${general(value)}`);
  }
  if (schema === CUSTOM_BUCKETS) parts.push(`custom_values:[${bounds.map(general).join(' ')}]`);
  if (hint !== 'unknown') parts.push(`counter_reset_hint:${hint}`);
  parts.push(...buckets(positive, ''), ...buckets(negative, 'n_'));
  return `{{${parts.join(' ')}}}`;
}

/** One run from the first bucket that counts to the last. */
function buckets({ indices, counts }: BucketCounts, prefix: string): readonly string[] {
  const filled = [...indices.keys()].filter((i) => counts[i] !== 0);
  if (filled.length === 0) return [];
  const first = indices[filled[0]!]!;
  const run = new Array<number>(indices[filled.at(-1)!]! - first + 1).fill(0);
  for (const i of filled) run[indices[i]! - first] = counts[i]!;
  const offset = first === 0 ? [] : [`${prefix}offset:${first}`];
  return [...offset, `${prefix}buckets:[${run.map(general).join(' ')}]`];
}

function general(value: number): string {
  return wordOf(value) ?? formatGeneral(value, undefined);
}
