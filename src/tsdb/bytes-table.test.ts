import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BytesTable, viewOf } from './bytes-table.ts';

const text = new TextEncoder();

test('finds what was set, at any offset, and nothing else', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.string({ maxLength: 12 }), fc.nat(5)), { maxLength: 600 }),
      fc.nat(7),
      (entries, offset) => {
        const table = new BytesTable(42);
        const model = new Map<string, number>();
        for (const [key, number] of entries) {
          table.set(text.encode(key), number);
          model.set(key, number);
        }
        for (const key of [...model.keys(), ...model.keys(), 'a key that is not there', '']) {
          const bytes = text.encode(`${'#'.repeat(offset)}${key}#`);
          expect(table.find(viewOf(bytes), offset, bytes.length - 1)).toBe(model.get(key) ?? 0);
        }
      },
    ),
  );
});

test('tells keys of equal length apart where their order repeats', () => {
  const table = new BytesTable(0);
  for (let i = 0; i < 1_000; i++) table.set(text.encode(`key ${1_000 + i}`), i + 1);
  for (const step of [1, 7, 999]) {
    for (let i = 0; i < 1_000; i++) {
      const at = (i * step) % 1_000;
      const bytes = text.encode(`key ${1_000 + at}`);
      expect(table.find(viewOf(bytes), 0, bytes.length)).toBe(at + 1);
    }
  }
});
