import { describe, expect, test } from 'vitest';
import { MINUTE, SECOND } from '../model/time.ts';
import { openScaleWorld, worldPolicy } from '../testing/scale-world.ts';

const PASS = 15 * SECOND;
/** Some seconds after a pass. */
const BEGUN = 3 * MINUTE + SECOND;

/** A world whose demand changes from 100 to `value` at a time between two passes, and how often its target is read. */
function surging(value: number, policy: Parameters<typeof worldPolicy>[1] = { mode: 'enforce' }) {
  const world = openScaleWorld([worldPolicy('web', policy)]);
  const start = world.clock.now();
  Object.defineProperty(world, 'demand', { get: () => (world.clock.now() >= start + BEGUN ? value : 100) });
  const reads: number[] = [];
  const { read } = world.cluster;
  world.cluster.read = async (ref, signal) => {
    reads.push(world.clock.now() - start);
    return await read(ref, signal);
  };
  return { world, reads };
}

describe('a demand that rises between two passes', () => {
  test('raises the floor at the next look, not at the next pass', async () => {
    const { world } = surging(2000);
    await world.run(3 * MINUTE + 4 * SECOND);
    expect(world.cluster.state('web').min).toBe(10);
    await world.run(SECOND);
    // The forecast asks for 10; 2,000 of demand at 100 a replica, filled to 0.9, for 23.
    expect(world.cluster.state('web').min).toBe(23);
    const [decision] = await world.ledger.list();
    expect(decision!.plan.reasons).toContainEqual(expect.objectContaining({ code: 'CurrentDemand', value: 2000 }));
  });

  test.each<{ readonly name: string; readonly value: number; readonly policy?: Parameters<typeof worldPolicy>[1] }>([
    { name: 'that the floor carries', value: 800 },
    {
      name: 'that is above the limit of the policy already',
      value: 4000,
      policy: { mode: 'enforce', replicas: { min: 1, max: 10 } },
    },
    { name: 'of a policy that only observes', value: 2000, policy: { mode: 'observe' } },
    { name: 'of a policy that is paused', value: 2000, policy: { mode: 'enforce', paused: true } },
  ])('asks nothing of the cluster for one $name', async ({ value, policy }) => {
    const { world, reads } = surging(value, policy);
    await world.run(3 * MINUTE + 14 * SECOND);
    expect(reads.map((at) => at % PASS)).toEqual(reads.map(() => 0));
    expect(reads.at(-1)).toBe(3 * MINUTE);
  });

  test('a policy that is gone by then is left alone', async () => {
    const { world, reads } = surging(2000);
    const start = world.clock.now();
    Object.defineProperty(world, 'demand', {
      get: () => {
        if (world.clock.now() < start + BEGUN) return 100;
        world.policies.length = 0;
        return 2000;
      },
    });
    await world.run(3 * MINUTE + 14 * SECOND);
    expect(world.cluster.state('web').min).toBe(10);
    expect(reads.at(-1)).toBe(3 * MINUTE);
  });

  test('one look at a time: passes keep their pace', async () => {
    const { world, reads } = surging(100);
    await world.run(10 * MINUTE);
    expect(reads).toEqual(Array.from({ length: 41 }, (_, i) => i * PASS).filter((at) => at <= reads.at(-1)!));
    expect(reads.length).toBeGreaterThanOrEqual(40);
  });
});
