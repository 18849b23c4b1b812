import { expect, test } from 'vitest';
import { DEFAULT_TENANT } from '../../model/tenant.ts';
import { memoryStorage } from '../../testing/memory-storage.ts';
import { simClock } from '../../testing/sim-clock.ts';
import { sharedCommit } from './shared-commit.ts';

test('sharedCommit() syncs once for those that come within its wait, and once more for the next', async () => {
  const clock = simClock(0);
  let commits = 0;
  const tenant = memoryStorage({ now: clock.now }).tenant(DEFAULT_TENANT);
  const counting = { ...tenant, commit: async () => void commits++ };
  const writer = sharedCommit(counting, clock, 200);
  const first = [writer.commit(), writer.commit()];
  await clock.advance(150);
  first.push(writer.commit());
  expect(commits).toBe(0);
  await clock.advance(50);
  await Promise.all(first);
  expect(commits).toBe(1);
  const second = writer.commit();
  await clock.advance(200);
  await second;
  expect(commits).toBe(2);
});
