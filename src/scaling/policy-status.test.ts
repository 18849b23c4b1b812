import { expect, test } from 'vitest';
import { parsedPolicy } from '../testing/policy.ts';
import type { DecisionDraft } from './decision-types.ts';
import type { Demotion, Reason } from './plan-types.ts';
import { policyStatus, type StatusInput, statusChange } from './policy-status.ts';

const NOW = 1_800_000_000_000;
const policy = parsedPolicy('cart', {
  mode: 'enforce',
  target: { name: 'cart' },
  demand: { query: 'up', capacity: { perReplica: 1 } },
  replicas: { min: 1, max: 9 },
});
const peak = { code: 'ForecastPeak', replicas: 5 } as Reason;
const limited = { code: 'ScaleUpLimit', wanted: 5, replicas: 3 } as Reason;
const fine = { code: 'DesiredWithinRange', replicas: 5 } as Reason;
const learning: Demotion = { code: 'InsufficientHistory', demand: 'd', haveMs: 1, needMs: 2 };
const worse: Demotion = { code: 'WorseThanNaive', demand: 'd', maeVsLast: 2, limit: 1 };

interface Told {
  readonly min?: number;
  readonly reasons?: readonly Reason[];
  readonly demotion?: Demotion;
  readonly ownership?: string;
  readonly act?: string;
  readonly errors?: readonly (number | null)[];
}

/** As much of a decision as a status reads. */
function draft({
  min = 5,
  reasons = [peak, fine],
  demotion,
  ownership = 'write',
  act = 'applied',
  errors = [0.62],
}: Told) {
  return {
    at: NOW,
    plan: { bounds: { min, max: 9 }, reasons, demotion: demotion ?? null },
    input: {
      target: { statusReplicas: 4 },
      demands: errors.map((maeVsLast) => ({ forecast: { kind: 'ready', maeVsLast } })),
    },
    ownership: { kind: ownership, message: 'who has it' },
    act: { kind: act, message: 'what became of it' },
  } as unknown as DecisionDraft;
}

const input = (change: Partial<StatusInput> = {}): StatusInput => ({
  now: NOW,
  generation: 2,
  previous: undefined,
  verdict: { kind: 'accepted', message: 'the policy is in force' },
  policy,
  last: draft({}),
  textOf: () => ['The floor is five.', 'That is why.'],
  notes: { readable: true, problems: [] },
  ...change,
});
const wordsOf = (of: StatusInput) =>
  (policyStatus(of).conditions ?? []).map(({ type, status, reason }) => `${type}=${status}/${reason}`).join(' ');

test('policyStatus() tells the last decision', () => {
  expect(policyStatus(input())).toMatchObject({
    observedGeneration: 2,
    target: 'HorizontalPodAutoscaler/cart',
    floor: 5,
    ceiling: 9,
    replicas: 4,
    reason: 'ForecastPeak',
    message: 'The floor is five. That is why.',
    accuracy: '38% better',
    lastDecisionTime: '2027-01-15T08:00:00Z',
  });
});

const observing = { ...policy, mode: 'observe' as const };
const refused = { policy: undefined, last: undefined, notes: undefined };
test.each([
  {
    name: 'all is well',
    of: input(),
    want: 'Accepted=True/Valid Active=True/Enforcing Degraded=False/AsExpected Conflicting=False/OneSource',
  },
  {
    name: 'it is wrong',
    of: input({ ...refused, verdict: { kind: 'invalid', message: 'no' } }),
    want: 'Accepted=False/Invalid Active=False/NotAccepted',
  },
  {
    name: 'a file wins',
    of: input({ ...refused, verdict: { kind: 'overridden', message: 'no', conflict: 'it' } }),
    want: 'Accepted=False/OverriddenByFile Active=False/NotAccepted Degraded=False/NotAccepted Conflicting=True/SourcesDiffer',
  },
  { name: 'it observes', of: input({ policy: observing }), want: 'Active=False/Observing' },
  { name: 'it is paused', of: input({ policy: { ...policy, paused: true } }), want: 'Active=False/Paused' },
  {
    name: 'there was no pass',
    of: input({ last: undefined }),
    want: 'Active=Unknown/Starting Degraded=Unknown/Starting',
  },
  {
    name: 'there is no target',
    of: input({ last: undefined, notes: { readable: false, problems: ['gone'] } }),
    want: 'Active=False/TargetUnreadable Degraded=True/TargetUnreadable',
  },
  {
    name: 'the field was given up',
    of: input({ last: draft({ ownership: 'given-up' }) }),
    want: 'Active=False/GivenUp Degraded=True/GivenUp',
  },
  {
    name: 'another controls it',
    of: input({ last: draft({ ownership: 'left' }) }),
    want: 'Active=False/LeftAlone Degraded=False/AsExpected',
  },
  { name: 'the write was refused', of: input({ last: draft({ act: 'refused' }) }), want: 'Degraded=True/WriteRefused' },
  {
    name: 'it learns',
    of: input({ last: draft({ demotion: learning }) }),
    want: 'Active=False/InsufficientHistory Degraded=False/InsufficientHistory',
  },
  {
    name: 'it is demoted',
    of: input({ last: draft({ demotion: worse }) }),
    want: 'Active=False/WorseThanNaive Degraded=True/WorseThanNaive',
  },
])('conditions where $name', ({ of, want }) => {
  expect(wordsOf(of)).toContain(want);
});

test.each([
  { name: 'what limits', last: draft({ min: 3, reasons: [peak, limited] }), want: 'ScaleUpLimit' },
  { name: 'what asks, where nothing limits', last: draft({ reasons: [peak, fine] }), want: 'ForecastPeak' },
  { name: 'a pause', last: draft({ reasons: [{ code: 'Paused', replicas: 5 }] }), want: 'Paused' },
  { name: 'why it does not trust', last: draft({ demotion: worse }), want: 'WorseThanNaive' },
])('the reason is $name', ({ last, want }) => {
  expect(policyStatus(input({ last })).reason).toBe(want);
});

test.each([
  { errors: [0.5, 0.9], want: '10% better' },
  { errors: [1.25], want: '25% worse' },
  { errors: [1.001], want: 'as naive' },
  { errors: [null], want: 'not known yet' },
  { errors: [], want: 'not known yet' },
])('accuracy of $errors is $want', ({ errors, want }) => {
  expect(policyStatus(input({ last: draft({ errors }) })).accuracy).toBe(want);
});

test('a condition that did not change keeps its time, and statusChange() tells words from meaning', () => {
  const first = policyStatus(input());
  const later = (change: Partial<StatusInput>) =>
    policyStatus(input({ previous: first, now: NOW + 60_000, ...change }));
  expect(later({}).conditions).toEqual(first.conditions);
  expect(statusChange(undefined, first)).toBe('meaning');
  expect(statusChange(first, later({ last: { ...draft({}), at: NOW + 60_000 } }))).toBe('none');
  expect(statusChange(first, later({ last: draft({ errors: [0.6] }) }))).toBe('words');
  const floor = later({ last: draft({ min: 6 }) });
  expect(statusChange(first, floor)).toBe('meaning');
  const paused = later({ policy: { ...policy, paused: true } });
  const times = paused.conditions?.map(({ type, lastTransitionTime }) => `${type} ${lastTransitionTime}`);
  expect(times).toContain('Active 2027-01-15T08:01:00Z');
  expect(times).toContain('Accepted 2027-01-15T08:00:00Z');
});
