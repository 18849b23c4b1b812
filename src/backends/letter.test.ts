import fc from 'fast-check';
import { expect, test } from 'vitest';
import { labelsOf } from '../model/labels.ts';
import { isStaleMarker, setStaleMarker } from '../model/series.ts';
import { decodeLetter, encodeLetter, itemsOf, type Letter } from './letter.ts';

const labels = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), { maxKeys: 4 });
const columns = fc.array(fc.tuple(fc.maxSafeInteger(), fc.double()), { maxLength: 5 }).map((pairs) => ({
  times: Float64Array.from(pairs, ([time]) => time),
  values: Float64Array.from(pairs, ([, value]) => value),
}));
const letters: fc.Arbitrary<Letter> = fc.record({
  series: fc.array(fc.tuple(labels, columns).map(([of, samples]) => ({ labels: labelsOf(of), ...samples }))),
  exemplars: fc.array(
    fc
      .record({ series: labels, labels, time: fc.maxSafeInteger(), value: fc.double() })
      .map((each) => ({ ...each, series: labelsOf(each.series), labels: labelsOf(each.labels) })),
  ),
  histograms: fc.array(
    fc
      .record({
        series: labels,
        time: fc.maxSafeInteger(),
        start: fc.nat(),
        bytes: fc.uint8Array({ maxLength: 30 }),
      })
      .map((each) => ({ ...each, series: labelsOf(each.series) })),
  ),
  metadata: fc.array(fc.record({ metric: fc.string(), type: fc.string(), help: fc.string(), unit: fc.string() })),
});

test('a letter is read as it was written, whatever is in it', () => {
  fc.assert(
    fc.property(letters, (letter) => {
      expect(decodeLetter(encodeLetter(letter))).toEqual(letter);
      // As LevelDB gives it, somewhere in a larger piece of memory.
      expect(decodeLetter(Buffer.concat([Buffer.of(0), encodeLetter(letter)]).subarray(1))).toEqual(letter);
    }),
  );
});

test('a staleness marker keeps its bits', () => {
  const ended = { labels: labelsOf({ a: 'b' }), times: Float64Array.of(1, 2), values: Float64Array.of(1, 2) };
  setStaleMarker(ended.values, 1);
  const letter = { series: [ended, ended], exemplars: [], histograms: [], metadata: [] };
  const [, read] = decodeLetter(encodeLetter(letter)).series;
  expect([isStaleMarker(read!.values, 1), itemsOf(letter)]).toEqual([true, 4]);
});

test.each([
  { name: 'another format', bytes: [2, 0, 0, 0, 0] },
  { name: 'nothing', bytes: [] },
  {
    name: 'a part',
    bytes: [
      ...encodeLetter({
        ...JSON.parse('{"exemplars":[],"histograms":[],"metadata":[]}'),
        series: [{ labels: [], times: Float64Array.of(1), values: Float64Array.of(1) }],
      }).slice(0, -1),
    ],
  },
])('$name is no letter', ({ bytes }) => {
  expect(() => decodeLetter(Uint8Array.from(bytes))).toThrow(RangeError);
});
