import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatLabels, type Labels, labelsOf, labelValue } from '../model/labels.ts';
import { compileMatcher, type Matcher } from '../model/matcher.ts';
import { MATCHED, MATCHER_CASES } from '../testing/matcher-cases.ts';
import { LabelIndex } from './label-index.ts';

interface TestSeries {
  readonly ref: number;
  readonly labels: Labels;
  labelsAt: number;
}

function indexOf(labelSets: readonly Labels[]) {
  const series = new Map<number, TestSeries>();
  const index = new LabelIndex(series, 7);
  labelSets.forEach((labels, i) => {
    const ref = i + 1;
    series.set(ref, { ref, labels, labelsAt: index.add(ref, labels) });
  });
  return { index, series };
}

describe('select()', () => {
  const { index } = indexOf(MATCHED);
  test.each(MATCHER_CASES)('$name', ({ matchers, want }) => {
    const found = index.select(matchers.map(([name, op, value]) => ({ name, op, value })));
    expect(new Set(found.map(({ labels }) => labels))).toEqual(new Set(want.map((i) => MATCHED[i])));
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
          const { index: all, series } = indexOf(sets);
          const gone = all.all.filter((_, i) => i % (every + 2) === 0);
          const kept = all.all.filter((each) => !gone.includes(each));
          for (const { ref } of gone) series.delete(ref);
          all.remove(gone);
          for (const each of kept) {
            expect(all.labelsAt(each.labelsAt)).toEqual(each.labels);
            expect(all.find(each.labels)?.labels).toEqual(each.labels);
          }
          for (const { labels: lost } of gone) {
            const others = kept.some((each) => formatLabels(each.labels) === formatLabels(lost));
            expect(all.find(lost) !== undefined).toBe(others);
          }
          const passes = (set: Labels) => matchers.every((each) => compileMatcher(each)(labelValue(set, each.name)));
          const want = kept.filter((each) => passes(each.labels));
          expect(new Set(all.select(matchers))).toEqual(new Set(want));
          expect(all.select(matchers).length).toBe(want.length);
        },
      ),
    );
  });
});

test('series that come and go leave nothing behind', () => {
  const { index, series } = indexOf([]);
  const sizes: number[] = [];
  for (let day = 0; day < 60; day++) {
    for (let i = 0; i < 100; i++) {
      const ref = day * 100 + i + 1;
      const labels = labelsOf({ __name__: 'up', pod: `p${ref}`, node: `n${i % 5}` });
      series.set(ref, { ref, labels, labelsAt: index.add(ref, labels) });
    }
    const gone = [...series.values()].filter(({ ref }) => ref <= (day - 1) * 100);
    for (const { ref } of gone) series.delete(ref);
    index.remove(gone);
    for (const each of series.values()) expect(index.find(each.labels)).toBe(each);
    const ofNode = index.select([{ name: 'node', op: '=', value: 'n3' }]);
    expect(ofNode).toHaveLength(series.size / 5);
    sizes.push(index.sizeBytes);
  }
  expect(sizes.at(-1)!).toBeLessThanOrEqual(sizes[10]! * 2);
});
