import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareLabels, encodeLabels, formatLabels, type Labels, labelsOf } from '../model/labels.ts';
import type { Matcher } from '../model/matcher.ts';
import { PROPERTY_RUNS } from '../testing/property-runs.ts';
import { loadCore } from './core.ts';
import { LabelTexts } from './label-texts.ts';
import { LiveSamples } from './live-samples.ts';
import { Selections } from './selections.ts';
import { SeriesIndex } from './series-index.ts';

const core = await loadCore();
const live = new LiveSamples(core);
const texts = new LabelTexts(core);
const never = () => undefined;

const plainly = (index: SeriesIndex, matchers: readonly Matcher[]) =>
  index
    .select(matchers)
    .map(({ labels }) => labels)
    .sort(compareLabels)
    .map(formatLabels);

test('select() tells matchers apart that look the same where they stand one behind another', async () => {
  const index = new SeriesIndex(live, texts);
  const selections = new Selections();
  index.add(1, encodeLabels(labelsOf({ a: 'x', b: 'y' })), 'raw');
  index.add(2, encodeLabels(labelsOf({ 'a="x",b': 'y' })), 'raw');
  const two: Matcher[] = [
    { name: 'a', op: '=', value: 'x' },
    { name: 'b', op: '=', value: 'y' },
  ];
  const one: Matcher[] = [{ name: 'a="x",b', op: '=', value: 'y' }];
  expect([...(await selections.select(index, two, never)).refs]).toEqual([1]);
  expect([...(await selections.select(index, one, never)).refs]).toEqual([2]);
});

const MATCHER_SETS: readonly (readonly Matcher[])[] = [
  [],
  [{ name: 'a', op: '=', value: '1' }],
  [{ name: 'a', op: '!=', value: '1' }],
  [{ name: 'b', op: '=~', value: '1|2.*' }],
  [
    { name: 'b', op: '=', value: '' },
    { name: 'a', op: '!~', value: '' },
  ],
];

test('select() gives what the index selects, whatever came and went, and does so meanwhile', async () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('add' as const),
      a: fc.integer({ max: 3, min: 0 }),
      b: fc.integer({ max: 3, min: 0 }),
    }),
    fc.record({
      kind: fc.constant('add back' as const),
      a: fc.integer({ max: 3, min: 0 }),
      b: fc.integer({ max: 3, min: 0 }),
    }),
    fc.record({ kind: fc.constant('remove' as const), which: fc.nat() }),
    fc.record({ kind: fc.constant('select' as const), which: fc.nat(MATCHER_SETS.length - 1) }),
  );
  const run = async (steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[]) => {
    const index = new SeriesIndex(live, texts);
    const selections = new Selections();
    let newest = 1_000;
    let oldest = 1_000;
    const apply = (one: (typeof steps)[number]): void => {
      if (one.kind === 'remove') {
        const all = [...index.values()];
        if (all.length > 0) index.remove(all[one.which % all.length]!);
      } else if (one.kind !== 'select') {
        const named: Labels = labelsOf({
          ...(one.a > 0 && { a: `${one.a}` }),
          ...(one.b > 0 && { b: `${one.b}` }),
          c: 'x',
        });
        const bytes = encodeLabels(named);
        if (index.find(bytes) === undefined) index.add(one.kind === 'add' ? ++newest : --oldest, bytes, 'raw');
      }
    };
    for (const [i, one] of steps.entries()) {
      apply(one);
      if (one.kind !== 'select') continue;
      const matchers = MATCHER_SETS[one.which]!;
      // While it is sorted, others change the index: the next one must see that.
      let waits = 0;
      await selections.select(index, matchers, () => {
        if (waits++ === 0) for (const later of steps.slice(i + 1, i + 3)) apply(later);
        return Promise.resolve();
      });
      const found = await selections.select(index, matchers, never);
      expect(found.labels.map(formatLabels)).toEqual(plainly(index, matchers));
      expect([...found.refs].map((ref) => formatLabels(index.get(ref)!.labels))).toEqual(
        found.labels.map(formatLabels),
      );
    }
    for (const series of [...index.values()]) index.remove(series);
  };
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), run), { numRuns: PROPERTY_RUNS });
});
