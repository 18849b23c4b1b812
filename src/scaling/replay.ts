import type { Decision } from './decision-types.ts';
import { planRelease, planReplicas } from './plan.ts';
import type { Plan } from './plan-types.ts';

/** Computes the plan of a kept decision again, from nothing but its record. */
export function replayDecision({ mode, input }: Pick<Decision, 'mode' | 'input'>): Plan {
  if (mode !== 'release') return planReplicas(input);
  const { now, target, memory, policy } = input;
  return planRelease({ now, target, memory, ramp: policy.ramp });
}
