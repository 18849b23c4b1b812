import { MINUTE } from '../model/time.ts';
import { peakWindowMs } from '../scaling/peak-window.ts';
import type { LeadTime } from '../scaling/plan-types.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';

/** From the decision to a ready pod where nothing is known: a pull of an image on a new node takes about that long. */
const ASSUMED_LEAD_MS = 3 * MINUTE;

/** The policy's lead time: as given, as learned from the workload's pods, or assumed. */
export function leadTimeOf({ leadTime }: ScalingPolicy, learnedMs?: number): LeadTime {
  if (leadTime.kind === 'given') return { ms: leadTime.ms, source: 'given' };
  if (learnedMs !== undefined) return { ms: learnedMs, source: 'learned' };
  return { ms: ASSUMED_LEAD_MS, source: 'assumed' };
}

/** The time between two forecasts of the policy: each demand is forecast at its own step, and the slowest counts. */
export function refreshMsOf({ demands }: ScalingPolicy): number {
  return Math.max(...demands.map(({ stepMs }) => stepMs));
}

/** How far ahead of its last sample a forecast must know the largest demand. That sample is up to one step old. */
export function planWindowMs(policy: ScalingPolicy, learnedLeadMs?: number): number {
  const refreshMs = refreshMsOf(policy);
  return peakWindowMs({
    leadTimeMs: leadTimeOf(policy, learnedLeadMs).ms,
    refreshMs,
    sampleAgeMs: refreshMs,
    ramp: policy.ramp,
  });
}
