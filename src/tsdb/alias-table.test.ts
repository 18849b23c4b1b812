import { expect, test } from 'vitest';
import { AliasTables } from './alias-table.ts';
import { viewOf } from './bytes-table.ts';

test('all tables together stay within their bound, at the cost of the largest', () => {
  const tables = new AliasTables(1, 100_000);
  const small = tables.create();
  const hostile = tables.create();
  const known = new TextEncoder().encode('known');
  small.learn(known, 7);
  for (let i = 0; i < 5_000; i++) {
    hostile.learn(new TextEncoder().encode(`spelling ${i} ${'x'.repeat(100)}`), 1);
    expect(tables.sizeBytes).toBeLessThanOrEqual(100_000);
  }
  expect(small.find(viewOf(known), 0, known.length)).toBe(7);
  expect(tables.sizeBytes).toBe(small.sizeBytes + hostile.sizeBytes);
});
