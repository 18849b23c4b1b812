import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeLabels, type Labels, labelsKey, labelsOf, labelValue } from '../model/labels.ts';
import { compileMatcher, type Matcher } from '../model/matcher.ts';
import { type CoreExports, loadCore } from './core.ts';
import { LabelTexts } from './label-texts.ts';
import { LiveSamples } from './live-samples.ts';
import { SeriesIndex } from './series-index.ts';

// Of equal lengths, so that what is added stands where something was freed.
const value = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('', 'x1', 'x2', 'y1', 'y2', 'ü', 'é', '\u{1f600}', '\ufeff1') },
  { weight: 1, arbitrary: fc.constantFrom('x'.repeat(128), 'y'.repeat(128), `ü${'z'.repeat(300)}`) },
);
const labels = fc.record({ a: value, b: value, ü: value }).map((record) => labelsOf(record));
const matcher: fc.Arbitrary<Matcher> = fc.record({
  name: fc.constantFrom('a', 'b', 'ü', 'none'),
  op: fc.constantFrom('=', '!=', '=~', '!~'),
  value: fc.constantFrom('', 'x1', 'y2', 'ü', 'x.', '[xy]1', '.+', '.*', '|y.', '[^x]+'),
});
const tenant = fc.constantFrom(0, 1);
type Step = { readonly tenant: number } & (
  | { readonly kind: 'add'; readonly labels: Labels }
  | { readonly kind: 'remove' | 'read'; readonly pick: number }
  | { readonly kind: 'select'; readonly matchers: readonly Matcher[] }
  | { readonly kind: 'twice'; readonly labels: Labels }
  | { readonly kind: 'grow' }
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('add'), tenant, labels }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('remove'), tenant, pick: fc.nat(50) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('read'), tenant, pick: fc.nat(50) }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('select'), tenant, matchers: fc.array(matcher, { maxLength: 3 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('twice'), tenant, labels }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('grow'), tenant }) },
) as fc.Arbitrary<Step>;

interface Tenant {
  readonly index: SeriesIndex;
  readonly model: Map<number, Labels>;
  nextRef: number;
}

function apply(core: CoreExports, of: Tenant, each: Step): void {
  const { index, model } = of;
  switch (each.kind) {
    case 'add': {
      const bytes = encodeLabels(each.labels);
      const known = [...model].find(([, other]) => labelsKey(other) === labelsKey(each.labels));
      expect(index.find(bytes)?.ref).toBe(known?.[0]);
      if (known !== undefined) return;
      const ref = of.nextRef++;
      index.add(ref, bytes, 'raw');
      model.set(ref, each.labels);
      return;
    }
    case 'twice': {
      const [first] = each.labels;
      if (first === undefined) return;
      const bytes = Buffer.concat([encodeLabels(each.labels), encodeLabels([[first[0], 'other']])]);
      expect(() => index.add(of.nextRef, bytes, 'raw')).toThrow(RangeError);
      return;
    }
    case 'remove': {
      const ref = [...model.keys()][each.pick % model.size];
      if (ref === undefined) return;
      index.remove(index.get(ref)!);
      model.delete(ref);
      return;
    }
    case 'read': {
      const ref = [...model.keys()][each.pick % model.size];
      if (ref === undefined) return;
      expect(index.get(ref)!.labels).toEqual(model.get(ref));
      expect(index.get(ref)!.labelBytes).toEqual(encodeLabels(model.get(ref)!));
      return;
    }
    case 'select': {
      const tests = each.matchers.map((one) => ({ name: one.name, test: compileMatcher(one) }));
      const passes = (set: Labels) => tests.every(({ name, test: accepts }) => accepts(labelValue(set, name)));
      const want = [...model].filter(([, set]) => passes(set)).map(([ref]) => ref);
      const found = index.select(each.matchers).map(({ ref }) => ref);
      expect(found.sort((a, b) => a - b)).toEqual(want);
      return;
    }
    case 'grow':
      core.release(core.allocate(core.memory.buffer.byteLength));
  }
}

test('indexes of two tenants are two maps, whatever comes and goes', async () => {
  const core = await loadCore();
  core.seedLabelSets(5, 6, 7, 8);
  const live = new LiveSamples(core);
  const texts = new LabelTexts(core);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const before = core.labelSetBytes();
      const tenants = [0, 1].map((): Tenant => ({ index: new SeriesIndex(live, texts), model: new Map(), nextRef: 1 }));
      let growths = 0;
      for (const each of steps) {
        // Each doubles the memory.
        if (each.kind === 'grow' && (growths++ > 0 || core.memory.buffer.byteLength > 64 << 20)) continue;
        apply(core, tenants[each.tenant]!, each);
        for (const { index, model } of tenants) expect(index.size).toBe(model.size);
      }
      for (const { index, model } of tenants) {
        expect([...index.values()].map(({ ref, labels: own }) => [ref, own])).toEqual([...model]);
        for (const series of index.values()) index.remove(series);
      }
      expect(core.labelSetBytes()).toBe(before);
    }),
    { numRuns: 80 },
  );
});
