import type { z } from 'zod';
import type { Caller } from '../model/caller.ts';
import type { Millis } from '../model/time.ts';
import type { Plan } from '../scaling/plan-types.ts';
import { reasonText } from '../scaling/reasons.ts';
import type {
  DecisionAnswer,
  DecisionRecord,
  ForecastAnswer,
  PlanAnswer,
  PolicyAnswer,
  StatusAnswer,
} from './api-schemas.ts';
import type {
  DecisionView,
  DemandForecast,
  HttpDeps,
  PlanView,
  PolicyView,
  ServerStatus,
  WorkloadView,
} from './deps.ts';

/** From what the server knows to what its API answers: seconds, finite numbers or null, reasons as sentences. */

export function policyAnswer({ source, document, problems }: PolicyView): z.infer<typeof PolicyAnswer> {
  return {
    source: source.kind,
    ...(source.kind === 'file' && { file: source.file }),
    ...(problems !== undefined && { problems: [...problems] }),
    policy: document,
  };
}

export function planAnswer({ input, plan, sentences }: PlanView): z.infer<typeof PlanAnswer> {
  return {
    at: secondsOf(plan.now),
    planner: plan.planner,
    bounds: plan.bounds,
    inForce: { min: input.target.min, max: input.target.max },
    wanted: plan.wanted,
    changed: plan.changed,
    demotion: plan.demotion,
    reasons: reasonsOf(plan, sentences),
    input: { ...input },
  };
}

export function forecastAnswer(forecasts: readonly DemandForecast[]): z.infer<typeof ForecastAnswer> {
  return forecasts.map(demandForecastAnswer);
}

function demandForecastAnswer({
  demand,
  forecast,
  errorVsNaive,
}: DemandForecast): z.infer<typeof ForecastAnswer>[number] {
  switch (forecast.kind) {
    case 'insufficient-history': {
      const { haveMs, needMs } = forecast;
      return { demand, state: forecast.kind, haveSeconds: haveMs / 1000, needSeconds: needMs / 1000 };
    }
    case 'no-data':
      return { demand, state: forecast.kind };
    case 'stale':
      return { demand, state: forecast.kind, issuedAt: secondsOf(forecast.lastSampleAt) };
    case 'ready': {
      const { issuedAt, stepMs, point, quantiles, peak, model, accuracy } = forecast;
      return {
        demand,
        state: forecast.kind,
        issuedAt: secondsOf(issuedAt),
        stepSeconds: stepMs / 1000,
        times: Array.from(point, (_, i) => secondsOf(issuedAt + (i + 1) * stepMs)),
        point: Array.from(point, finiteOrNull),
        quantiles: quantiles.map(({ quantile, values }) => ({ quantile, values: Array.from(values, finiteOrNull) })),
        peak: {
          windowSeconds: peak.windowMs / 1000,
          quantiles: peak.quantiles.map(({ quantile, value }) => ({ quantile, value: finiteOrNull(value) })),
        },
        model,
        errorVsNaive: errorVsNaive ?? null,
        maeVsLast: finiteOrNull(accuracy.maeVsLast),
        coverage: finiteOrNull(accuracy.coverage),
        peakCoverage: finiteOrNull(accuracy.peakCoverage),
      };
    }
  }
}

export function decisionAnswer(decision: DecisionView): z.infer<typeof DecisionAnswer> {
  const { id, at, namespace, policy, mode, plan, outcome } = decision;
  const { bounds, changed } = plan;
  return {
    id,
    at: secondsOf(at),
    namespace,
    policy,
    mode,
    bounds,
    changed,
    reasons: reasonsOf(plan, plan.reasons.map(reasonText)),
    outcome,
  };
}

export function decisionRecord(decision: DecisionView): z.infer<typeof DecisionRecord> {
  const { plan, input } = decision;
  return { ...decisionAnswer(decision), plan: { ...plan }, input: input === undefined ? null : { ...input } };
}

export function statusAnswer(
  { tenant, role }: Caller,
  { version, startedAt, now }: Pick<HttpDeps, 'version' | 'startedAt' | 'now'>,
  { series, samples, cluster, problems }: ServerStatus,
  workloads: readonly WorkloadView[],
): z.infer<typeof StatusAnswer> {
  return {
    version,
    startedAt: secondsOf(startedAt),
    now: secondsOf(now()),
    tenant,
    role,
    store: { series, samples },
    cluster,
    problems: [...problems],
    workloads: workloads.map((workload) => {
      const { policy, source, last, target, leadTimeMs, troubles } = workload;
      return {
        namespace: policy.namespace,
        policy: policy.name,
        source,
        mode: policy.mode,
        paused: policy.paused,
        target: `${policy.target.kind}/${policy.target.name}`,
        state: stateOf(workload),
        at: last === null ? null : secondsOf(last.at),
        bounds: last === null ? null : last.plan.bounds,
        inForce: target === null ? null : { min: target.min, max: target.max },
        replicas: target === null ? null : target.statusReplicas,
        leadTimeSeconds: leadTimeMs === null ? null : leadTimeMs / 1000,
        reasons: last === null ? [] : reasonsOf(last.plan, last.sentences),
        troubles: [...troubles],
      };
    }),
  };
}

export type WorkloadState = z.infer<typeof StatusAnswer>['workloads'][number]['state'];

/** One word for where a workload stands. */
export function stateOf({ policy, last, target, troubles }: WorkloadView): WorkloadState {
  if (policy.paused) return 'paused';
  if (target === null) return last === null && troubles.length === 0 ? 'starting' : 'unreachable';
  if (last === null) return 'learning';
  const { demotion } = last.plan;
  if (demotion === null) return 'trusting';
  return demotion.code === 'InsufficientHistory' || demotion.code === 'ForecastMissing' ? 'learning' : 'demoted';
}

function reasonsOf(plan: Plan, sentences: readonly string[]) {
  return plan.reasons.map(({ code }, i) => ({ code, text: sentences[i] ?? code }));
}

function secondsOf(time: Millis): number {
  return time / 1000;
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
