import { expect, test } from 'vitest';
import { openDemoCluster } from '../demo/cluster.ts';
import { DEMO_WORKLOADS } from '../demo/workloads.ts';
import { MINUTE } from '../model/time.ts';
import type { TargetState } from '../scaling/cluster.ts';
import { type ReleaseStep, releaseAll } from './release-all.ts';

const START = Date.UTC(2026, 10, 18, 4);
const CHECKOUT = { kind: 'HorizontalPodAutoscaler', namespace: 'shop', name: 'checkout' } as const;

async function taken(min: number) {
  const time = { now: START };
  const clock = {
    now: () => time.now,
    sleep: async (ms: number) => {
      time.now += ms;
    },
  };
  const cluster = openDemoCluster({ workloads: DEMO_WORKLOADS, firstStart: START, clock });
  const read = async () => (await cluster.read(CHECKOUT)) as TargetState;
  const { ref, uid, resourceVersion } = await read();
  const ownership = {
    policy: 'shop/checkout',
    original: { min: 2, max: 60 },
    takenFrom: ['kubectl-client-side-apply'],
    written: { min, max: 60 },
    setBackAt: [],
    givenUp: null,
  };
  await cluster.apply({ ref, uid, resourceVersion, min, max: 60, ownership, force: true });
  const steps: ReleaseStep[] = [];
  const run = { clock, signal: new AbortController().signal, onStep: (step: ReleaseStep) => steps.push(step) };
  return { cluster, read, steps, run, time };
}

test('releaseAll() ramps back by a quarter a minute, and hands the field back at the end', async () => {
  const { cluster, read, steps, run, time } = await taken(20);
  expect(await releaseAll(cluster, { ...run, immediately: false })).toBe(0);
  expect(await read()).toMatchObject({ min: 2, max: 60, minManagers: ['kubectl-client-side-apply'], ownership: null });
  expect(steps.every(({ from, to }) => from - to <= Math.max(1, Math.ceil(from / 4)))).toBe(true);
  expect(steps.at(-1)).toMatchObject({ to: 2, outcome: 'released' });
  expect(time.now - START).toBeGreaterThan(5 * MINUTE);
});

test('releaseAll() with --now writes the original in one step', async () => {
  const { cluster, steps, run } = await taken(20);
  expect(await releaseAll(cluster, { ...run, immediately: true })).toBe(0);
  expect(steps).toEqual([{ target: 'shop/checkout', from: 20, to: 2, outcome: 'released' }]);
});

test('releaseAll() gives up on a target that is refused time after time, and counts it', async () => {
  const { cluster, steps, run } = await taken(20);
  const refused = { kind: 'refused', message: 'forbidden' } as const;
  const refusing = { ...cluster, apply: async () => refused };
  expect(await releaseAll(refusing, { ...run, immediately: true })).toBe(1);
  expect(steps).toHaveLength(5);
});
