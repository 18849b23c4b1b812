import { expect, test } from 'vitest';
import { editDistance, nearestWord } from './nearest-word.ts';

test.each([
  { a: '', b: 'abc', want: 3 },
  { a: 'retention', b: 'retension', want: 1 },
  { a: 'lsiten', b: 'listen', want: 1 },
  { a: 'kitten', b: 'sitting', want: 3 },
])('editDistance($a, $b)', ({ a, b, want }) => {
  expect(editDistance(a, b)).toBe(want);
  expect(editDistance(b, a)).toBe(want);
});

test.each([
  { word: 'yes', known: ['on', 'off'], want: 'on' },
  { word: 'Disabled', known: ['on', 'off'], want: 'off' },
  { word: 'retension', known: ['listen', 'retention'], want: 'retention' },
  { word: 'inclustre', known: ['auto', 'inCluster', 'off'], want: 'inCluster' },
  { word: 'constructor', known: ['listen'], want: undefined },
  { word: 'banana', known: ['listen', 'retention'], want: undefined },
  { word: 'x'.repeat(1_000_000), known: ['listen'], want: undefined },
])('nearestWord() $word', ({ word, known, want }) => {
  expect(nearestWord(word, known)).toBe(want);
});
