import { expect, test } from 'vitest';
import { takeTurns } from './turns.ts';

test('takeTurns() gives one computation a turn at a time, in the order of asking, and the event loop its own', async () => {
  const pause = takeTurns(0);
  const seen: string[] = [];
  const compute = async (name: string) => {
    for (let piece = 1; piece <= 3; piece++) {
      await pause();
      seen.push(`${name}${piece}`);
    }
  };
  const loop = async () => {
    for (let turn = 1; turn <= 4; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      seen.push(`loop${turn}`);
    }
  };
  await Promise.all([compute('a'), compute('b'), loop()]);
  const computed = seen.filter((text) => !text.startsWith('loop'));
  expect(computed).toEqual(['a1', 'b1', 'a2', 'b2', 'a3', 'b3']);
  expect(seen.indexOf('loop2')).toBeLessThan(seen.indexOf('b3'));
});

test('takeTurns() does not rest within a turn', async () => {
  const pause = takeTurns(60_000);
  await pause();
  expect(pause()).toBeUndefined();
});
