import { boundOf, type HistogramValue, hasCustomBuckets, type ResetHint } from '../../model/histogram-value.ts';
import { type KahanSum, kahanAdd } from '../numeric.ts';
import type { Compensated } from './compensated.ts';
import { commonBounds, onCommonBounds, sameBounds } from './custom-bounds.ts';
import { coarserSide, type Side } from './resolution.ts';
import { reconciled } from './zero-bucket.ts';

export interface Combined extends Compensated {
  /** One says that counting began anew and the other that it did not. */
  readonly collides: boolean;
  /** Custom buckets had different bounds: those that both have are left. */
  readonly mismatched: boolean;
}

/** `a + b`, or undefined where one has custom buckets and the other has not. */
export function added(a: HistogramValue, b: HistogramValue): Combined | undefined {
  return combined({ value: a, errors: undefined }, b, 1);
}

/** `a - b`, or undefined where one has custom buckets and the other has not. */
export function subtracted(a: HistogramValue, b: HistogramValue): Combined | undefined {
  return combined({ value: a, errors: undefined }, b, -1);
}

/**
 * Adds (or takes away) every bucket, at the coarser schema and the larger zero bucket of both, and notes what rounding
 * takes: Kahan's summation after Neumaier, number by number.
 */
export function combined({ value: a, errors }: Compensated, b: HistogramValue, sign: 1 | -1): Combined | undefined {
  const custom = hasCustomBuckets(a);
  if (custom !== hasCustomBuckets(b)) return undefined;
  const { hint, collides } = joinedHint(a.hint, b.hint);
  const count = summed(a.count, errors?.count, sign * b.count);
  const sum = summed(a.sum, errors?.sum, sign * b.sum);
  if (custom) {
    const own: Side = { ...a.positive, errors: errors?.positive };
    const other: Side = { ...b.positive, errors: undefined };
    const mismatched = !sameBounds(a.bounds, b.bounds);
    const bounds = mismatched ? commonBounds(a.bounds, b.bounds) : a.bounds;
    const positive = mismatched
      ? merged(onCommonBounds(own, a.bounds, bounds), onCommonBounds(other, b.bounds, bounds), sign, dropEmpty)
      : merged(own, other, sign);
    return assembled({ ...a, hint, bounds }, { count, sum, positive, collides, mismatched });
  }
  const zeros = reconciled({ value: a, errors }, b);
  const own = zeros.own;
  const schema = Math.min(own.value.schema, b.schema);
  const { zeroThreshold } = own.value;
  const zeroCount = summed(own.value.zeroCount, own.errors?.zeroCount, sign * zeros.otherCount);
  kahanAdd(zeroCount, sign * zeros.otherError);
  const side = (which: 'positive' | 'negative'): Side =>
    merged(
      coarserSide({ ...own.value[which], errors: own.errors?.[which] }, own.value.schema - schema),
      above(zeroThreshold, schema, coarserSide({ ...b[which], errors: undefined }, b.schema - schema)),
      sign,
    );
  return assembled(
    { ...a, hint, schema, zeroThreshold },
    { count, sum, zeroCount, positive: side('positive'), negative: side('negative'), collides, mismatched: false },
  );
}

/** A gauge stays one, and what is known of one side alone is not known of both. */
function joinedHint(a: ResetHint, b: ResetHint): { readonly hint: ResetHint; readonly collides: boolean } {
  if (a === b || a === 'gauge' || b === 'gauge') return { hint: b === 'gauge' ? b : a, collides: false };
  return { hint: 'unknown', collides: a !== 'unknown' && b !== 'unknown' };
}

function summed(sum: number, error: number | undefined, added: number): KahanSum {
  const state: KahanSum = { sum, c: error ?? 0 };
  kahanAdd(state, added);
  return state;
}

/** Without the first buckets, up to where the zero bucket reaches: it has their counts. */
function above(threshold: number, schema: number, side: Side): Side {
  if (threshold === 0) return side;
  let first = 0;
  while (first < side.indices.length && boundOf(side.indices[first]!, schema, []) <= threshold) first++;
  if (first === 0) return side;
  return {
    indices: side.indices.slice(first),
    counts: side.counts.slice(first),
    errors: side.errors?.slice(first),
  };
}

const keepAll = (): boolean => true;
const dropEmpty = ({ sum, c }: KahanSum): boolean => sum !== 0 || c !== 0;

/** Both sides' buckets in order of index; a bucket of both has the sum. */
function merged(a: Side, b: Side, sign: 1 | -1, keeps: (bucket: KahanSum) => boolean = keepAll): Side {
  const out = { indices: [] as number[], counts: [] as number[], errors: [] as number[] };
  const state: KahanSum = { sum: 0, c: 0 };
  for (let i = 0, j = 0; i < a.indices.length || j < b.indices.length; ) {
    const ofA = a.indices[i] ?? Number.POSITIVE_INFINITY;
    const ofB = b.indices[j] ?? Number.POSITIVE_INFINITY;
    state.sum = ofA <= ofB ? a.counts[i]! : sign * b.counts[j]!;
    state.c = ofA <= ofB ? (a.errors?.[i] ?? 0) : sign * (b.errors?.[j] ?? 0);
    if (ofA === ofB) {
      kahanAdd(state, sign * b.counts[j]!);
      if (b.errors !== undefined && b.errors[j] !== 0) kahanAdd(state, sign * b.errors[j]!);
    }
    if (keeps(state)) {
      out.indices.push(Math.min(ofA, ofB));
      out.counts.push(state.sum);
      out.errors.push(state.c);
    }
    if (ofA <= ofB) i++;
    if (ofB <= ofA) j++;
  }
  return out;
}

function assembled(
  base: HistogramValue,
  parts: {
    readonly count: KahanSum;
    readonly sum: KahanSum;
    readonly zeroCount?: KahanSum;
    readonly positive: Side;
    readonly negative?: Side;
    readonly collides: boolean;
    readonly mismatched: boolean;
  },
): Combined {
  const { count, sum, zeroCount, positive, negative, collides, mismatched } = parts;
  return {
    value: {
      ...base,
      count: count.sum,
      sum: sum.sum,
      zeroCount: zeroCount?.sum ?? base.zeroCount,
      positive: { indices: positive.indices, counts: positive.counts },
      negative: negative === undefined ? base.negative : { indices: negative.indices, counts: negative.counts },
    },
    errors: {
      count: count.c,
      sum: sum.c,
      zeroCount: zeroCount?.c ?? 0,
      positive: positive.errors ?? [],
      negative: negative?.errors ?? [],
    },
    collides,
    mismatched,
  };
}
