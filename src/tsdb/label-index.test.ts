import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Labels, labelsOf, labelValue } from '../model/labels.ts';
import { compileMatcher, type Matcher } from '../model/matcher.ts';
import { LabelIndex } from './label-index.ts';

function indexOf(labelSets: readonly Labels[]) {
  const index = new LabelIndex<{ labels: Labels }>();
  for (const labels of labelSets) index.add({ labels: index.intern(labels) });
  return index;
}

const SETS = [
  { __name__: 'up', job: 'api', pod: 'a1' },
  { __name__: 'up', job: 'api', pod: 'a2' },
  { __name__: 'up', job: 'web' },
  { __name__: 'down', pod: 'a1' },
].map((labels) => labelsOf(labels));

describe('select()', () => {
  const index = indexOf(SETS);
  test.each([
    { name: 'everything', matchers: [], want: [0, 1, 2, 3] },
    { name: 'equal', matchers: [['job', '=', 'api']], want: [0, 1] },
    { name: 'equal to nothing there', matchers: [['job', '=', 'db']], want: [] },
    { name: 'an unknown label', matchers: [['zone', '=', 'x']], want: [] },
    { name: 'equal to empty: absent', matchers: [['job', '=', '']], want: [3] },
    { name: 'not empty: present', matchers: [['pod', '!=', '']], want: [0, 1, 3] },
    { name: 'not equal takes absent ones', matchers: [['job', '!=', 'api']], want: [2, 3] },
    { name: 'a pattern', matchers: [['pod', '=~', 'a[0-9]']], want: [0, 1, 3] },
    { name: 'a pattern matches whole values', matchers: [['pod', '=~', 'a']], want: [] },
    { name: 'a pattern that accepts empty takes absent ones', matchers: [['job', '=~', '|web']], want: [2, 3] },
    { name: 'not a pattern', matchers: [['pod', '!~', 'a1']], want: [1, 2] },
    {
      name: 'several',
      matchers: [
        ['__name__', '=', 'up'],
        ['pod', '!=', ''],
        ['pod', '!~', '.*2'],
      ],
      want: [0],
    },
    {
      name: 'one label twice',
      matchers: [
        ['pod', '=~', 'a.'],
        ['pod', '!=', 'a1'],
      ],
      want: [1],
    },
  ] as const)('$name', ({ matchers, want }) => {
    const found = index.select(matchers.map(([name, op, value]) => ({ name, op, value })));
    expect(new Set(found.map(({ labels }) => labels))).toEqual(new Set(want.map((i) => SETS[i])));
    expect(found.length).toBe(want.length);
  });

  test('refuses what is not a regular expression', () => {
    expect(() => index.select([{ name: 'job', op: '=~', value: '(' }])).toThrow(RangeError);
  });

  const value = fc.constantFrom('', 'x', 'y', 'xy');
  const labels = fc.record({ a: value, b: value, c: value }).map((record) => labelsOf(record));
  const matcher: fc.Arbitrary<Matcher> = fc.record({
    name: fc.constantFrom('a', 'b', 'c', 'd'),
    op: fc.constantFrom('=', '!=', '=~', '!~'),
    value: fc.constantFrom('', 'x', 'x|y', 'x.*', '.+', '.*'),
  });

  test('is what testing every series gives, also after removing some', () => {
    fc.assert(
      fc.property(
        fc.array(labels, { maxLength: 20 }),
        fc.array(matcher, { maxLength: 3 }),
        fc.nat(3),
        (sets, matchers, every) => {
          const all = indexOf(sets);
          const gone = new Set(all.all.filter((_, i) => i % (every + 2) === 0));
          const kept = all.all.filter((series) => !gone.has(series));
          all.remove(gone);
          const passes = (set: Labels) => matchers.every((each) => compileMatcher(each)(labelValue(set, each.name)));
          const want = kept.filter((series) => passes(series.labels));
          expect(new Set(all.select(matchers))).toEqual(new Set(want));
          expect(all.select(matchers).length).toBe(want.length);
        },
      ),
    );
  });
});
