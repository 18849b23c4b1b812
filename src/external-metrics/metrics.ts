import { formatDuration, MINUTE, type Millis } from '../model/time.ts';
import type { ForecastValues, PlanValues } from './board-values.ts';

/** What the API offers, by name. Labels: `policy` and `workload`, and of demands and forecasts `demand` and `quantile`. */
export const METRICS = {
  foresail_demand_now: 'The demand as the last pass read it.',
  foresail_forecast_demand: 'A quantile of the demand at the end of the lead time.',
  foresail_forecast_peak: 'A quantile of the largest demand within the lead time and until the next forecast.',
  foresail_desired_replicas: 'The floor that the last plan asks for.',
} as const;

export type MetricName = keyof typeof METRICS;

/** One value of a metric, or why it must not be served now. */
export type Reading = ReadValue | UnservableValue;

export interface ReadValue {
  readonly kind: 'value';
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  readonly time: Millis;
  /** What the value is over, seconds. */
  readonly windowSeconds?: number;
}

export interface UnservableValue {
  readonly kind: 'none';
  readonly labels: Readonly<Record<string, string>>;
  readonly cause: 'Stale' | 'NoValue' | 'NoForecast';
  readonly message: string;
}

/** What is known of a policy. All of it is in memory, so that no request waits for a store or for another thread. */
export interface PolicyMemory {
  readonly plan: PlanValues;
  /** By demand. */
  readonly forecasts: ReadonlyMap<string, ForecastValues>;
}

/** A plan older than some passes is no plan: the loop stands still, or cannot read the target. */
export function planMaxAgeMs(passIntervalMs: number): number {
  return Math.max(MINUTE, 4 * passIntervalMs);
}

/** All readings of a metric that one policy has. `ofOwnQuantile` leaves out the quantiles that the policy does not act on. */
export function readingsOf(
  metric: MetricName,
  { plan, forecasts }: PolicyMemory,
  { now, maxPlanAgeMs, ofOwnQuantile }: { now: Millis; maxPlanAgeMs: number; ofOwnQuantile: boolean },
): readonly Reading[] {
  const { namespace, policy, workload, plannedAt } = plan;
  const common = { policy, workload };
  const planAgeMs = Math.abs(now - plannedAt);
  const stale = (labels: Record<string, string>, what: string): UnservableValue => ({
    kind: 'none',
    labels,
    cause: 'Stale',
    message: `${what} of ${namespace}/${policy} was last known ${formatDuration(roundedMs(planAgeMs))} ago`,
  });

  switch (metric) {
    case 'foresail_desired_replicas':
      if (planAgeMs > maxPlanAgeMs) return [stale(common, 'the plan')];
      return [{ kind: 'value', labels: common, value: plan.floor, time: plannedAt }];
    case 'foresail_demand_now':
      return plan.demands.map(({ name, time, value }) => {
        const labels = { ...common, demand: name };
        if (planAgeMs > maxPlanAgeMs) return stale(labels, `the demand ${name}`);
        if (value !== null) return { kind: 'value', labels, value, time };
        const message = `the demand ${name} of ${namespace}/${policy} has no value now`;
        return { kind: 'none', labels, cause: 'NoValue', message };
      });
    case 'foresail_forecast_demand':
    case 'foresail_forecast_peak':
      return plan.demands.flatMap(({ name }) => {
        const labels = { ...common, demand: name };
        const readings = forecastReadings(metric, labels, forecasts.get(name), plan, now);
        return ofOwnQuantile ? ownQuantile(readings, plan.quantile) : readings;
      });
  }
}

function forecastReadings(
  metric: 'foresail_forecast_demand' | 'foresail_forecast_peak',
  labels: Readonly<Record<string, string>>,
  forecast: ForecastValues | undefined,
  { namespace, policy, maxForecastAgeMs, leadMs }: PlanValues,
  now: Millis,
): readonly Reading[] {
  const what = `the demand ${labels['demand']} of ${namespace}/${policy}`;
  if (forecast === undefined) {
    return [{ kind: 'none', labels, cause: 'NoForecast', message: `there is no forecast of ${what}` }];
  }
  const { issuedAt, stepMs, steps, quantiles, paths } = forecast;
  const ageMs = Math.abs(now - issuedAt);
  if (ageMs > maxForecastAgeMs) {
    const age = formatDuration(roundedMs(ageMs));
    const most = formatDuration(maxForecastAgeMs);
    const message = `the forecast of ${what} is ${age} old, and its policy takes none older than ${most}`;
    return [{ kind: 'none', labels, cause: 'Stale', message }];
  }
  if (metric === 'foresail_forecast_peak') {
    return forecast.peaks.map(({ quantile, value }) => ({
      kind: 'value',
      labels: { ...labels, quantile: String(quantile) },
      value,
      time: issuedAt,
      windowSeconds: Math.round(forecast.peakWindowMs / 1000),
    }));
  }
  // The first step that is not before the end of the lead time.
  const step = Math.max(0, Math.ceil((now + leadMs - issuedAt) / stepMs) - 1);
  if (step >= steps) {
    const message = `the forecast of ${what} ends before the lead time does`;
    return [{ kind: 'none', labels, cause: 'NoForecast', message }];
  }
  return quantiles.map((quantile, i) => ({
    kind: 'value',
    labels: { ...labels, quantile: String(quantile) },
    value: paths[i * steps + step]!,
    time: issuedAt,
  }));
}

/** The quantile that the policy acts on, or else the next higher one, which errs on the safe side. */
function ownQuantile(readings: readonly Reading[], quantile: number): readonly Reading[] {
  const of = (reading: Reading) => Number(reading.labels['quantile']);
  const sorted = readings.filter((reading) => reading.kind === 'value').sort((a, b) => of(a) - of(b));
  const chosen = sorted.find((reading) => of(reading) >= quantile - 1e-9) ?? sorted.at(-1);
  return chosen === undefined ? readings : [chosen];
}

/** Whole seconds, as people read ages. */
function roundedMs(ms: number): number {
  return Math.round(ms / 1000) * 1000;
}
