import { expect, test, vi } from 'vitest';
import { encodeLabels, labelsOf } from '../model/labels.ts';
import { finished } from '../model/work.ts';
import { loadCore } from './core.ts';
import { LabelTexts } from './label-texts.ts';
import { LabelValues } from './label-values.ts';
import { LiveSamples } from './live-samples.ts';
import { SeriesIndex } from './series-index.ts';

const core = await loadCore();
const texts = new LabelTexts(core);
const indexWith = (...all: readonly Readonly<Record<string, string>>[]) => {
  const index = new SeriesIndex(new LiveSamples(core), texts);
  for (const [i, labels] of all.entries()) index.add(i + 1, encodeLabels(labelsOf(labels)), 'raw');
  return index;
};

test('of() has what came and not what went, of each tenant its own', () => {
  const values = new LabelValues();
  const [one, other] = [indexWith({ a: 'x' }, { a: 'z' }), indexWith({ a: 'theirs' })];
  expect(finished(values.of(one, 'a')).values).toEqual(['x', 'z']);
  expect(finished(values.of(other, 'a')).values).toEqual(['theirs']);
  const added = one.add(3, encodeLabels(labelsOf({ a: 'y' })), 'raw');
  expect(finished(values.of(one, 'a')).values).toEqual(['x', 'y', 'z']);
  one.remove(added);
  one.add(4, encodeLabels(labelsOf({ a: 'w' })), 'raw');
  expect(finished(values.of(one, 'a')).values).toEqual(['w', 'x', 'z']);
});

test('of() does not remember any number of names, which need not be of labels that there are', () => {
  const values = new LabelValues();
  const index = indexWith({ a: 'x' });
  const read = vi.spyOn(texts, 'valueOf');
  for (let i = 0; i < 2; i++) finished(values.of(index, 'a'));
  expect(read).toHaveBeenCalledTimes(1);
  for (let i = 0; i < 2_000; i++) finished(values.of(index, `none${i}`));
  expect(finished(values.of(index, 'a')).values).toEqual(['x']);
  expect(read).toHaveBeenCalledTimes(2);
});
