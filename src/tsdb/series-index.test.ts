import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { encodeLabels, type Labels, labelsKey, labelsOf, labelValue } from '../model/labels.ts';
import { compileMatcher, type Matcher } from '../model/matcher.ts';
import { MATCHED, MATCHER_CASES } from '../testing/matcher-cases.ts';
import { type CoreExports, loadCore } from './core.ts';
import { LabelTexts } from './label-texts.ts';
import { LiveSamples } from './live-samples.ts';
import { SeriesIndex } from './series-index.ts';

let core: CoreExports;
let live: LiveSamples;
let texts: LabelTexts;
beforeAll(async () => {
  core = await loadCore();
  core.seedLabelSets(1, 2, 3, 4);
  live = new LiveSamples(core);
  texts = new LabelTexts(core);
});

function indexOf(labelSets: readonly Labels[]): SeriesIndex {
  const index = new SeriesIndex(live, texts);
  labelSets.forEach((labels, i) => {
    index.add(i + 1, encodeLabels(labels), 'raw');
  });
  return index;
}

describe('select()', () => {
  test.each(MATCHER_CASES)('$name', ({ matchers, want }) => {
    const found = indexOf(MATCHED).select(matchers.map(([name, op, value]) => ({ name, op, value })));
    expect(found.map(({ ref }) => ref - 1).sort()).toEqual(want);
    for (const { ref, labels } of found) expect(labels).toEqual(MATCHED[ref - 1]);
  });

  test('refuses what is not a regular expression', () => {
    expect(() => indexOf(MATCHED).select([{ name: 'job', op: '=~', value: '(' }])).toThrow(RangeError);
  });
});

const value = fc.constantFrom('', 'x', 'y', 'xy', 'ü\u{1f600}', '\ufeffx');
const labels = fc.record({ a: value, b: value, c: value, ä: value }).map((record) => labelsOf(record));
const matcher: fc.Arbitrary<Matcher> = fc.record({
  name: fc.constantFrom('a', 'b', 'c', 'd', 'ä'),
  op: fc.constantFrom('=', '!=', '=~', '!~'),
  value: fc.constantFrom('', 'x', 'x|y', 'x.*', '.+', '.*'),
});

test('an index is what testing every series gives, also after removing some and adding others', () => {
  const distinct = { maxLength: 30, selector: labelsKey };
  const sets = fc.uniqueArray(labels, distinct);
  fc.assert(
    fc.property(sets, sets, fc.array(matcher, { maxLength: 3 }), fc.nat(3), (first, second, matchers, every) => {
      const index = indexOf(first);
      const kept = new Map(first.map((each, i) => [i + 1, each]));
      for (const series of [...index.values()].filter((_, i) => i % (every + 2) !== 0)) {
        index.remove(series);
        kept.delete(series.ref);
      }
      let ref = first.length;
      for (const each of second) {
        if (index.find(encodeLabels(each)) !== undefined) continue;
        index.add(++ref, encodeLabels(each), 'raw');
        kept.set(ref, each);
      }
      expect(index.size).toBe(kept.size);
      expect([...index.values()].map((series) => series.ref)).toEqual([...kept.keys()]);
      for (const [at, each] of kept) {
        expect(index.find(encodeLabels(each))?.ref).toBe(at);
        expect(index.get(at)!.labels).toEqual(each);
        expect(index.get(at)!.labelBytes).toEqual(encodeLabels(each));
        const same = [...kept.values()].filter((other) => labelValue(other, 'a') === labelValue(each, 'a'));
        if (labelValue(each, 'a') !== '') expect(index.countLike(encodeLabels(each), 'a')).toBe(same.length);
      }
      for (const lost of first) {
        const isKept = [...kept.values()].some((each) => labelsKey(each) === labelsKey(lost));
        expect(index.find(encodeLabels(lost)) !== undefined).toBe(isKept);
      }
      const passes = (set: Labels) => matchers.every((each) => compileMatcher(each)(labelValue(set, each.name)));
      const want = [...kept].filter(([, each]) => passes(each)).map(([at]) => at);
      expect(
        index
          .select(matchers)
          .map((series) => series.ref)
          .sort((a, b) => a - b),
      ).toEqual(want);
      expect(new Set(index.selectAny([matchers, matchers, []]).map((series) => series.ref))).toEqual(
        new Set(kept.keys()),
      );
    }),
  );
});

test('many series of one label grow and shrink, and series that come and go leave nothing behind', () => {
  const index = new SeriesIndex(live, texts);
  const before = core.labelSetBytes();
  let ref = 0;
  for (let day = 0; day < 12; day++) {
    const first = ref + 1;
    for (let i = 0; i < 700; i++) {
      index.add(++ref, encodeLabels(labelsOf({ __name__: 'up', pod: `p${ref}`, node: `n${ref % 5}` })), 'raw');
    }
    for (const series of index.values()) if (series.ref < first - 100) index.remove(series);
    const live = [...index.values()].map((series) => series.ref);
    expect(index.size).toBe(Math.min(ref, 800));
    const ofNode = index.select([{ name: 'node', op: '=', value: 'n3' }]).map((series) => series.ref);
    expect(ofNode).toEqual(live.filter((each) => each % 5 === 3));
    const ofPods = index.select([{ name: 'pod', op: '=~', value: 'p[0-9]+' }]).map((series) => series.ref);
    expect(ofPods.sort((a, b) => a - b)).toEqual(live);
  }
  for (const series of index.values()) index.remove(series);
  expect(index.select([])).toEqual([]);
  expect(core.labelSetBytes()).toBe(before);
});

test('a value that stands where another one stood is read anew', () => {
  const index = indexOf([labelsOf({ __name__: 'up', pod: 'a1' })]);
  const other = indexOf([labelsOf({ __name__: 'up', node: 'n1' })]);
  for (let ref = 2; ref < 20; ref++) {
    expect(index.get(ref - 1)!.labels).toHaveLength(2);
    index.remove(index.get(ref - 1)!);
    index.add(ref, encodeLabels(labelsOf({ __name__: 'up', pod: `b${ref % 10}` })), 'raw');
    const found = (op: '=~' | '!~') =>
      index
        .select([
          { name: '__name__', op: '=', value: 'up' },
          { name: 'pod', op, value: `b${ref % 10}` },
        ])
        .map((series) => series.ref);
    expect(found('=~')).toEqual([ref]);
    expect(found('!~')).toEqual([]);
  }
  expect(other.size).toBe(1);
});

describe('bytes that are no label set', () => {
  const good = encodeLabels(labelsOf({ __name__: 'm', a: 'x', b: 'yy' }));
  test.each([
    { name: 'a length cut short', bytes: [0x80] },
    { name: 'a text cut short', bytes: [2, 0x61] },
    { name: 'a name without its value', bytes: [1, 0x61] },
    { name: 'a length beyond 32 bits', bytes: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] },
    { name: 'a text that is not UTF-8', bytes: [1, 0x61, 1, 0xff] },
    { name: 'a name twice', bytes: [1, 0x61, 1, 0x78, 1, 0x61, 1, 0x79] },
  ])('are refused: $name', ({ bytes }) => {
    const index = indexOf(MATCHED);
    const before = core.labelSetBytes();
    expect(() => index.add(9, Uint8Array.from(bytes), 'raw')).toThrow(RangeError);
    expect(() => index.add(9, Uint8Array.from([...good, ...bytes]), 'raw')).toThrow(RangeError);
    expect(index.has(9)).toBe(false);
    expect(index.size).toBe(MATCHED.length);
    expect(core.labelSetBytes()).toBe(before);
  });
});

test('where memory is used up, the index is as it was', async () => {
  const full = await loadCore();
  const index = new SeriesIndex(new LiveSamples(full), new LabelTexts(full));
  // All of what WebAssembly can address, in ever smaller pieces.
  const held: number[] = [];
  for (let bytes = 1 << 30; bytes >= 1 << 16; ) {
    try {
      held.push(full.allocate(bytes));
    } catch {
      bytes >>= 1;
    }
  }
  let ref = 0;
  const labelsAt = (i: number) => encodeLabels(labelsOf({ __name__: 'up', pod: `p${i}`, text: 'x'.repeat(i % 400) }));
  const failed: number[] = [];
  while (failed.length < 20) {
    try {
      index.add(++ref, labelsAt(ref), 'raw');
    } catch (error) {
      expect(error).toBeInstanceOf(WebAssembly.RuntimeError);
      failed.push(ref);
    }
  }
  full.release(held.pop()!);
  const kept = [...index.values()].map((series) => series.ref);
  expect(kept).toHaveLength(ref - failed.length);
  expect(index.size).toBe(kept.length);
  for (const each of failed) expect(index.find(labelsAt(each))).toBeUndefined();
  const found = index.select([{ name: '__name__', op: '=', value: 'up' }]).map((series) => series.ref);
  expect(found).toEqual(kept);
  for (const each of failed) index.add(each, labelsAt(each), 'raw');
  for (let i = 1; i <= ref; i++) expect(index.find(labelsAt(i))?.ref).toBe(i);
});
