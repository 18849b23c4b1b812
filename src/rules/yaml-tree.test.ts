import { expect, test } from 'vitest';
import { placesIn, readYamlTree } from './yaml-tree.ts';

const block = (depth: number) => `groups:\n${'- '.repeat(depth - 1)}1\n`;
const indented = (depth: number) => `${Array.from({ length: depth }, (_, i) => `${' '.repeat(i)}a:`).join('\n')} 1\n`;
const flow = (depth: number) => `groups: ${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}\n`;
const maps = (depth: number) => `${'{a: '.repeat(depth)}1${'}'.repeat(depth)}`;

test.each([
  ['a list in a list, and so on', block, { line: 2, column: 999 }],
  ['mappings that are indented', indented, { line: 501, column: 501 }],
  ['brackets', flow, { line: 1, column: 508 }],
  ['braces', maps, { line: 1, column: 2001 }],
])('%s: 500 deep can be read, more is a fault at its place', (_, textOf, place) => {
  expect(readYamlTree(textOf(500))).toMatchObject({ faults: [], documents: 1 });

  for (const depth of [501, 1_000, 5_000]) {
    const text = textOf(depth);
    const { root, faults } = readYamlTree(text);
    expect(root).toBeUndefined();
    expect(faults.map(({ message }) => message)).toEqual(['exceeded max depth of 500']);
    expect(placesIn(text)(faults[0]!.at)).toEqual(place);
  }
});

test('a million brackets are told as soon as there are too many', () => {
  const { faults } = readYamlTree('['.repeat(1_000_000));
  expect(faults).toEqual([{ at: 500, message: 'exceeded max depth of 500' }]);
});
