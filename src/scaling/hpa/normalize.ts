import type { Millis } from '../../model/time.ts';
import { toInt32 } from './proposals.ts';
import type { ConditionReason, ScaleEvent, ScalingRules } from './types.ts';

/** Rules with Kubernetes's defaults filled in, as the API server does wherever `behavior` is present. */
export type FullRules = Required<Omit<ScalingRules, 'tolerance'>>;

export function scaleUpRules(rules: ScalingRules | undefined): FullRules {
  return {
    stabilizationWindowSeconds: rules?.stabilizationWindowSeconds ?? 0,
    selectPolicy: rules?.selectPolicy ?? 'Max',
    policies: rules?.policies ?? [
      { type: 'Pods', value: 4, periodSeconds: 15 },
      { type: 'Percent', value: 100, periodSeconds: 15 },
    ],
  };
}

export function scaleDownRules(rules: ScalingRules | undefined, downscaleStabilizationMs: number): FullRules {
  return {
    stabilizationWindowSeconds: rules?.stabilizationWindowSeconds ?? Math.trunc(downscaleStabilizationMs / 1000),
    selectPolicy: rules?.selectPolicy ?? 'Max',
    policies: rules?.policies ?? [{ type: 'Percent', value: 100, periodSeconds: 15 }],
  };
}

export interface Recommendation {
  readonly replicas: number;
  readonly at: Millis;
}

/** The largest recommendation of the downscale window, and the log with the new one in it. */
export function stabilizeLegacy(log: readonly Recommendation[], desired: number, now: Millis, windowMs: number) {
  const cutoff = now - windowMs;
  let stabilized = desired;
  let old = -1;
  for (const [i, { replicas, at }] of log.entries()) {
    if (at < cutoff) old = i;
    else if (replicas > stabilized) stabilized = replicas;
  }
  return { stabilized, log: recorded(log, old, { replicas: desired, at: now }) };
}

/** Both windows at once: the current count moves only as far as every recommendation of the window agrees. */
export function stabilize(
  log: readonly Recommendation[],
  { current, desired, now }: { readonly current: number; readonly desired: number; readonly now: Millis },
  up: FullRules,
  down: FullRules,
) {
  const upCutoff = now - up.stabilizationWindowSeconds * 1000;
  const downCutoff = now - down.stabilizationWindowSeconds * 1000;
  let lowest = desired;
  let highest = desired;
  let old = -1;
  for (const [i, { replicas, at }] of log.entries()) {
    if (at > upCutoff) lowest = Math.min(lowest, replicas);
    if (at > downCutoff) highest = Math.max(highest, replicas);
    if (at < upCutoff && at < downCutoff) old = i;
  }
  const stabilized = Math.min(Math.max(current, lowest), highest);
  return { stabilized, log: recorded(log, old, { replicas: desired, at: now }) };
}

/** An entry older than every window is overwritten, so the log stays as long as the longest window needs. */
function recorded(log: readonly Recommendation[], old: number, entry: Recommendation): readonly Recommendation[] {
  return old === -1 ? [...log, entry] : log.with(old, entry);
}

export interface Limited {
  readonly replicas: number;
  readonly reason: ConditionReason;
}

const SCALE_UP_FACTOR = 2;
const SCALE_UP_MINIMUM = 4;

/** Without `behavior`: at most double, or up to four, in one step. Down there is no limit. */
export function limitLegacy(current: number, desired: number, min: number, max: number): Limited {
  const upLimit = Math.max(SCALE_UP_FACTOR * current, SCALE_UP_MINIMUM);
  if (desired < min) return { replicas: min, reason: 'TooFewReplicas' };
  if (desired > Math.min(upLimit, max)) {
    return max > upLimit ? { replicas: upLimit, reason: 'ScaleUpLimit' } : { replicas: max, reason: 'TooManyReplicas' };
  }
  return { replicas: desired, reason: 'DesiredWithinRange' };
}

export interface RateContext {
  readonly now: Millis;
  readonly current: number;
  readonly min: number;
  readonly max: number;
  readonly up: FullRules;
  readonly down: FullRules;
  readonly scaleUpEvents: readonly ScaleEvent[];
  readonly scaleDownEvents: readonly ScaleEvent[];
}

/** With `behavior`: the policies' rates, counted from where each period began. Counts wrap around as an int32 does. */
export function limitByRate(desired: number, context: RateContext): Limited {
  const { current, min, max } = context;
  if (desired > current) {
    const limit = Math.max(scaleUpLimit(context), current);
    const allowed = Math.min(max, limit);
    if (desired > allowed) return { replicas: allowed, reason: max > limit ? 'ScaleUpLimit' : 'TooManyReplicas' };
  } else if (desired < current) {
    const limit = Math.min(scaleDownLimit(context), current);
    const allowed = Math.max(min, limit);
    if (desired < allowed) return { replicas: allowed, reason: min < limit ? 'ScaleDownLimit' : 'TooFewReplicas' };
  }
  return { replicas: desired, reason: 'DesiredWithinRange' };
}

function scaleUpLimit(context: RateContext): number {
  const { selectPolicy, policies } = context.up;
  if (selectPolicy === 'Disabled') return context.current;
  const proposals = policies.map(({ type, value, periodSeconds }) => {
    const start = periodStart(context, periodSeconds);
    return type === 'Pods' ? (start + value) | 0 : toInt32(Math.ceil(start * (1 + value / 100)));
  });
  return selectPolicy === 'Min' ? Math.min(...proposals) : Math.max(...proposals);
}

function scaleDownLimit(context: RateContext): number {
  const { selectPolicy, policies } = context.down;
  if (selectPolicy === 'Disabled') return context.current;
  const proposals = policies.map(({ type, value, periodSeconds }) => {
    const start = periodStart(context, periodSeconds);
    return type === 'Pods' ? (start - value) | 0 : toInt32(start * (1 - value / 100));
  });
  // "Max" means the largest change, which on the way down is the lowest count.
  return selectPolicy === 'Min' ? Math.max(...proposals) : Math.min(...proposals);
}

function periodStart({ current, now, scaleUpEvents, scaleDownEvents }: RateContext, periodSeconds: number): number {
  const cutoff = now - periodSeconds * 1000;
  const total = (events: readonly ScaleEvent[]) =>
    events.reduce((sum, { change, at }) => (at > cutoff ? sum + change : sum), 0);
  return current - total(scaleUpEvents) + total(scaleDownEvents);
}
