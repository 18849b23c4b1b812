import { describe, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE, SECOND } from '../model/time.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import { replayDecision } from '../scaling/replay.ts';
import { forecastOf, openScaleWorld, type ScaleWorld, worldPolicy } from '../testing/scale-world.ts';

const ENFORCED = worldPolicy('web', { mode: 'enforce' });

/** A world in which `web` is held at 10, taken over from a minimum of 2. */
async function held(policies: ScalingPolicy[] = [ENFORCED], targets?: readonly string[]): Promise<ScaleWorld> {
  const world = openScaleWorld(policies, targets);
  await world.run(5 * MINUTE);
  expect(world.cluster.state('web').min).toBe(10);
  return world;
}

describe('a policy that cannot be read', () => {
  test('is not taken for removed: its floor stays, counted, until all can be read', async () => {
    const world = await held();
    world.policies.length = 0;
    world.unreadable.push('a.yaml:1:1: spec.replicas: expected an object');
    world.restart();
    await world.run(HOUR);
    expect(world.cluster.state('web').min).toBe(10);
    expect(world.telemetry.counts.get('loopSkips{loop=scale,reason=policies-unreadable}')).toBeGreaterThan(100);
    expect(world.telemetry.complaints).toEqual([expect.stringContaining('shop/web is not released')]);
    world.unreadable.length = 0;
    await world.run(HOUR);
    expect(world.cluster.state('web')).toMatchObject({ min: 2, ownership: null });
  });

  test('keeps no other from letting go of a target on purpose', async () => {
    const world = await held();
    world.policies.splice(0, 1, worldPolicy('web', { mode: 'observe' }));
    world.unreadable.push('b.yaml:1:1: broken');
    await world.run(HOUR);
    expect(world.cluster.state('web')).toMatchObject({ min: 2, ownership: null });
  });
});

describe('policies that change', () => {
  test('a policy under another name goes on where the old one was', async () => {
    const world = await held();
    world.policies.splice(0, 1, worldPolicy('shop-front', { mode: 'enforce', target: 'web' }));
    const seen = new Set<number>();
    for (let i = 0; i < 20; i++) {
      await world.run(MINUTE);
      seen.add(world.cluster.state('web').min);
    }
    world.forecast = (now) => forecastOf(1800, now);
    await world.run(5 * MINUTE);
    expect([...seen]).toEqual([10]);
    expect(world.cluster.state('web')).toMatchObject({
      min: 20,
      ownership: { policy: 'shop/shop-front', original: { min: 2 }, takenFrom: ['kubectl-client-side-apply'] },
    });
  });

  test('of two policies with one target the first keeps it, and the other follows when it is gone', async () => {
    const world = await held([ENFORCED, worldPolicy('z-other', { mode: 'enforce', target: 'web' })]);
    await world.run(HOUR);
    expect(world.cluster.state('web').ownership?.policy).toBe('shop/web');
    const [other] = await world.ledger.list({ namespace: 'shop', policy: 'z-other', limit: 1 });
    expect(other?.ownership).toMatchObject({ kind: 'left', message: expect.stringContaining('shop/web already') });
    world.policies.shift();
    world.forecast = (now) => forecastOf(1800, now);
    await world.run(5 * MINUTE);
    expect(world.cluster.state('web')).toMatchObject({ min: 20, ownership: { policy: 'shop/z-other' } });
  });

  test('a policy with another target lets go of the old one, and both are recorded as what they are', async () => {
    const world = await held();
    world.policies.splice(0, 1, worldPolicy('web', { mode: 'enforce', target: 'broken' }));
    await world.run(HOUR);
    expect(world.cluster.state('web')).toMatchObject({ min: 2, ownership: null });
    expect(world.cluster.state('broken').min).toBe(10);
    const released = (await world.ledger.list({ limit: 1000 })).filter(({ mode }) => mode === 'release');
    expect(new Set(released.map(({ input }) => input.policy.target.name))).toEqual(new Set(['web']));
    for (const decision of released) expect(replayDecision(decision)).toEqual(decision.plan);
  });

  test('targets that one policy lets go of at once each have their own ramp', async () => {
    const names = ['a', 'b', 'c'];
    const policies = names.map((target) => worldPolicy('web', { mode: 'enforce', target }));
    const world = openScaleWorld([], names);
    for (const policy of policies) {
      world.policies.splice(0, 1, policy);
      world.forecast = (now) => forecastOf(policy === policies[1] ? 3600 : 900, now);
      await world.run(2 * MINUTE);
    }
    world.policies.length = 0;
    let before = names.map((name) => world.cluster.state(name).min);
    for (let i = 0; i < 90; i++) {
      // A pass begins with each run, so a whole minute could show two steps.
      await world.run(50 * SECOND);
      const now = names.map((name) => world.cluster.state(name).min);
      for (const [k, min] of now.entries()) {
        expect(before[k]! - min).toBeLessThanOrEqual(Math.max(1, Math.ceil(before[k]! * 0.1)));
      }
      before = now;
    }
    expect(before).toEqual([2, 2, 2]);
  });
});

describe('a field that others hold', () => {
  test('a release leaves what another manager set to our very value, and lets go', async () => {
    const world = await held();
    world.cluster.set('web', 10, 'helm');
    world.policies.length = 0;
    await world.run(10 * MINUTE);
    expect(world.cluster.state('web')).toMatchObject({ min: 10, minManagers: ['helm'], ownership: null });
  });

  test.each([
    { name: 'only observes for a while', between: worldPolicy('web', { mode: 'observe' }) },
    { name: 'is paused for a while', between: worldPolicy('web', { mode: 'enforce', paused: true }) },
  ])('a field given up is taken again after the policy $name', async ({ between }) => {
    const world = await held();
    for (let i = 0; i < 2; i++) {
      world.cluster.set('web', 3);
      await world.run(3 * MINUTE);
    }
    expect(world.cluster.state('web').ownership?.givenUp).not.toBe(null);
    world.policies.splice(0, 1, between);
    await world.run(10 * MINUTE);
    expect(world.cluster.state('web')).toMatchObject({ min: 3, ownership: null });
    world.policies.splice(0, 1, ENFORCED);
    await world.run(5 * MINUTE);
    expect(world.cluster.state('web')).toMatchObject({ min: 10, ownership: { original: { min: 3 }, givenUp: null } });
  });

  test('a field given up for takeOver: never is taken once the policy says once', async () => {
    const never = worldPolicy('web', { mode: 'enforce', takeOver: 'never' });
    const world = await held();
    world.policies.splice(0, 1, never);
    world.cluster.set('web', 3);
    await world.run(3 * MINUTE);
    expect(world.cluster.state('web')).toMatchObject({ min: 3, ownership: { givenUp: expect.anything() } });
    world.policies.splice(0, 1, ENFORCED);
    await world.run(5 * MINUTE);
    expect(world.cluster.state('web')).toMatchObject({ min: 10, ownership: { givenUp: null, original: { min: 3 } } });
  });

  test('an annotation that names no policy at all is released under the object itself', async () => {
    const world = await held();
    const { ref, uid, resourceVersion, ownership } = world.cluster.state('web');
    const odd = { ...ownership!, policy: 'Not a name' };
    await world.cluster.apply({ ref, uid, resourceVersion, min: 10, max: 50, ownership: odd, force: false });
    world.policies.length = 0;
    await world.run(HOUR);
    expect(world.cluster.state('web')).toMatchObject({ min: 2, ownership: null });
  });
});

describe('trouble with the store and the cluster', () => {
  test('a store that is full stops no act, speeds up no ramp, and gets the record later', async () => {
    const world = openScaleWorld([ENFORCED]);
    world.storeFull = true;
    world.forecast = (now) => forecastOf(4400, now);
    const floors = [];
    for (let i = 0; i < 12; i++) {
      await world.run(14 * SECOND);
      floors.push(world.cluster.state('web').min);
    }
    expect(floors).toEqual([8, 8, 8, 8, 8, 32, 32, 32, 32, 32, 49, 49]);
    expect(world.cluster.announcements.map(({ reason }) => reason)).toEqual(['TookOver']);
    expect(world.telemetry.counts.get('loopFailures{loop=scale,reason=record-RangeError}')).toBeGreaterThan(5);
    world.storeFull = false;
    await world.run(MINUTE);
    const applied = (await world.ledger.list()).filter(({ act }) => act.kind === 'applied');
    expect(applied.map(({ plan }) => plan.bounds.min)).toEqual([49, 32, 8]);
  });

  test('a write whose answer was lost is recorded as such, and is no reason for a second step', async () => {
    const world = openScaleWorld([ENFORCED]);
    const { apply } = world.cluster;
    world.forecast = (now) => forecastOf(4400, now);
    world.cluster.apply = async (change, signal) => {
      await apply(change, signal);
      throw new TypeError('no answer within 10 s');
    };
    await world.run(SECOND);
    world.cluster.apply = apply;
    expect(world.cluster.state('web').min).toBe(8);
    await world.run(45 * SECOND);
    expect(world.cluster.state('web').min).toBe(8);
    const decisions = await world.ledger.list();
    expect(decisions.at(-1)?.act).toEqual({ kind: 'failed', message: 'no answer within 10 s' });
    expect(world.telemetry.counts.get('loopFailures{loop=scale,reason=TypeError}')).toBe(1);
    await world.run(MINUTE);
    expect(world.cluster.state('web').min).toBe(32);
  });

  test('an API server that is down for a minute moves nothing, and the ramp goes on from there', async () => {
    const world = await held();
    const { read, listOwned } = world.cluster;
    const down = async () => {
      throw new TypeError('ECONNREFUSED');
    };
    Object.assign(world.cluster, { read: down, listOwned: down });
    await world.run(MINUTE);
    Object.assign(world.cluster, { read, listOwned });
    expect(world.cluster.state('web').min).toBe(10);
    world.forecast = (now) => forecastOf(4400, now);
    await world.run(SECOND);
    expect(world.cluster.state('web').min).toBe(40);
  });

  test('an object made again under its name is taken over anew, from its own minimum', async () => {
    const world = await held();
    world.cluster.recreate('web');
    await world.run(15 * SECOND);
    expect(world.cluster.state('web').min).toBe(8);
    await world.run(2 * MINUTE);
    expect(world.cluster.state('web')).toMatchObject({ min: 10, ownership: { original: { min: 2 } } });
  });

  test('a maximum that its owner lowers is kept to, and is what is given back', async () => {
    const world = await held();
    world.cluster.set('web', 2);
    world.cluster.setMax('web', 6);
    await world.run(5 * MINUTE);
    expect(world.cluster.state('web')).toMatchObject({ min: 6, max: 6 });
    world.policies.length = 0;
    await world.run(HOUR);
    expect(world.cluster.state('web')).toMatchObject({ min: 2, max: 6, ownership: null });
  });
});

test('a maximum that its owner lowers while the target is let go of stays as it is', async () => {
  const world = await held();
  world.policies.length = 0;
  await world.run(2 * MINUTE);
  world.cluster.setMax('web', 30);
  await world.run(HOUR);
  expect(world.cluster.state('web')).toMatchObject({ min: 2, max: 30, ownership: null });
});

describe('a clock that is set', () => {
  test.each([
    { name: 'back by an hour', ms: -HOUR },
    { name: 'forward by a day', ms: DAY },
    { name: 'forward by a day and back', ms: 0 },
  ])('$name neither stops the loop nor moves the floor faster than its ramp', async ({ ms }) => {
    const world = await held();
    if (ms === 0) {
      world.clock.set(DAY);
      await world.run(MINUTE);
      world.clock.set(-DAY);
    } else world.clock.set(ms);
    let before = world.cluster.state('web').min;
    for (const peak of [4400, 4400, 4400, 90, 90, 90, 90]) {
      world.forecast = (now) => forecastOf(peak, now);
      await world.run(50 * SECOND);
      const { min } = world.cluster.state('web');
      expect(min).toBeLessThanOrEqual(before * 4);
      expect(before - min).toBeLessThanOrEqual(Math.ceil(before * 0.1));
      before = min;
    }
    expect(before).toBeLessThan(49);
    expect(before).toBeGreaterThan(30);
    const at = (await world.ledger.list({ limit: 1000 })).map(({ id }) => id);
    expect(new Set(at).size).toBe(at.length);
  });

  test('back in the middle of a pass makes no loop wait for it to catch up', async () => {
    const world = openScaleWorld([ENFORCED]);
    const { read } = world.cluster;
    world.cluster.read = async (ref, signal) => {
      world.cluster.read = read;
      world.clock.set(-HOUR);
      return await read(ref, signal);
    };
    await world.run(5 * MINUTE);
    expect(world.telemetry.counts.get('loopPasses{loop=scale}')).toBeGreaterThan(15);
  });
});
