import { expect, test } from 'vitest';
import type { TenantId } from '../model/tenant.ts';
import { openTenantLanes } from './tenant-lanes.ts';

const [a, b] = ['a', 'b'] as unknown as readonly [TenantId, TenantId];
const turn = () => new Promise((resolve) => setImmediate(resolve));

test('jobs of a tenant wait for its own alone', async () => {
  const lanes = openTenantLanes({ mostOfTenant: 2, most: 3 });
  const done: string[] = [];
  const ends: (() => void)[] = [];
  const slow = (name: string) =>
    [name, () => new Promise<void>((resolve) => ends.push(resolve)).then(() => void done.push(name))] as const;
  const quick = (name: string) => [name, async () => void done.push(name)] as const;
  lanes.put(a, [slow('a1'), slow('a2'), quick('a3')]);
  lanes.put(b, [quick('b1'), quick('b2'), quick('b3')]);
  await turn();
  expect(done).toEqual(['b1', 'b2', 'b3']);
  // What runs is left alone, and what waits is there once.
  lanes.put(a, [slow('a1'), quick('a3')]);
  let isIdle = false;
  const idle = lanes.idle().then(() => {
    isIdle = true;
  });
  await turn();
  expect(isIdle).toBe(false);
  for (const end of ends) end();
  await idle;
  expect(done.slice(3)).toEqual(['a1', 'a2', 'a3']);
  expect(ends).toHaveLength(2);
  await lanes.idle();
});

test('a job that throws ends like another', async () => {
  const lanes = openTenantLanes({ mostOfTenant: 1, most: 1 });
  lanes.put(a, [['x', () => Promise.reject(new TypeError('no'))]]);
  await lanes.idle();
});
