import { expect, test } from 'vitest';
import type { Decision } from '../scaling/decision-types.ts';
import { samplePolicy } from '../testing/sample-workloads.ts';
import { stateOf } from './answers.ts';
import type { PolicyView } from './deps.ts';
import { decisionView, workloadView } from './views.ts';

test.each(['observe', 'enforce', 'release'] as const)('decisionView() shows the mode %s as it was recorded', (mode) => {
  const decision = { mode, plan: { reasons: [] }, ownership: {}, act: { kind: 'none' } } as unknown as Decision;
  expect(decisionView(decision).mode).toBe(mode);
});

test.each([
  { name: 'nothing was looked at yet', notes: undefined, want: { target: null, troubles: [] }, state: 'starting' },
  {
    name: 'there is no target',
    notes: { readable: false, problems: ['there is no shop/web'] },
    want: { target: null, troubles: ['there is no shop/web'] },
    state: 'unreachable',
  },
])('workloadView() where $name', ({ notes, want, state }) => {
  const view = workloadView({ policy: samplePolicy('web'), source: { kind: 'http' } } as PolicyView, undefined, notes);
  expect(view).toMatchObject(want);
  expect(stateOf(view)).toBe(state);
});
