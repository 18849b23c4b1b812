import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DEFAULT_TENANT, parseTenant } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import type { DecisionDraft } from '../scaling/decision-types.ts';
import type { Plan, PlanInput } from '../scaling/plan-types.ts';
import { memoryKeyValue } from '../testing/memory-key-value.ts';
import { parsedPolicy } from '../testing/policy.ts';
import { decisionId, timeOfId } from './decision-id.ts';
import { isWorthWriting } from './last-decisions.ts';
import { openLedger } from './ledger.ts';

const T0 = 1_800_000_000_000;
const textOf = ({ plan }: DecisionDraft) => [`The floor is ${plan.bounds.min}.`];

describe('record()', () => {
  const first = draft({ at: T0 });
  const again = { at: T0 + MINUTE };

  test.each([
    { name: 'the same again', next: draft(again), want: undefined },
    { name: 'other figures in a reason', next: draft({ ...again, replicas: 7 }), want: undefined },
    { name: 'other bounds', next: draft({ ...again, min: 5 }), want: 'bounds' },
    { name: 'another reason', next: draft({ ...again, code: 'Paused' }), want: 'reasons' },
    { name: 'another mode', next: draft({ ...again, mode: 'enforce' }), want: 'mode' },
    { name: 'a write that was refused', next: draft({ ...again, act: 'refused' }), want: 'outcome' },
    { name: 'a write of the same bounds', next: draft({ ...again, act: 'applied' }), want: 'bounds' },
    { name: 'an hour later', next: draft({ at: T0 + HOUR }), want: 'hourly' },
  ])('keeps $name as $want', async ({ next, want }) => {
    const ledger = openLedger(memoryKeyValue(), textOf).tenant(DEFAULT_TENANT);
    expect((await ledger.record(first))?.occasion).toBe('first');
    expect((await ledger.record(next))?.occasion).toBe(want);
  });

  test('gives back every input and plan as they were', async () => {
    const ledger = openLedger(memoryKeyValue(), textOf).tenant(DEFAULT_TENANT);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 10 * DAY }), fc.integer({ min: 1, max: 50 }), async (ms, min) => {
        const made = draft({ at: T0 + ms, min, act: 'applied' });
        const kept = await ledger.record(made);
        const { id, occasion, ...read } = (await ledger.read(kept!.id))!;
        expect(read).toEqual({ ...made, text: textOf(made) });
      }),
      { numRuns: 50 },
    );
  });

  test('keeps policies that decide at the same instant apart', async () => {
    const ledger = openLedger(memoryKeyValue(), textOf).tenant(DEFAULT_TENANT);
    const made = ['a', 'b', 'c'].map((policy) => ({ ...first, policy }));
    const kept = await Promise.all(made.map((each) => ledger.record(each)));
    const read = await Promise.all(kept.map((each) => ledger.read(each!.id)));
    expect(read.map((each) => each?.policy)).toEqual(['a', 'b', 'c']);
  });

  test('keeps the memory of a decision that is not kept', async () => {
    const ledger = openLedger(memoryKeyValue(), textOf).tenant(DEFAULT_TENANT);
    await ledger.record(first);
    await ledger.record(draft({ ...again, floor: 9 }));
    const name = { namespace: 'shop', name: 'web' };
    expect(await ledger.memoryOf(name)).toEqual({ recent: [{ at: T0 + MINUTE, floor: 9 }] });
    await ledger.forget(name);
    expect(await ledger.memoryOf(name)).toEqual({ recent: [] });
  });
});

describe('list()', () => {
  test('answers newest first, by policy, before an instant, and never another tenant’s', async () => {
    const store = openLedger(memoryKeyValue(), textOf);
    const ledger = store.tenant(DEFAULT_TENANT);
    for (const i of [0, 1, 2]) await ledger.record(draft({ at: T0 + i * HOUR }));
    await ledger.record(draft({ at: T0 + 3 * HOUR, policy: 'web-2' }));
    await store.tenant(parseTenant('other')).record(draft({ at: T0 + 4 * HOUR }));
    const hours = async (query: Parameters<typeof ledger.list>[0]) =>
      (await ledger.list(query)).map(({ at }) => (at - T0) / HOUR);

    expect(await hours({})).toEqual([3, 2, 1, 0]);
    expect(await hours({ limit: 2 })).toEqual([3, 2]);
    expect(await hours({ namespace: 'shop', policy: 'web' })).toEqual([2, 1, 0]);
    expect(await hours({ namespace: 'shop', policy: 'web', before: T0 + 2 * HOUR, limit: 1 })).toEqual([1]);
    expect(await hours({ namespace: 'elsewhere' })).toEqual([]);
  });
});

test('sweep() deletes what is older than 400 days and keeps the rest readable', async () => {
  const store = openLedger(memoryKeyValue(), textOf);
  const ledger = store.tenant(DEFAULT_TENANT);
  const old = await ledger.record(draft({ at: T0 }));
  const recent = await ledger.record(draft({ at: T0 + 100 * DAY }));
  expect(await store.sweep(T0 + 450 * DAY)).toBe(1);
  expect(await ledger.read(old!.id)).toBeUndefined();
  expect(await ledger.read(recent!.id)).toEqual(recent);
});

test('decisionId() sorts by time and count, and gives the time back', () => {
  fc.assert(
    fc.property(fc.nat(2 ** 42), fc.nat(2 ** 42), fc.nat(1000), (a, b, n) => {
      expect(timeOfId(decisionId(a, n))).toBe(a);
      expect(decisionId(a, n) < decisionId(b, n)).toBe(a < b);
    }),
  );
});

interface Made {
  readonly at: number;
  readonly policy?: string;
  readonly min?: number;
  readonly floor?: number;
  readonly replicas?: number;
  readonly code?: 'Paused' | 'DesiredWithinRange';
  readonly mode?: DecisionDraft['mode'];
  readonly act?: DecisionDraft['act']['kind'];
}

function draft({ at, policy = 'web', min = 3, floor = 3, replicas = 3, ...made }: Made): DecisionDraft {
  const { code = 'DesiredWithinRange', mode = 'observe', act = 'none' } = made;
  const target = { min: 2, max: 20, original: { min: 2, max: 20 }, specReplicas: 2, statusReplicas: 2 };
  const input: PlanInput = {
    now: at,
    policy: parsedPolicy(policy, {
      target: { name: 'web' },
      demand: { query: 'up', capacity: { perReplica: 1 } },
      replicas: { min: 1, max: 20 },
    }),
    demands: [],
    target,
    leadTime: { ms: 3 * MINUTE, source: 'assumed' },
    refreshMs: MINUTE,
    memory: { recent: [] },
  };
  const plan: Plan = {
    planner: '1',
    now: at,
    bounds: { min, max: 20 },
    wanted: null,
    changed: min !== 2,
    reasons: [{ code, replicas }],
    demotion: null,
    memory: { recent: [{ at, floor }] },
  };
  return {
    at,
    tenant: 'default',
    namespace: 'shop',
    policy,
    mode,
    planner: '1',
    input,
    plan,
    ownership: { kind: 'free', message: 'nobody else holds minReplicas' },
    act: { kind: act, message: 'the policy only observes' },
  };
}

describe('isWorthWriting()', () => {
  const held = (untilMs: number, floor = 5) => ({
    recent: [{ at: T0, floor: 5 }],
    held: [{ floor, until: T0 + untilMs }],
  });

  test.each([
    { name: 'the same again', memory: held(10 * MINUTE), want: false },
    { name: 'a hold that was extended by one pass', memory: held(10 * MINUTE + 15_000), want: false },
    { name: 'a hold that was extended by a minute', memory: held(11 * MINUTE), want: true },
    { name: 'another floor held', memory: held(10 * MINUTE, 6), want: true },
    { name: 'nothing held', memory: { recent: held(0).recent }, want: true },
    { name: 'another floor in force', memory: { ...held(10 * MINUTE), recent: [{ at: T0, floor: 6 }] }, want: true },
    { name: 'a demotion', memory: { ...held(10 * MINUTE), demotedSince: T0 }, want: true },
    { name: 'a field of nothing', memory: { ...held(10 * MINUTE), demotedSince: undefined as never }, want: false },
  ])('$name: $want', ({ memory, want }) => {
    expect(isWorthWriting(memory, held(10 * MINUTE))).toBe(want);
    expect(isWorthWriting(held(10 * MINUTE), memory)).toBe(want);
  });

  test('a ledger that is opened again knows a hold to a minute, and the rest exactly', async () => {
    const keyValue = memoryKeyValue();
    const ledger = openLedger(keyValue, textOf).tenant(DEFAULT_TENANT);
    const name = { namespace: 'shop', name: 'web' };
    for (let i = 0; i < 40; i++) {
      const made = draft({ at: T0 + i * 15_000, floor: 3 + Math.floor(i / 9) });
      const memory = { ...made.plan.memory, held: [{ floor: 3, until: made.at + 10 * MINUTE }] };
      await ledger.record({ ...made, plan: { ...made.plan, memory } });
      expect(await ledger.memoryOf(name)).toEqual(memory);
      const read = await openLedger(keyValue, textOf).tenant(DEFAULT_TENANT).memoryOf(name);
      expect(memory.held[0]!.until - read.held![0]!.until).toBeLessThan(MINUTE);
      expect({ ...read, held: [] }).toEqual({ ...memory, recent: read.recent, held: [] });
      expect(read.recent[0]!.floor).toBe(memory.recent[0]!.floor);
    }
  });
});
