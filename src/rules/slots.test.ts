import { expect, test } from 'vitest';
import { MINUTE, SECOND } from '../model/time.ts';
import { hashOfLabels } from '../promql/labels-hash.ts';
import { slotsOf } from './slots.ts';

test('a slot lies where the hash of file and name says, whenever it is asked for', () => {
  const slots = slotsOf('/etc/rules.yaml', 'shop', MINUTE);
  const hash = hashOfLabels([
    ['file', '/etc/rules.yaml'],
    ['name', 'shop'],
  ]);
  const offsetMs = Number((hash % 60_000_000_000n) / 1_000_000n);
  const at = slots.at(1_700_000_000_000);
  expect(at % MINUTE).toBe(offsetMs);
  expect(at).toBeLessThanOrEqual(1_700_000_000_000);
  expect(at).toBeGreaterThan(1_700_000_000_000 - MINUTE);
  expect(slots.at(at)).toBe(at);
  expect(slots.at(at - 1)).toBe(at - MINUTE);
  expect(slots.after(at)).toBe(at + MINUTE);
  expect(slots.after(at, 5)).toBe(at + 5 * MINUTE);
});

test('groups of one file, and files of one group, have slots of their own', () => {
  const slots = ['a', 'b', 'c', 'd'].flatMap((group) =>
    ['x', 'y'].map((file) => slotsOf(file, group, MINUTE).at(1_700_000_000_000)),
  );
  expect(new Set(slots).size).toBe(slots.length);
});

test('slots of any interval follow on one another', () => {
  for (const intervalMs of [SECOND, 7 * SECOND, 90 * SECOND]) {
    const slots = slotsOf('f', 'g', intervalMs);
    let at = slots.at(1_700_000_000_123);
    for (let i = 0; i < 50; i++) {
      const next = slots.after(at);
      expect(next - at).toBe(intervalMs);
      expect(slots.at(next)).toBe(next);
      expect(slots.at(next + intervalMs - 1)).toBe(next);
      at = next;
    }
  }
});
