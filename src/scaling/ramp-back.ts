import type { Millis } from '../model/time.ts';
import type { Plan, Reason, TargetReading } from './plan-types.ts';
import { type FloorHistory, type Ramp, reachable, withFloor } from './ramp.ts';

/** The way back to the bounds that were there before Foresail. Down by the ramp; up, where somebody set less than the owner's minimum, at once. */
export function rampBack(
  code: 'Paused' | 'Released',
  from: {
    readonly now: Millis;
    readonly target: TargetReading;
    readonly history: FloorHistory;
    readonly ramp: Ramp;
    readonly immediately: boolean;
  },
): Omit<Plan, 'planner'> {
  const { now, target, history, ramp, immediately } = from;
  // A maximum that a cost cap had lowered goes back at once: it cuts nothing.
  const { max } = target.original;
  const original = Math.min(target.original.min, max);
  const reach = reachable(history, ramp, now);
  const lowest = immediately ? original : Math.min(reach.low, max);
  const floor = Math.max(original, lowest);
  const reasons: Reason[] = [{ code, replicas: floor }];
  if (floor > original) reasons.push({ code: 'ScaleDownLimit', wanted: original, replicas: floor });
  return {
    now,
    bounds: { min: floor, max },
    wanted: null,
    changed: floor !== target.min || max !== target.max,
    reasons,
    demotion: null,
    memory: { recent: withFloor(history, floor, now) },
  };
}
