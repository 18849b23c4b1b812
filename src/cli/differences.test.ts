import { expect, test } from 'vitest';
import { differences } from './differences.ts';

test.each([
  { name: 'nothing, whatever the order of keys', a: { x: 1, y: [1, 2] }, b: { y: [1, 2], x: 1 }, want: [] },
  {
    name: 'a value',
    a: { bounds: { min: 4 } },
    b: { bounds: { min: 5 } },
    want: ['bounds.min: recorded 4, computed 5'],
  },
  { name: 'a missing key', a: { x: 1 }, b: {}, want: ['x: recorded 1, computed nothing'] },
  { name: 'a longer list', a: { r: [1] }, b: { r: [1, { c: 2 }] }, want: ['r[1]: recorded nothing, computed {"c":2}'] },
  { name: 'null and zero', a: { x: null }, b: { x: 0 }, want: ['x: recorded null, computed 0'] },
])('differences() finds $name', ({ a, b, want }) => {
  expect(differences(a, b)).toEqual(want);
});
