import { expect, test } from 'vitest';
import { labelsOf } from '../model/labels.ts';
import { hashOfLabels, xxHash64 } from './labels-hash.ts';

// The vectors of xxHash's own documentation, and of python-xxhash's for one that is longer than a stripe.
test.each([
  ['', 0xef46db3751d8e999n],
  ['a', 0xd24ec4f1a98c6e5bn],
  ['abc', 0x44bc2cf5ad770999n],
  ['Nobody inspects the spammish repetition', 0xfbcea83c8a378bf1n],
])('xxHash64(%j)', (text, want) => {
  expect(xxHash64(new TextEncoder().encode(text))).toBe(want);
});

test('hashOfLabels() is over each text with its length before it', () => {
  const long = 'x'.repeat(300);
  const bytes = [1, 0x61, 2, 0xc3, 0xa9, 1, 0x62, 255, 300 - 256, 1, 0, ...new Array<number>(300).fill(0x78)];
  expect(hashOfLabels(labelsOf({ a: 'é', b: long }))).toBe(xxHash64(Uint8Array.from(bytes)));
});
