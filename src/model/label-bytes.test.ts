import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeLabels, encodeLabels, labelsOf } from './labels.ts';

const text = fc.oneof(
  fc.string({ maxLength: 8 }),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 150 }),
  fc.string({ minLength: 90, maxLength: 300 }),
  fc.constantFrom('\ufeffmarked', 'ü', 'x'.repeat(127), 'x'.repeat(128), `${'x'.repeat(99)}ü`, 'ü'.repeat(70)),
);

test('label bytes are a length and UTF-8 for each text, and come back', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(text, text), { maxLength: 10 }), (entries) => {
      const labels = labelsOf(entries);
      const bytes = encodeLabels(labels);
      const want = labels.flat().flatMap((each) => {
        const utf8 = [...new TextEncoder().encode(each)];
        const { length } = utf8;
        return length < 128 ? [length, ...utf8] : [(length & 0x7f) | 0x80, length >>> 7, ...utf8];
      });
      expect([...bytes]).toEqual(want);
      expect(decodeLabels(bytes)).toEqual(labels);
    }),
    { numRuns: 300 },
  );
});
