import type { ForecastStatus } from '../model/issued-forecast.ts';
import type { Millis } from '../model/time.ts';
import { forecastReading } from '../observe/observe.ts';
import type { DecisionDraft } from '../scaling/decision-types.ts';
import { judgedError, trustIn } from '../scaling/demotion.ts';
import type { Demotion, PlannerMemory } from '../scaling/plan-types.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import { demotionText } from '../scaling/reasons.ts';

/** Whether the last plan trusted the forecast of one demand. */
export interface DemandTrust {
  readonly demand: string;
  readonly state: 'trusted' | 'demoted';
  /** Null in a plan that says nothing of it: a paused policy's. */
  readonly since: Millis | null;
  readonly reason: { readonly code: Demotion['code']; readonly text: string } | null;
}

/** What the last plan held of each demand's forecast: its own input says why. */
export function trustOf({ input, plan }: Pick<DecisionDraft, 'input' | 'plan'>): readonly DemandTrust[] {
  const { policy, demands, now } = input;
  const memory: PlannerMemory = plan.memory;
  return policy.demands.map((spec, i) => {
    const trust = trustIn(spec, demands[i], policy, now, input.memory);
    const reason = trust.kind === 'demoted' ? { code: trust.demotion.code, text: demotionText(trust.demotion) } : null;
    return {
      demand: spec.name,
      state: trust.kind,
      since: memory.trust?.[spec.name]?.since ?? null,
      reason,
    };
  });
}

/** The error by which the gate judges a forecast; null where there is none, or it is not known. */
export function gateErrorOf(status: ForecastStatus | undefined, policy: ScalingPolicy): number | null {
  const reading = forecastReading(status, policy);
  return reading.kind === 'ready' ? judgedError(reading) : null;
}
