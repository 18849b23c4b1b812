import type { Horizon, LiveAccuracy } from '../model/forecast.ts';
import type { DemandKey } from '../model/issued-forecast.ts';
import type { TenantId } from '../model/tenant.ts';
import type { DecisionDraft } from '../scaling/decision-types.ts';
import type { Demotion } from '../scaling/plan-types.ts';
import type { Metrics } from '../telemetry/metrics.ts';

export type AccuracyGauges = ReturnType<typeof openAccuracyGauges>;

/** Demands that have gauges of their own, some 26 each: of more, those with the largest error. */
const MOST_DEMANDS = 500;

const CODES: readonly Demotion['code'][] = [
  'ForecastMissing',
  'InsufficientHistory',
  'ForecastStale',
  'ForecastNotFinite',
  'WorseThanNaive',
  'CoverageBroken',
  'CapacityUnknown',
];

/** Keeps what became of each demand's issued forecasts, and tells it as gauges. */
export function openAccuracyGauges(metrics: Metrics) {
  const known = new Map<string, { readonly key: DemandKey; readonly live: LiveAccuracy }>();
  return {
    issued(tenant: TenantId, key: DemandKey, live: LiveAccuracy): void {
      known.set(idOf(tenant, key), { key, live });
    },
    /** @param drafts The last decision on every policy in force: what is of none of them is forgotten. */
    update(drafts: readonly DecisionDraft[]): void {
      for (const code of CODES) {
        const demoted = drafts.filter(({ plan }) => plan.demotion?.code === code);
        metrics.policiesDemoted.set({ reason: code }, demoted.length);
      }
      const ids = new Set(
        drafts.flatMap(({ tenant, namespace, policy, input }) =>
          input.demands.map(({ name }) => idOf(tenant, { namespace, policy, demand: name })),
        ),
      );
      for (const id of known.keys()) if (!ids.has(id)) known.delete(id);
      const worst = [...known.values()].sort((a, b) => badness(b.live) - badness(a.live)).slice(0, MOST_DEMANDS);
      for (const gauge of [metrics.forecastError, metrics.forecastCoverage, metrics.forecastBias]) gauge.reset();
      for (const { key, live } of worst) setGauges(metrics, key, live);
      metrics.accuracyLeftOut.set(known.size - worst.length);
    },
  };
}

/** What is not known is no sample. */
function setGauges(metrics: Metrics, key: DemandKey, { horizons, errorVsNaive }: LiveAccuracy): void {
  const setError = (horizon: Horizon, against: string, value: number) => {
    if (Number.isFinite(value)) metrics.forecastError.set({ ...key, horizon, against }, value);
  };
  const setCoverage = (horizon: Horizon, interval: string, value: number) => {
    if (Number.isFinite(value)) metrics.forecastCoverage.set({ ...key, horizon, interval }, value);
  };
  for (const { horizon, errorVsLast, errorVsSeason, coverage, central, bias } of horizons) {
    setError(horizon, 'last', errorVsLast);
    setError(horizon, 'yesterday', errorVsSeason);
    setCoverage(horizon, 'upper', coverage);
    setCoverage(horizon, 'central', central);
    if (Number.isFinite(bias)) metrics.forecastBias.set({ ...key, horizon }, bias);
  }
  setError('peak', 'naive', errorVsNaive);
}

function badness({ errorVsNaive, horizons, coverageBroken }: LiveAccuracy): number {
  if (coverageBroken) return Number.MAX_VALUE;
  const error = Number.isFinite(errorVsNaive) ? errorVsNaive : Math.max(0, ...horizons.map((each) => each.errorVsLast));
  return Number.isFinite(error) ? error : 0;
}

function idOf(tenant: string, { namespace, policy, demand }: DemandKey): string {
  return `${tenant}/${namespace}/${policy}/${demand}`;
}
