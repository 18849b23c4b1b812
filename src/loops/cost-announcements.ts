import type { Announcement } from '../scaling/cluster.ts';
import type { Plan, PlanInput } from '../scaling/plan-types.ts';
import { reasonText } from '../scaling/reasons.ts';

const NAMES = { warn: 'CostBudgetWarning', critical: 'CostBudgetCritical', capped: 'CostCapReached' } as const;

/** What people are told when the projected spend passes a share of the budget, and when a cap lets go. */
export function costAnnouncements({ memory }: PlanInput, plan: Plan): readonly Announcement[] {
  const [before, after] = [memory.cost?.state ?? 'within', plan.memory.cost?.state ?? 'within'];
  if (before === after) return [];
  const reason = plan.reasons.find(({ code }) => code === 'CostBudget' || code === 'CostCap');
  if (after !== 'within' && reason !== undefined && !(before === 'capped')) {
    return [{ type: 'Warning', reason: NAMES[after], message: reasonText(reason) }];
  }
  if (before !== 'capped') return [];
  const message = "the projected spend is below the cap again: the maximum is the owner's";
  return [{ type: 'Normal', reason: 'CostCapLifted', message }];
}
