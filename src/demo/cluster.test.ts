import { describe, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE, SECOND } from '../model/time.ts';
import type { BoundsChange, Ownership, TargetState } from '../scaling/cluster.ts';
import { type DemoCluster, openDemoCluster } from './cluster.ts';
import { DEMO_WORKLOADS } from './workloads.ts';

/** A Wednesday, at a quiet hour. */
const START = Date.UTC(2026, 10, 18, 4);
const CHECKOUT = { kind: 'HorizontalPodAutoscaler', namespace: 'shop', name: 'checkout' } as const;
const OURS: Ownership = {
  policy: 'shop/checkout',
  original: { min: 2, max: 60 },
  takenFrom: ['kubectl-client-side-apply'],
  written: { min: 8, max: 60 },
  setBackAt: [],
  givenUp: null,
};

function open(saved?: ReturnType<DemoCluster['save']>) {
  const time = { now: START };
  const clock = { now: () => time.now, sleep: async () => {} };
  const moves: string[] = [];
  const cluster = openDemoCluster({
    workloads: DEMO_WORKLOADS,
    firstStart: START,
    clock,
    saved,
    onMove: ({ before, after }) => moves.push(`${before.min}..${before.max} -> ${after.min}..${after.max}`),
  });
  const read = async () => (await cluster.read(CHECKOUT)) as TargetState;
  const apply = async (change: Partial<BoundsChange>) => {
    const { ref, uid, resourceVersion } = await read();
    return await cluster.apply({
      ref,
      uid,
      resourceVersion,
      min: 8,
      max: 60,
      ownership: OURS,
      force: false,
      ...change,
    });
  };
  return { time, cluster, moves, read, apply };
}

describe('apply() of the demo cluster', () => {
  test.each([
    { name: 'conflicts with another manager unless forced', change: {}, kind: 'owned' },
    { name: 'shares a field where the value agrees', change: { min: 2 }, kind: 'applied' },
    { name: 'takes a field over by force', change: { force: true }, kind: 'applied' },
    { name: 'refuses an old version', change: { force: true, resourceVersion: '0' }, kind: 'conflict' },
    { name: 'refuses another object of that name', change: { force: true, uid: 'other' }, kind: 'conflict' },
    { name: 'refuses a minimum over the maximum', change: { force: true, min: 61 }, kind: 'refused' },
    { name: 'refuses a minimum of zero', change: { force: true, min: 0 }, kind: 'refused' },
  ])('$name', async ({ change, kind }) => {
    const { apply, read } = open();
    const before = await read();
    expect(await apply(change)).toMatchObject({ kind });
    if (kind !== 'applied') expect(await read()).toEqual(before);
  });

  test('names the manager that holds the field', async () => {
    const { apply } = open();
    expect(await apply({})).toMatchObject({ managers: ['kubectl-client-side-apply'] });
  });

  test('a take-over is owned by foresail, and a release hands the field back', async () => {
    const { apply, read, cluster, moves } = open();
    await apply({ force: true });
    expect(await read()).toMatchObject({ min: 8, minManagers: ['foresail'], ownership: OURS });
    expect(await cluster.listOwned()).toHaveLength(1);
    expect(await apply({ min: 6 })).toMatchObject({ kind: 'applied' });
    await apply({ min: 2, ownership: null });
    expect(await read()).toMatchObject({ min: 2, minManagers: ['kubectl-client-side-apply'], ownership: null });
    expect(await cluster.listOwned()).toEqual([]);
    expect(moves).toEqual(['2..60 -> 8..60', '8..60 -> 6..60', '6..60 -> 2..60']);
  });
});

describe('sync() of the demo cluster', () => {
  test('a raised minimum starts pods at once, which are ready only after their start-up', async () => {
    const { apply, read, cluster, time } = open();
    const ready = cluster.ready(CHECKOUT);
    await apply({ force: true, min: 12 });
    cluster.sync();
    expect(await read()).toMatchObject({ specReplicas: 12 });
    expect(cluster.ready(CHECKOUT)).toBe(ready);
    time.now += 2 * MINUTE;
    expect(cluster.ready(CHECKOUT)).toBe(12);
  });

  test('the HPA follows the demand of a day up and down', async () => {
    const { read, cluster, time } = open();
    const replicas: number[] = [];
    for (; time.now < START + DAY; time.now += 15 * SECOND) {
      cluster.sync();
      replicas.push((await read()).specReplicas);
    }
    const at = (hours: number) => replicas[(hours * HOUR) / (15 * SECOND)]!;
    // Four o'clock at night, eight in the evening, and the next night.
    expect(at(16)).toBeGreaterThan(3 * at(0));
    expect(replicas.at(-1)).toBeLessThan(at(16) / 3);
  });

  test('a change of the replicas makes what was read before too old to apply', async () => {
    const { cluster, read, time } = open();
    const { ref, uid, resourceVersion } = await read();
    time.now += 15 * HOUR;
    cluster.sync();
    const change = { ref, uid, resourceVersion, min: 8, max: 60, ownership: OURS, force: true };
    expect(await cluster.apply(change)).toMatchObject({ kind: 'conflict' });
  });
});

test('openDemoCluster() continues from what was saved', async () => {
  const first = open();
  await first.apply({ force: true, min: 11 });
  first.cluster.sync();
  const second = open(JSON.parse(JSON.stringify(first.cluster.save())));
  expect(await second.read()).toEqual(await first.read());
});
