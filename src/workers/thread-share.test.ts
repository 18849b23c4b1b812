import { expect, test } from 'vitest';
import { threadShare } from './thread-share.ts';

test.each([
  { cores: 1, most: 1 },
  { cores: 2, most: 1 },
  { cores: 8, most: 7 },
  { cores: 2.5, most: 1 },
  { cores: 0.5, most: 1 },
])('of $cores cores, $most thread(s) may be busy', ({ cores, most }) => {
  expect(threadShare(cores).most).toBe(most);
});

test('jobs take what forecasters leave, and one job always goes on', () => {
  const share = threadShare(4);
  const forecasters = [share.begin(), share.begin()];
  const [first, second] = [share.beginJob(), share.beginJob()];
  expect([first !== undefined, second]).toEqual([true, undefined]);
  // Forecasters do not ask.
  forecasters.push(share.begin(), share.begin());
  expect(share.beginJob()).toBeUndefined();
  first!();
  const alone = share.beginJob();
  expect(alone).toBeDefined();
  for (const end of forecasters) end();
  expect([share.beginJob(), share.beginJob(), share.beginJob()].map((end) => end !== undefined)).toEqual([
    true,
    true,
    false,
  ]);
});

test('whoever waits is told when a thread is free', () => {
  const share = threadShare(2);
  let told = 0;
  share.onFree(() => told++);
  const end = share.begin();
  expect(told).toBe(0);
  end();
  expect(told).toBe(1);
});
