import { planRelease, planReplicas } from './plan.ts';
import type { Plan, PlanInput } from './plan-types.ts';

/** Computes the plan of a kept decision again, from nothing but its record. */
export function replayDecision({ plan, input }: { readonly plan: Plan; readonly input: PlanInput }): Plan {
  if (plan.reasons[0]?.code !== 'Released') return planReplicas(input);
  const { now, target, memory, policy } = input;
  return planRelease({ now, target, memory, ramp: policy.ramp });
}
