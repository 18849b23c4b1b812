import { expect, test } from 'vitest';
import { MINUTE, SECOND } from '../model/time.ts';
import { forecastOf, openScaleWorld, worldPolicy } from '../testing/scale-world.ts';

const policies = ['a', 'b'].map((name) => worldPolicy(name, { mode: 'enforce' }));

test('a process acts on its share alone: on the policies, and on targets that are to be released', async () => {
  const world = openScaleWorld([...policies], ['a', 'b']);
  const mine = new Set(['a']);
  world.share = shareOf(mine);
  world.restart();
  await world.run(5 * MINUTE);
  expect([world.cluster.state('a').min, world.cluster.state('b').min]).toEqual([10, 2]);
  mine.add('b');
  await world.run(5 * MINUTE);
  expect(world.cluster.state('b').min).toBe(10);
  mine.delete('a');
  world.policies.length = 0;
  await world.run(30 * MINUTE);
  expect(world.cluster.state('a')).toMatchObject({ min: 10, ownership: { policy: 'shop/a' } });
  expect(world.cluster.state('b')).toMatchObject({ min: 2, ownership: null });
});

test('what comes back after another process had it is held, and not moved before a minute has passed', async () => {
  const world = openScaleWorld([...policies], ['a', 'b']);
  const mine = new Set(['a', 'b']);
  world.share = shareOf(mine);
  world.restart();
  await world.run(5 * MINUTE);
  mine.delete('a');
  await world.run(MINUTE);
  // The other one raises it meanwhile.
  const { ref, uid, resourceVersion, ownership, max } = world.cluster.state('a');
  const raised = { ...ownership!, written: { min: 30, max } };
  await world.cluster.apply({ ref, uid, resourceVersion, min: 30, max, ownership: raised, force: false });
  mine.add('a');
  world.forecast = (now) => forecastOf(4400, now);
  await world.run(50 * SECOND);
  expect([world.cluster.state('a').min, world.cluster.state('b').min]).toEqual([30, 40]);
  await world.run(30 * SECOND);
  expect(world.cluster.state('a').min).toBe(49);
});

/** Another tenure each time that a name comes. */
function shareOf(mine: ReadonlySet<string>) {
  const tenures = new Map<string, number>();
  return {
    tenureOf({ name }: { readonly name: string }) {
      const known = tenures.get(name) ?? 0;
      if (mine.has(name) === (known % 2 === 1)) return known % 2 === 1 ? String(known) : undefined;
      tenures.set(name, known + 1);
      return mine.has(name) ? String(known + 1) : undefined;
    },
    fingerprint: () => [...mine].join(),
  };
}
