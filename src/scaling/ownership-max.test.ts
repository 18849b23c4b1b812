import { describe, expect, test } from 'vitest';
import { fakeCluster } from '../testing/fake-cluster.ts';
import { worldPolicy } from '../testing/scale-world.ts';
import type { Ownership } from './cluster.ts';
import { decideOwnership } from './ownership.ts';
import type { Plan } from './plan-types.ts';

const planOf = (min: number, max: number) =>
  ({ bounds: { min, max }, reasons: [{ code: 'CostCap' }] }) as unknown as Plan;
const owned = (written: { min: number; max: number }, more: Partial<Ownership> = {}): Ownership => ({
  ...{
    policy: 'shop/web',
    original: { min: 2, max: 50 },
    takenFrom: ['kubectl'],
    written,
    setBackAt: [],
    givenUp: null,
  },
  ...more,
});
const stateOf = (min: number, max: number, ownership: Ownership) => ({
  ...fakeCluster('shop', ['web']).state('web'),
  ...{ min, max, ownership, minManagers: ['foresail'] },
});
const decide = (state: ReturnType<typeof stateOf>, plan: Plan, takeOver: 'once' | 'never' = 'once') =>
  decideOwnership(state, plan, worldPolicy('web', { mode: 'enforce', takeOver }), 0);

describe('decideOwnership() of a maximum that a cost cap lowers', () => {
  test('takes it over, and keeps the original', () => {
    const { change } = decide(stateOf(8, 50, owned({ min: 8, max: 50 })), planOf(8, 12));
    expect(change).toMatchObject({ max: 12, force: true, ownership: { original: { max: 50 }, written: { max: 12 } } });
  });

  test('leaves it with takeOver: never', () => {
    expect(decide(stateOf(8, 50, owned({ min: 8, max: 50 })), planOf(8, 12), 'never').change).toBeNull();
  });

  test('gives it back when the cap lets go', () => {
    const { change } = decide(stateOf(8, 12, owned({ min: 8, max: 12 })), planOf(8, 50));
    expect(change).toMatchObject({ max: 50, force: false, ownership: { original: { max: 50 } } });
  });

  test('leaves it alone once it was set back, and remembers that', () => {
    const setBack = stateOf(8, 50, owned({ min: 8, max: 12 }));
    expect(decide(setBack, planOf(8, 12)).change).toBeNull();
    const { change } = decide(setBack, planOf(9, 12));
    expect(change).toMatchObject({ min: 9, max: 50, ownership: { maxSetBack: true } });
    expect(decide(stateOf(9, 50, change!.ownership!), planOf(9, 12)).change).toBeNull();
  });
});
