import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ownerOf } from './rendezvous.ts';

const members = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 8 });
const keys = fc.array(fc.string({ maxLength: 24 }), { minLength: 1, maxLength: 40 });

test('each key has exactly one owner, which is a member, in whatever order they are named', () => {
  fc.assert(
    fc.property(members, keys, (all, some) => {
      for (const key of some) {
        const owner = ownerOf(key, all);
        expect(all).toContain(owner);
        expect(ownerOf(key, [...all].reverse())).toBe(owner);
      }
    }),
  );
  expect(ownerOf('shop/web', [])).toBeUndefined();
});

test('a member that goes moves only its own keys', () => {
  fc.assert(
    fc.property(members, keys, fc.nat(), (all, some, which) => {
      const gone = all[which % all.length];
      const rest = all.filter((member) => member !== gone);
      for (const key of some) {
        const before = ownerOf(key, all);
        if (before !== gone) expect(ownerOf(key, rest)).toBe(before);
      }
    }),
  );
});

test('shares are even within what chance allows', () => {
  const all = Array.from({ length: 10 }, (_, i) => `foresail-7d9c5b-${i}`);
  const counts = new Map<string, number>();
  for (let i = 0; i < 10_000; i++) {
    const owner = ownerOf(`team-${i % 40}/service-${i}`, all)!;
    counts.set(owner, (counts.get(owner) ?? 0) + 1);
  }
  // Six standard deviations of a binomial of 10,000 and 0.1.
  for (const member of all) expect(Math.abs(counts.get(member)! - 1000)).toBeLessThan(180);
});
