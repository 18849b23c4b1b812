import { describe, expect, test } from 'vitest';
import { HOUR, MINUTE, SECOND } from '../model/time.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import { replayDecision } from '../scaling/replay.ts';
import { openScaleWorld as openWorld, worldPolicy as policyOf } from '../testing/scale-world.ts';

describe('the scale loop', () => {
  test('raises the floor before the demand, taking the field over once and saying so', async () => {
    const world = openWorld([policyOf('web', { mode: 'enforce' })]);
    await world.run(3 * MINUTE);
    // 900 of demand at 100 a replica, filled to 0.9.
    expect(world.cluster.state('web')).toMatchObject({
      min: 10,
      minManagers: ['foresail'],
      ownership: { policy: 'shop/web', original: { min: 2, max: 50 }, takenFrom: ['kubectl-client-side-apply'] },
    });
    expect(world.cluster.announcements.map(({ reason }) => reason)).toEqual(['TookOver']);
  });

  test('observe writes nothing, and records what it would do', async () => {
    const world = openWorld([policyOf('web', { mode: 'observe' })]);
    await world.run(3 * MINUTE);
    expect(world.cluster.writes()).toBe(0);
    const [decision] = await world.ledger.list();
    expect(decision).toMatchObject({
      plan: { bounds: { min: 10 } },
      ownership: { kind: 'observing' },
      act: { kind: 'none' },
    });
  });

  test('every kept decision gives the same plan when it is replayed', async () => {
    const world = openWorld([policyOf('web', { mode: 'enforce' })]);
    await world.run(5 * MINUTE);
    world.policies.length = 0;
    await world.run(90 * MINUTE);
    const decisions = await world.ledger.list();
    expect(new Set(decisions.map(({ mode }) => mode))).toEqual(new Set(['enforce', 'release']));
    for (const decision of decisions) expect(replayDecision(decision)).toEqual(decision.plan);
  });

  test.each([
    { name: 'is deleted', change: (policies: ScalingPolicy[]) => policies.pop() },
    {
      name: 'only observes now',
      change: (policies: ScalingPolicy[]) => policies.splice(0, 1, policyOf('web', { mode: 'observe' })),
    },
    {
      name: 'is paused',
      change: (policies: ScalingPolicy[]) => policies.splice(0, 1, policyOf('web', { mode: 'enforce', paused: true })),
    },
  ])('a policy that $name gives the original bounds back step by step, and lets go', async ({ change }) => {
    const world = openWorld([policyOf('web', { mode: 'enforce' })]);
    await world.run(3 * MINUTE);
    change(world.policies);
    const seen: number[] = [];
    for (let i = 0; i < 40; i++) {
      await world.run(30 * SECOND);
      seen.push(world.cluster.state('web').min);
    }
    expect(seen[0]).toBeGreaterThan(2);
    for (const [i, min] of seen.entries()) if (i > 1) expect(seen[i - 2]! - min).toBeLessThanOrEqual(1);
    expect(world.cluster.state('web')).toMatchObject({
      min: 2,
      max: 50,
      minManagers: ['kubectl-client-side-apply'],
      ownership: null,
    });
    const writes = world.cluster.writes();
    await world.run(10 * MINUTE);
    expect(world.cluster.writes()).toBe(writes);
  });

  test('says of each policy what a pass could not do', async () => {
    const world = openWorld([policyOf('web', { mode: 'observe' }), policyOf('gone', { mode: 'observe' })]);
    await world.run(MINUTE);
    expect(world.notes.get('web')).toEqual({ readable: true, problems: [] });
    expect(world.notes.get('gone')).toEqual({ readable: false, problems: ['there is no shop/gone'] });
  });

  test('stopping changes nothing, and a new start goes on from what was recorded', async () => {
    const world = openWorld([policyOf('web', { mode: 'enforce' })]);
    await world.run(3 * MINUTE);
    const { min, ownership } = world.cluster.state('web');
    world.restart();
    expect(world.cluster.state('web')).toMatchObject({ min, ownership });
    await world.run(MINUTE);
    expect(world.cluster.state('web')).toMatchObject({ min, ownership });
  });

  test('a target whose policy went while the program was down is released at the next start', async () => {
    const world = openWorld([policyOf('web', { mode: 'enforce' })]);
    await world.run(3 * MINUTE);
    world.policies.length = 0;
    world.restart();
    await world.run(HOUR);
    expect(world.cluster.state('web')).toMatchObject({ min: 2, ownership: null });
  });

  test('a set-back is taken over once more as a new original, and the second within 30 minutes is respected', async () => {
    const world = openWorld([policyOf('web', { mode: 'enforce' })]);
    await world.run(3 * MINUTE);
    world.cluster.set('web', 3);
    await world.run(3 * MINUTE);
    expect(world.cluster.state('web')).toMatchObject({ min: 10, ownership: { original: { min: 3 } } });
    world.cluster.set('web', 3);
    await world.run(HOUR);
    expect(world.cluster.state('web')).toMatchObject({
      min: 3,
      minManagers: ['kubectl-client-side-apply'],
      ownership: { givenUp: { manager: 'kubectl-client-side-apply' } },
    });
    expect(world.cluster.announcements.at(-1)).toMatchObject({ type: 'Warning', reason: 'GivenUp' });
    const [last] = await world.ledger.list({ limit: 1 });
    expect(last?.text.join(' ')).toContain('kubectl-client-side-apply set minReplicas back');
  });

  test('takeOver: never leaves a held field alone from the start, and says who holds it', async () => {
    const world = openWorld([policyOf('web', { mode: 'enforce', takeOver: 'never' })]);
    await world.run(10 * MINUTE);
    expect(world.cluster.writes()).toBe(0);
    const [decision] = await world.ledger.list();
    expect(decision?.ownership).toEqual({
      kind: 'left',
      message: 'kubectl-client-side-apply holds minReplicas, and the policy says takeOver: never',
    });
  });

  test('a change in between is read and decided again once, and then left to the next pass', async () => {
    const world = openWorld([policyOf('web', { mode: 'enforce' })]);
    world.cluster.interfere(1);
    await world.run(SECOND);
    expect(world.cluster.state('web').min).toBeGreaterThan(2);
    const held = world.cluster.state('web').min;
    world.cluster.interfere(2);
    await world.run(2 * MINUTE);
    expect(world.telemetry.counts.get('loopSkips{loop=scale,reason=conflict}')).toBe(1);
    expect(world.cluster.state('web').min).toBeGreaterThan(held);
  });

  test('a policy that fails stops no other, and is counted', async () => {
    const world = openWorld([policyOf('broken', { mode: 'enforce' }), policyOf('web', { mode: 'enforce' })]);
    const { read } = world.cluster;
    world.cluster.read = async (ref, signal) => {
      if (ref.name === 'broken') throw new TypeError('no route');
      return await read(ref, signal);
    };
    await world.run(3 * MINUTE);
    expect(world.cluster.state('web').min).toBe(10);
    expect(world.telemetry.counts.get('loopFailures{loop=scale,reason=TypeError}')).toBeGreaterThan(1);
  });

  test('a missing target is skipped with its reason, said once', async () => {
    const world = openWorld([policyOf('nowhere', { mode: 'enforce' })]);
    await world.run(5 * MINUTE);
    expect(world.telemetry.counts.get('loopSkips{loop=scale,reason=target-missing}')).toBeGreaterThan(5);
    expect(world.telemetry.complaints).toEqual(['the policy shop/nowhere is skipped: there is no shop/nowhere']);
  });
});
