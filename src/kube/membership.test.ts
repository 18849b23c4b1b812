import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MINUTE, SECOND } from '../model/time.ts';
import { LEASE_MS, type LeaseWorld, leaseWorld, type SimProcess } from '../testing/lease-world.ts';
import { PROPERTY_RUNS } from '../testing/property-runs.ts';
import type { Target } from './membership.ts';

const TARGETS: readonly Target[] = Array.from({ length: 12 }, (_, i) => ({ namespace: 'shop', name: `web-${i}` }));

function actors(world: LeaseWorld, target: Target): readonly SimProcess[] {
  return world.processes.filter(({ membership }) => membership.msLeft(target) > 0);
}

/** Looks every half second, and lets nobody act on what another one may act on. */
async function watch(world: LeaseWorld, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 500) {
    await world.advance(500);
    for (const target of TARGETS) expect(actors(world, target).length).toBeLessThanOrEqual(1);
  }
}

function expectShared(world: LeaseWorld, among: readonly SimProcess[]): void {
  for (const target of TARGETS) {
    const found = actors(world, target);
    expect(found.length).toBe(1);
    expect(among).toContain(found[0]);
    for (const each of world.processes) {
      expect(each.membership.tenureOf(target) !== undefined).toBe(each === found[0]);
    }
  }
}

describe('processes that share targets', () => {
  test('one alone acts on all once its lease has stood for its duration, and not before', async () => {
    const world = leaseWorld();
    const only = world.start();
    await world.advance(LEASE_MS - SECOND);
    expect(actors(world, TARGETS[0]!)).toEqual([]);
    await world.advance(2 * SECOND);
    expectShared(world, [only]);
    await world.end();
  });

  test('three share; one that is killed is replaced, and moves nothing of the others', async () => {
    const world = leaseWorld();
    const [one, two, three] = [world.start(), world.start(), world.start()];
    await watch(world, MINUTE);
    expectShared(world, [one, two, three]);
    const tenures = () => TARGETS.map((target) => one.membership.tenureOf(target));
    const before = tenures();
    two.kill();
    await watch(world, 25 * SECOND);
    expectShared(world, [one, three]);
    for (const [i, tenure] of tenures().entries()) if (before[i] !== undefined) expect(tenure).toBe(before[i]);
    // What it left behind is cleared away, in time.
    await watch(world, 22 * LEASE_MS);
    expect(world.leases()).toEqual([one.name, three.name]);
    await world.end();
  });

  test('one that is told to stop is replaced at once', async () => {
    const world = leaseWorld();
    const [one, two] = [world.start(), world.start()];
    await watch(world, MINUTE);
    await two.stop();
    await watch(world, 3 * SECOND);
    expectShared(world, [one]);
    await world.end();
  });

  test('one that was frozen past its lease acts on nothing when it wakes, and later has a new tenure', async () => {
    const world = leaseWorld();
    const [one, two] = [world.start(), world.start()];
    await watch(world, MINUTE);
    const its = TARGETS.find((target) => one.membership.msLeft(target) > 0)!;
    const before = one.membership.tenureOf(its);
    one.freeze(40 * SECOND);
    await watch(world, 11 * SECOND);
    expect(one.membership.msLeft(its)).toBe(0);
    await watch(world, 24 * SECOND);
    expectShared(world, [two]);
    await watch(world, 15 * SECOND);
    expect(one.membership.msLeft(its)).toBe(0);
    await watch(world, 10 * SECOND);
    expectShared(world, [one, two]);
    expect(one.membership.tenureOf(its)).not.toBe(before);
    await world.end();
  });

  test('without an API server nobody acts', async () => {
    const world = leaseWorld();
    const both = [world.start(), world.start()];
    await watch(world, MINUTE);
    for (const each of both) each.cutOff(MINUTE);
    await watch(world, 15 * SECOND);
    for (const target of TARGETS) expect(actors(world, target)).toEqual([]);
    await watch(world, 80 * SECOND);
    expectShared(world, both);
    await world.end();
  });

  test('a clock that is set stops a process for a while at most', async () => {
    const world = leaseWorld();
    const both = [world.start(), world.start()];
    await watch(world, MINUTE);
    both[0]!.setWall(60 * MINUTE);
    both[1]!.setWall(-60 * MINUTE);
    await watch(world, 5 * SECOND);
    expect(both[1]!.membership.status().acting).toBe(true);
    await watch(world, 25 * SECOND);
    expectShared(world, both);
    await world.end();
  });
});

const event = fc.record({
  after: fc.integer({ min: 0, max: 25_000 }),
  which: fc.nat(3),
  what: fc.constantFrom('freeze', 'cutOff', 'slow', 'setWall', 'kill', 'stop', 'start'),
  ms: fc.integer({ min: 1, max: 40_000 }),
} as const);

test('whatever happens to them, no two may act on one target at a time; and all of it is acted on afterwards', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 8 }), async (events) => {
      const world = leaseWorld();
      for (let i = 0; i < 3; i++) world.start();
      const gone = new Set<SimProcess>();
      for (const { after, which, what, ms } of events) {
        await watch(world, after);
        const process = world.processes[which % world.processes.length]!;
        if (what === 'start') world.start();
        else if (what === 'setWall') process.setWall((ms - 20_000) * 1000);
        else if (what === 'slow') process.slow(ms / 10);
        else if (what === 'freeze' || what === 'cutOff') process[what](ms);
        else {
          gone.add(process);
          process.kill();
        }
      }
      world.start();
      for (const process of world.processes) process.slow(5);
      await watch(world, 100 * SECOND);
      expectShared(
        world,
        world.processes.filter((process) => !gone.has(process)),
      );
      await world.end();
    }),
    { numRuns: Math.ceil(PROPERTY_RUNS / 10) },
  );
});
