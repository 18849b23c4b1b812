import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { boundOf, type HistogramValue } from '../../model/histogram-value.ts';
import { parseHistogram } from '../../rules/series-notation.ts';
import { added, combined, subtracted } from './add.ts';
import { settled } from './compensated.ts';
import { sameHistogram } from './equal.ts';
import { isReset, storedHint } from './resets.ts';
import { atSchema } from './resolution.ts';
import { compacted, divided, multiplied } from './scale.ts';
import { formatHistogram } from './text.ts';

const of = (text: string): HistogramValue => parseHistogram(`{{${text}}}`).histogram;

/** Whole counts, so that sums are exact. */
const histograms: fc.Arbitrary<HistogramValue> = fc
  .record({
    schema: fc.integer({ min: -1, max: 3 }),
    zeroThreshold: fc.constantFrom(0, 0.001, 0.25, 1, 3),
    zeroCount: fc.nat(9),
    sum: fc.integer({ min: -99, max: 99 }),
    positive: fc.array(fc.nat(9), { maxLength: 6 }),
    negative: fc.array(fc.nat(9), { maxLength: 4 }),
    gap: fc.nat(9),
  })
  .map(({ schema, positive, negative, gap, ...rest }) => {
    // The first bucket begins where the zero bucket ends, or further out.
    const offset = Math.ceil(Math.log2(rest.zeroThreshold || 1) * 2 ** schema) + 1 + gap;
    const side = (counts: number[]) => ({ indices: counts.map((_, i) => offset + i), counts });
    const count = [rest.zeroCount, ...positive, ...negative].reduce((a, b) => a + b, 0);
    return { hint: 'gauge', schema, ...rest, count, positive: side(positive), negative: side(negative), bounds: [] };
  });

function inBuckets({ zeroCount, positive, negative }: HistogramValue): number {
  return [zeroCount, ...positive.counts, ...negative.counts].reduce((a, b) => a + b, 0);
}

// Prometheus's specification of native histograms: bucket i ends at 2^(i * 2^-schema).
test.each([
  { index: 0, schema: 0, want: 1 },
  { index: 3, schema: 0, want: 8 },
  { index: -2, schema: 0, want: 0.25 },
  { index: 1, schema: 1, want: Math.SQRT2 },
  { index: 2, schema: 1, want: 2 },
  { index: 3, schema: -1, want: 64 },
  { index: 64, schema: -4, want: Number.MAX_VALUE },
  { index: 1024, schema: 0, want: Number.MAX_VALUE },
])('bucket $index of schema $schema ends at $want', ({ index, schema, want }) => {
  expect(boundOf(index, schema, [])).toBeCloseTo(want, 12);
});

describe('added()', () => {
  test.each([
    {
      name: 'finer buckets are joined to the coarser ones',
      a: 'schema:0 count:3 sum:4 buckets:[1 2]',
      b: 'schema:1 count:4 sum:5 buckets:[1 1 1 1]',
      want: 'schema:0 count:7 sum:9 buckets:[2 4 1]',
    },
    {
      name: 'a wider zero bucket takes what is in it',
      a: 'schema:0 count:5 z_bucket:1 z_bucket_w:0.5 offset:0 buckets:[2 2]',
      b: 'schema:0 count:5 z_bucket:1 z_bucket_w:1 offset:1 buckets:[4]',
      want: 'schema:0 count:10 z_bucket:4 z_bucket_w:1 offset:1 buckets:[6]',
    },
    {
      name: 'a bucket that the other zero bucket cuts widens it further',
      a: 'schema:0 count:4 z_bucket_w:0.001 offset:0 buckets:[1 3]',
      b: 'schema:0 count:1 z_bucket:1 z_bucket_w:1.5',
      want: 'schema:0 count:5 z_bucket:5 z_bucket_w:2',
    },
    {
      name: 'custom buckets keep the bounds of both',
      a: 'schema:-53 count:6 sum:1 custom_values:[1 2 4] buckets:[1 2 2 1]',
      b: 'schema:-53 count:3 sum:1 custom_values:[2 3] buckets:[1 1 1]',
      want: 'schema:-53 count:9 sum:2 custom_values:[2] buckets:[4 5]',
    },
  ])('$name', ({ a, b, want }) => {
    for (const sum of [added(of(a), of(b)), added(of(b), of(a))]) expect(compacted(sum!.value)).toEqual(of(want));
  });

  test('does not mix exponential and custom buckets', () => {
    expect(added(of('schema:0 count:1'), of('schema:-53 count:1'))).toBeUndefined();
  });

  test.each([
    ['unknown', 'not_reset', 'unknown', false],
    ['not_reset', 'not_reset', 'not_reset', false],
    ['reset', 'not_reset', 'unknown', true],
    ['gauge', 'reset', 'gauge', false],
    ['not_reset', 'gauge', 'gauge', false],
  ] as const)('of %s and %s knows %s', (a, b, hint, collides) => {
    const sum = added(of(`counter_reset_hint:${a}`), of(`counter_reset_hint:${b}`))!;
    expect([sum.value.hint, sum.collides]).toEqual([hint, collides]);
  });

  test('loses no observation, whatever the schemas and zero buckets', () => {
    fc.assert(
      fc.property(histograms, histograms, (a, b) => {
        const sum = added(a, b)!.value;
        // Sub-buckets of a bucket that the zero bucket cuts may be counted twice at a coarser schema, as in Prometheus.
        fc.pre(a.schema === b.schema);
        expect([sum.count, sum.sum]).toEqual([a.count + b.count, a.sum + b.sum]);
        expect(inBuckets(sum)).toBe(sum.count);
      }),
    );
  });

  test('is undone by subtracted(), at one schema and zero bucket', () => {
    fc.assert(
      fc.property(histograms, histograms, (a, other) => {
        const b = { ...other, zeroThreshold: a.zeroThreshold };
        const first = Math.min(b.positive.indices[0] ?? 99, b.negative.indices[0] ?? 99);
        fc.pre(boundOf(first - 1, b.schema, []) >= a.zeroThreshold);
        const back = compacted(subtracted(added(a, b)!.value, b)!.value);
        expect(sameHistogram(back, compacted(atSchema(a, Math.min(a.schema, b.schema))))).toBe(true);
      }),
    );
  });
});

test('combined() finds again what rounding took', () => {
  const [huge, one] = [of('count:1e100 sum:1e100 buckets:[1e100]'), of('count:1 sum:1 buckets:[1]')];
  let total = combined({ value: one, errors: undefined }, huge, 1)!;
  total = combined(total, one, 1)!;
  total = combined(total, multiplied(huge, -1), 1)!;
  expect(compacted(settled(total))).toMatchObject({ count: 2, sum: 2, positive: { indices: [0], counts: [2] } });
});

test('divided() by zero leaves no buckets', () => {
  expect(divided(of('count:2 sum:0 z_bucket:1 buckets:[1]'), 0)).toMatchObject({
    ...{ count: Number.POSITIVE_INFINITY, sum: Number.NaN, zeroCount: Number.POSITIVE_INFINITY },
    positive: { indices: [], counts: [] },
  });
});

describe('isReset()', () => {
  const plain = 'schema:0 count:4 buckets:[1 3]';
  test.each([
    { name: 'the same', before: plain, now: plain, want: false },
    {
      name: 'a bucket that fell while the count rose',
      before: plain,
      now: 'schema:0 count:9 buckets:[9 0]',
      want: true,
    },
    { name: 'a bucket that is gone', before: plain, now: 'schema:0 count:9 buckets:[9]', want: true },
    { name: 'a finer schema', before: plain, now: 'schema:1 count:9 buckets:[9]', want: true },
    { name: 'a coarser schema', before: plain, now: 'schema:-1 count:4 buckets:[1 3]', want: false },
    { name: 'a hint against the counts', before: plain, now: `${plain} counter_reset_hint:reset`, want: true },
    { name: 'a hint for the counts', before: plain, now: 'count:1 counter_reset_hint:not_reset', want: false },
    {
      name: 'other bounds, nothing less up to a common one',
      before: 'schema:-53 count:3 custom_values:[1 2] buckets:[1 1 1]',
      now: 'schema:-53 count:4 custom_values:[2 5] buckets:[2 1 1]',
      want: false,
    },
    {
      name: 'other bounds, less up to a common one',
      before: 'schema:-53 count:3 custom_values:[1 2] buckets:[1 1 1]',
      now: 'schema:-53 count:4 custom_values:[2 5] buckets:[1 2 1]',
      want: true,
    },
  ])('$name: $want', ({ before, now, want }) => {
    expect(isReset(of(now), of(before))).toBe(want);
  });
});

test('storedHint() knows the relation of samples that follow one another in the same buckets', () => {
  const [one, two] = [of('count:1 buckets:[1]'), of('count:2 buckets:[2]')];
  expect(storedHint(one, undefined)).toBe('unknown');
  expect(storedHint(two, one)).toBe('not_reset');
  expect(storedHint(one, two)).toBe('unknown');
  expect(storedHint(of('schema:1 count:2 buckets:[2]'), one)).toBe('unknown');
  expect(storedHint({ ...two, hint: 'gauge' }, one)).toBe('gauge');
  expect(storedHint(two, { ...one, hint: 'gauge' })).toBe('unknown');
});

// The form of `FloatHistogram.String`, which `count_values` shows.
test.each([
  [
    'schema:0 count:3 sum:4.5 z_bucket:1 z_bucket_w:0.001 buckets:[1 0 1] n_buckets:[2]',
    '{count:3, sum:4.5, [-1,-0.5):2, [-0.001,0.001]:1, (0.5,1]:1, (2,4]:1}',
  ],
  ['schema:-53 count:1e6 sum:0.00001 custom_values:[5] buckets:[0 7]', '{count:1e+06, sum:1e-05, (5,+Inf]:7}'],
])('formatHistogram({{%s}})', (text, want) => {
  expect(formatHistogram(of(text))).toBe(want);
});
