import { describe, expect, test } from 'vitest';
import { MINUTE } from '../model/time.ts';
import { parsedPolicy } from '../testing/policy.ts';
import type { Ownership, TargetState } from './cluster.ts';
import { decideOwnership } from './ownership.ts';
import type { Plan, Reason } from './plan-types.ts';
import type { ScalingPolicy } from './policy.ts';

const NOW = 1_772_445_600_000;
const POLICY = parsedPolicy('checkout', {
  mode: 'enforce',
  target: { name: 'checkout' },
  demand: { query: 'x', capacity: { perReplica: 100 } },
  replicas: { min: 1, max: 60 },
});

const FRESH: TargetState = {
  kind: 'found',
  ref: { kind: 'HorizontalPodAutoscaler', namespace: 'shop', name: 'checkout' },
  uid: 'u1',
  resourceVersion: '7',
  min: 2,
  max: 50,
  minManagers: ['kubectl-client-side-apply'],
  maxManagers: ['kubectl-client-side-apply'],
  controller: null,
  workload: { kind: 'Deployment', name: 'checkout' },
  specReplicas: 5,
  statusReplicas: 5,
  ownership: null,
};

const TAKEN: Ownership = {
  policy: 'shop/checkout',
  original: { min: 2, max: 50 },
  takenFrom: ['kubectl-client-side-apply'],
  written: { min: 8, max: 50 },
  setBackAt: [],
  givenUp: null,
};
const HELD: TargetState = { ...FRESH, min: 8, minManagers: ['foresail'], ownership: TAKEN };

function planned(min: number, code: Reason['code'] = 'DesiredWithinRange', max = 50): Plan {
  const reason = { code, replicas: min, cron: '0 2 * * 0' } as Reason;
  const bounds = { min, max };
  return {
    planner: '1',
    now: NOW,
    bounds,
    wanted: min,
    changed: true,
    reasons: [reason],
    demotion: null,
    memory: { recent: [] },
  };
}

function decide(state: Partial<TargetState>, plan: Plan, policy: Partial<ScalingPolicy> = {}) {
  return decideOwnership({ ...HELD, ...state }, plan, { ...POLICY, ...policy }, NOW);
}

describe('decideOwnership() on a target that was never touched', () => {
  const first = (state: Partial<TargetState>, min: number, policy: Partial<ScalingPolicy> = {}) =>
    decide({ ...FRESH, ...state }, planned(min), policy);

  test('takes the field over by force, writes down what was there, and says so', () => {
    expect(first({}, 6)).toMatchObject({
      kind: 'take-over',
      change: {
        uid: 'u1',
        resourceVersion: '7',
        min: 6,
        max: 50,
        force: true,
        ownership: {
          policy: 'shop/checkout',
          original: { min: 2, max: 50 },
          takenFrom: ['kubectl-client-side-apply'],
          written: { min: 6, max: 50 },
          setBackAt: [],
          givenUp: null,
        },
      },
      announcement: { type: 'Normal', reason: 'TookOver' },
    });
    expect(first({}, 6).announcement?.message).toContain('kubectl-client-side-apply, which had it at 2');
  });

  test('needs no force where nobody holds the field', () => {
    expect(first({ minManagers: [] }, 6)).toMatchObject({
      kind: 'write',
      change: { force: false },
      announcement: null,
    });
  });

  test.each([
    { name: 'nothing to change', state: {}, min: 2, policy: {}, kind: 'unchanged', says: 'planned' },
    { name: 'observe', state: {}, min: 6, policy: { mode: 'observe' }, kind: 'observing', says: 'only observes' },
    {
      name: 'takeOver: never',
      state: {},
      min: 6,
      policy: { takeOver: 'never' },
      kind: 'left',
      says: 'kubectl-client-side-apply holds',
    },
    {
      name: 'a controller',
      state: { controller: { kind: 'ScaledObject', name: 'web' } },
      min: 6,
      policy: {},
      kind: 'left',
      says: 'ScaledObject web',
    },
  ] as const)('$name: nothing is written', ({ state, min, policy, kind, says }) => {
    const decision = first(state, min, policy);
    expect(decision).toMatchObject({ kind, change: null, announcement: null });
    expect(decision.message).toContain(says);
  });
});

describe('decideOwnership() on what KEDA controls', () => {
  const keda = { kind: 'ScaledObject', name: 'web' };

  test('its HPA is left alone, and the ScaledObject is named as the remedy', () => {
    const { kind, change, message } = decide({ ...FRESH, controller: keda }, planned(6));
    expect({ kind, change }).toEqual({ kind: 'left', change: null });
    expect(message).toContain('{kind: ScaledObject, name: web}');
  });

  test('a controller that has no such way is named alone', () => {
    const crane = { kind: 'EffectiveHorizontalPodAutoscaler', name: 'web' };
    expect(decide({ ...FRESH, controller: crane }, planned(6)).message).not.toContain('target of the policy');
  });

  test('a ScaledObject is told of by the name of its own field', () => {
    const ref = { kind: 'ScaledObject', namespace: 'shop', name: 'web' } as const;
    expect(decide({ ...FRESH, ref }, planned(6)).announcement?.message).toContain('minReplicaCount is taken over');
  });
});

describe('decideOwnership() on a target that we hold', () => {
  test('writes a change without force, and remembers what it wrote', () => {
    expect(decide({}, planned(9))).toMatchObject({
      kind: 'write',
      change: { min: 9, force: false, ownership: { ...TAKEN, written: { min: 9, max: 50 } } },
      announcement: null,
    });
  });

  test.each([
    { name: 'nothing to change', state: {}, plan: planned(8), policy: {}, kind: 'unchanged' },
    { name: 'maintenance', state: {}, plan: planned(9, 'Maintenance'), policy: {}, kind: 'unchanged' },
    { name: 'scaled to zero', state: {}, plan: planned(9, 'ScaledToZero'), policy: {}, kind: 'unchanged' },
    { name: 'observe', state: {}, plan: planned(9), policy: { mode: 'observe' }, kind: 'observing' },
    {
      name: "another policy's",
      state: { ownership: { ...TAKEN, policy: 'shop/other' } },
      plan: planned(9),
      policy: {},
      kind: 'left',
    },
    {
      name: 'a controller',
      state: { controller: { kind: 'ScaledObject', name: 'web' } },
      plan: planned(9),
      policy: {},
      kind: 'left',
    },
    {
      name: 'given up',
      state: { ownership: { ...TAKEN, setBackAt: [NOW - 2, NOW - 1], givenUp: { at: NOW - 1, manager: 'argocd' } } },
      plan: planned(9),
      policy: {},
      kind: 'given-up',
    },
  ] as const)('$name: nothing is written', ({ state, plan, policy, kind }) => {
    expect(decide(state, plan, policy)).toMatchObject({ kind, change: null, announcement: null });
  });

  test("the owner's new maximum is the new original, and no set-back", () => {
    expect(decide({ max: 70 }, planned(9, 'DesiredWithinRange', 70))).toMatchObject({
      kind: 'write',
      change: { max: 70, ownership: { original: { min: 2, max: 70 }, written: { min: 9, max: 70 }, setBackAt: [] } },
    });
  });
});

describe('decideOwnership() after a set-back', () => {
  const set = (min: number, setBackAt: readonly number[] = []) => ({
    min,
    minManagers: ['argocd-controller'],
    ownership: { ...TAKEN, setBackAt },
  });

  test('the first is a new original: recorded, and taken over again', () => {
    expect(decide(set(4), planned(9))).toMatchObject({
      kind: 'take-over',
      change: {
        min: 9,
        force: true,
        ownership: { original: { min: 4, max: 50 }, takenFrom: ['argocd-controller'], setBackAt: [NOW] },
      },
      announcement: { type: 'Normal', reason: 'TookOver' },
    });
  });

  test('the new original is the lower bound, even for a plan that was made before', () => {
    expect(decide(set(12), planned(9))).toMatchObject({ change: { min: 12, ownership: { written: { min: 12 } } } });
  });

  test('the second within 30 minutes: the field is given up, with the manager and the remedy', () => {
    const decision = decide(set(4, [NOW - 29 * MINUTE]), planned(9));
    expect(decision).toMatchObject({
      kind: 'give-up',
      change: { min: 4, max: 50, force: false, ownership: { givenUp: { at: NOW, manager: 'argocd-controller' } } },
      announcement: { type: 'Warning', reason: 'GivenUp' },
    });
    expect(decision.announcement?.message).toMatch(/argocd-controller.*remove the annotation/);
  });

  test('the second much later is an ordinary deploy', () => {
    expect(decide(set(4, [NOW - 31 * MINUTE]), planned(9))).toMatchObject({
      kind: 'take-over',
      change: { ownership: { setBackAt: [NOW] } },
    });
  });

  test('takeOver: never gives up at once', () => {
    expect(decide(set(4), planned(9), { takeOver: 'never' })).toMatchObject({
      kind: 'give-up',
      change: { force: false },
    });
  });
});

describe('decideOwnership() on the way back', () => {
  test('steps down by the ramp, then hands the fields back with the originals', () => {
    expect(decide({}, planned(7, 'Paused'))).toMatchObject({
      kind: 'write',
      change: { min: 7, ownership: { written: { min: 7 } } },
    });
    expect(decide({}, planned(8, 'Paused'))).toMatchObject({ kind: 'unchanged', change: null });
    expect(decide({}, planned(2, 'Paused'))).toMatchObject({
      kind: 'hand-back',
      change: { min: 2, max: 50, ownership: null, force: false },
      announcement: { reason: 'Released' },
    });
  });

  test('what somebody set meanwhile is theirs: handed back as it is', () => {
    const state = { min: 5, minManagers: ['argocd-controller'] };
    expect(decide(state, planned(5, 'Paused'))).toMatchObject({
      kind: 'hand-back',
      change: { min: 5, ownership: null, force: false },
    });
  });

  test('a paused policy touches nothing that it does not hold', () => {
    expect(decide({ ...FRESH }, planned(2, 'Paused'))).toMatchObject({ kind: 'unchanged', change: null });
  });
});
