import { describe, expect, test } from 'vitest';
import { HOUR, MINUTE } from '../model/time.ts';
import { replayDecision } from '../scaling/replay.ts';
import { forecastOf, openScaleWorld, worldPolicy } from '../testing/scale-world.ts';

const WEB = 'ScaledObject:web';
const zeroTo50 = { min: 0, max: 50 };

function openKedaWorld(change: Partial<Parameters<typeof worldPolicy>[1]> = {}) {
  const policy = worldPolicy('web', { mode: 'enforce', target: WEB, replicas: zeroTo50, ...change });
  return openScaleWorld([policy], ['web', WEB]);
}

describe('the scale loop on a ScaledObject', () => {
  test('raises the minimum from zero, which wakes the workload, and leaves the HPA of the same name alone', async () => {
    const world = openKedaWorld();
    const hpa = world.cluster.state('web');
    await world.run(10 * MINUTE);
    expect(world.cluster.state(WEB)).toMatchObject({
      min: 10,
      minManagers: ['foresail'],
      specReplicas: 10,
      ownership: { policy: 'shop/web', original: { min: 0, max: 50 }, takenFrom: [] },
    });
    expect(world.cluster.state('web')).toEqual(hpa);
  });

  test('lets it sleep again only where the policy asks for a minimum of zero', async () => {
    const asked = openKedaWorld();
    const kept = openKedaWorld({ replicas: { min: 1, max: 50 } });
    for (const world of [asked, kept]) {
      await world.run(10 * MINUTE);
      world.forecast = (now) => forecastOf(0, now);
      world.demand = 0;
      await world.run(HOUR);
    }
    expect(asked.cluster.state(WEB).min).toBe(0);
    expect(kept.cluster.state(WEB).min).toBe(1);
  });

  test('gives the original minimum of zero back when the policy is gone', async () => {
    const world = openKedaWorld();
    await world.run(10 * MINUTE);
    world.policies.length = 0;
    await world.run(HOUR);
    expect(world.cluster.state(WEB)).toMatchObject({ min: 0, minManagers: [], ownership: null });
  });

  test('a policy that moves from the HPA to the ScaledObject of the same name lets go of the HPA', async () => {
    const world = openKedaWorld({ target: 'web', replicas: { min: 1, max: 50 } });
    await world.run(5 * MINUTE);
    expect(world.cluster.state('web').min).toBe(10);
    world.policies.splice(0, 1, worldPolicy('web', { mode: 'enforce', target: WEB, replicas: zeroTo50 }));
    await world.run(HOUR);
    expect(world.cluster.state('web')).toMatchObject({ min: 2, ownership: null });
    expect(world.cluster.state(WEB)).toMatchObject({ min: 10, ownership: { policy: 'shop/web' } });
  });

  test.each([
    { stops: 'all', rises: false, falls: false },
    { stops: 'up', rises: false, falls: true },
    { stops: 'down', rises: true, falls: false },
  ] as const)('a pause that stops $stops is respected, with the annotation as the reason', async ({
    stops,
    rises,
    falls,
  }) => {
    const world = openKedaWorld();
    world.forecast = (now) => forecastOf(450, now);
    await world.run(10 * MINUTE);
    expect(world.cluster.state(WEB).min).toBe(5);
    const annotation = `autoscaling.keda.sh/paused-${stops}`;
    world.cluster.pause(WEB, { stops, annotation });

    world.forecast = (now) => forecastOf(900, now);
    await world.run(10 * MINUTE);
    const afterRise = world.cluster.state(WEB).min;
    expect(afterRise).toBe(rises ? 10 : 5);
    if (!rises) {
      const [last] = await world.ledger.list({ limit: 1 });
      expect(last?.text.join(' ')).toContain(`the annotation ${annotation} of the target pauses it`);
    }
    world.forecast = (now) => forecastOf(90, now);
    await world.run(HOUR);
    // The demand of this moment takes two.
    expect(world.cluster.state(WEB).min).toBe(falls ? 2 : afterRise);

    world.cluster.pause(WEB, undefined);
    await world.run(HOUR);
    expect(world.cluster.state(WEB).min).toBe(2);
    for (const decision of await world.ledger.list()) expect(replayDecision(decision)).toEqual(decision.plan);
  });

  test('who lets go of a paused target gives the originals back all the same', async () => {
    const world = openKedaWorld();
    await world.run(10 * MINUTE);
    world.cluster.pause(WEB, { stops: 'all', annotation: 'autoscaling.keda.sh/paused' });
    world.policies.length = 0;
    await world.run(HOUR);
    expect(world.cluster.state(WEB)).toMatchObject({ min: 0, ownership: null });
  });

  test('a minimum that another manager sets while it is paused is theirs until the pause is over', async () => {
    const world = openKedaWorld();
    await world.run(10 * MINUTE);
    world.cluster.pause(WEB, { stops: 'all', annotation: 'autoscaling.keda.sh/paused' });
    world.cluster.set(WEB, 3);
    await world.run(10 * MINUTE);
    expect(world.cluster.state(WEB)).toMatchObject({ min: 3, minManagers: ['kubectl-client-side-apply'] });
    world.cluster.pause(WEB, undefined);
    await world.run(10 * MINUTE);
    expect(world.cluster.state(WEB)).toMatchObject({ min: 10, ownership: { original: { min: 3 } } });
  });
});
