import { expect, test } from 'vitest';
import type { Decision } from '../scaling/decision-types.ts';
import { decisionView } from './views.ts';

test.each(['observe', 'enforce', 'release'] as const)('decisionView() shows the mode %s as it was recorded', (mode) => {
  const decision = { mode, plan: { reasons: [] }, ownership: {}, act: { kind: 'none' } } as unknown as Decision;
  expect(decisionView(decision).mode).toBe(mode);
});
