import type { Plan, PlanInput, Reason } from './plan-types.ts';
import { type FloorHistory, withFloor } from './ramp.ts';

/**
 * The plan as far as a person lets the target scale: a floor that may not rise stays where it is, and so does one that
 * may not fall. A raised minimum would scale out past KEDA's `paused-scale-out`, which only disables the rates of the
 * HPA. Who lets go of a target does so all the same: the owner's own bounds come back whatever is paused.
 *
 * @param history The floors in force until now, not empty.
 */
export function respectPause(plan: Plan, { now, target }: PlanInput, history: FloorHistory): Plan {
  const { pause } = target;
  if (pause === undefined || plan.reasons[0]?.code === 'Paused') return plan;
  const wanted = plan.bounds.min;
  const inForce = history.at(-1)!.floor;
  const stopped = wanted > inForce ? pause.stops !== 'down' : wanted < inForce && pause.stops !== 'up';
  if (!stopped && pause.stops !== 'all') return plan;
  const reason: Reason = { code: 'TargetPaused', annotation: pause.annotation, wanted, replicas: inForce };
  return {
    ...plan,
    bounds: { ...plan.bounds, min: inForce },
    changed: inForce !== target.min,
    reasons: [...plan.reasons.filter(({ code }) => code !== 'DesiredWithinRange'), reason],
    memory: { ...plan.memory, recent: withFloor(history, inForce, now) },
  };
}
