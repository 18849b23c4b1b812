import { expect, test } from 'vitest';
import { parseQuantity } from './quantity.ts';

test.each([
  ['250m', 0.25],
  ['1', 1],
  [2, 2],
  ['1.5', 1.5],
  ['.5', 0.5],
  ['128Mi', 134_217_728],
  ['1Gi', 1_073_741_824],
  ['1G', 1e9],
  ['100k', 1e5],
  ['12e6', 12e6],
  ['1E3', 1000],
  ['2E', 2e18],
  ['-5', -5],
  ['700u', 7e-4],
  ['', undefined],
  ['1 Gi', undefined],
  ['1mi', undefined],
  [null, undefined],
])('parseQuantity(%j) is %s', (text, want) => {
  const found = parseQuantity(text);
  if (want === undefined) expect(found).toBeUndefined();
  else expect(found).toBeCloseTo(want, 9);
});
