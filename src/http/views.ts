import type { DemandKey, ForecastStatus } from '../model/issued-forecast.ts';
import { leadTimeOf } from '../observe/lead-time.ts';
import type { Decision, DecisionDraft } from '../scaling/decision-types.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import { demotionText, reasonText } from '../scaling/reasons.ts';
import type { DecisionView, DemandAccuracy, DemandForecast, PolicyView, WorkloadView } from './deps.ts';
import { gateErrorOf, trustOf } from './trust.ts';

/** What people are shown of records, made from the records themselves. */

export function decisionView({ id, at, namespace, policy, plan, ownership, act, input, mode }: Decision): DecisionView {
  const outcome = act.kind === 'none' ? { kind: ownership.kind, message: ownership.message } : act;
  return { id, at, namespace, policy, mode, plan, sentences: plan.reasons.map(reasonText), outcome, input };
}

/** What the last pass of the scale loop could not do. */
export interface PassView {
  readonly readable: boolean;
  readonly problems: readonly string[];
}

/** A policy and its last pass, or that there was none yet. */
export function workloadView(
  { policy, source, problems: ofPolicy = [] }: PolicyView,
  last: DecisionDraft | undefined,
  { readable, problems }: PassView = { readable: true, problems: [] },
): WorkloadView {
  return {
    policy,
    source: source.kind,
    last:
      last === undefined
        ? null
        : { at: last.at, plan: last.plan, sentences: last.plan.reasons.map(reasonText), trust: trustOf(last) },
    target: readable ? (last?.input.target ?? null) : null,
    leadTimeMs: (last?.input.leadTime ?? leadTimeOf(policy)).ms,
    troubles: [...ofPolicy, ...problems, ...(last === undefined || !readable ? [] : troublesOf(last))],
  };
}

/** What a person should know and perhaps do something about. */
function troublesOf({ plan, ownership, act }: DecisionDraft): readonly string[] {
  const troubles = plan.demotion === null ? [] : [demotionText(plan.demotion)];
  if (['left', 'give-up', 'given-up'].includes(ownership.kind)) troubles.push(ownership.message);
  if (['owned', 'refused', 'failed'].includes(act.kind)) troubles.push(act.message);
  return troubles;
}

/** The newest forecast of each of a policy's demands, in its order. */
export function demandForecasts(
  latest: (key: DemandKey) => Promise<ForecastStatus | undefined>,
  policy: ScalingPolicy,
): Promise<readonly DemandForecast[]> {
  const { namespace, name, demands } = policy;
  return Promise.all(
    demands.map(async ({ name: demand }) => {
      const status = await latest({ namespace, policy: name, demand });
      if (status === undefined) return { demand, forecast: { kind: 'no-data' } };
      if (status.kind !== 'forecast') return { demand, forecast: status.why };
      const forecast = { kind: 'ready' as const, ...status.forecast };
      return { demand, forecast, errorVsNaive: gateErrorOf(status, policy) };
    }),
  );
}

/** What became of the issued forecasts of each of a policy's demands, and what the last plan held of them. */
export function demandAccuracy(
  latest: (key: DemandKey) => Promise<ForecastStatus | undefined>,
  policy: ScalingPolicy,
  last: DecisionDraft | undefined,
): Promise<readonly DemandAccuracy[]> {
  const { namespace, name, demands, safety } = policy;
  const trusts = last === undefined ? [] : trustOf(last);
  return Promise.all(
    demands.map(async ({ name: demand }) => {
      const status = await latest({ namespace, policy: name, demand });
      return {
        demand,
        issuedAt: status?.kind === 'forecast' ? status.forecast.issuedAt : null,
        live: status?.kind === 'forecast' ? status.forecast.live : undefined,
        errorVsNaive: gateErrorOf(status, policy),
        limit: safety.maxErrorVsNaive,
        trust: trusts.find((trust) => trust.demand === demand),
      };
    }),
  );
}
