import type { Forecast } from '../model/forecast.ts';
import type { Millis } from '../model/time.ts';
import type { DecisionDraft } from '../scaling/decision-types.ts';

/** Which policy, of which tenant. */
export interface PolicyKey {
  readonly tenant: string;
  readonly namespace: string;
  readonly policy: string;
}

/** What the metrics are made of that a pass planned. Each value carries its time, so that its reader tells how old it is. */
export interface PlanValues extends PolicyKey {
  readonly workload: string;
  /** The quantile that the policy acts on. */
  readonly quantile: number;
  readonly maxForecastAgeMs: number;
  readonly leadMs: number;
  readonly plannedAt: Millis;
  readonly floor: number;
  readonly demands: readonly { readonly name: string; readonly time: Millis; readonly value: number | null }[];
}

/** What the metrics are made of that a forecast says. */
export interface ForecastValues {
  readonly issuedAt: Millis;
  readonly stepMs: number;
  readonly peakWindowMs: number;
  readonly peaks: readonly { readonly quantile: number; readonly value: number }[];
  readonly quantiles: readonly number[];
  /** Of each quantile. */
  readonly steps: number;
  /** All steps of the first quantile, then those of the next. In shared memory, and never written again. */
  readonly paths: Float64Array;
}

/** What there is to know on the board. In the order in which it was told, nothing else is needed to know it all. */
export type BoardChange =
  | { readonly kind: 'plan'; readonly plan: PlanValues }
  /** Undefined: there is none any more. */
  | {
      readonly kind: 'forecast';
      readonly of: PolicyKey;
      readonly demand: string;
      readonly forecast: ForecastValues | undefined;
    }
  | { readonly kind: 'drop'; readonly of: PolicyKey };

export function planValues({ tenant, namespace, policy, input, plan }: DecisionDraft): PlanValues {
  const { target, quantile, safety } = input.policy;
  return {
    ...{ tenant, namespace, policy, quantile },
    workload: target.name,
    maxForecastAgeMs: safety.maxForecastAgeMs,
    leadMs: input.leadTime.ms,
    plannedAt: input.now,
    floor: plan.bounds.min,
    demands: input.demands.map(({ name, current: { time, value } }) => ({ name, time, value })),
  };
}

export function forecastValues({ issuedAt, stepMs, point, peak, quantiles }: Forecast): ForecastValues {
  const steps = point.length;
  const paths = new Float64Array(new SharedArrayBuffer(quantiles.length * steps * Float64Array.BYTES_PER_ELEMENT));
  for (const [i, { values }] of quantiles.entries()) paths.set(values, i * steps);
  return {
    ...{ issuedAt, stepMs, steps, paths },
    peakWindowMs: peak.windowMs,
    peaks: peak.quantiles.map(({ quantile, value }) => ({ quantile, value })),
    quantiles: quantiles.map(({ quantile }) => quantile),
  };
}

/** Whether a forecast says what the values of one that was told before do. */
export function saysTheSame(known: ForecastValues, { issuedAt, stepMs, point, peak, quantiles }: Forecast): boolean {
  return (
    known.issuedAt === issuedAt &&
    known.stepMs === stepMs &&
    known.steps === point.length &&
    known.peakWindowMs === peak.windowMs &&
    known.peaks.length === peak.quantiles.length &&
    known.peaks.every((each, i) => each.quantile === peak.quantiles[i]!.quantile && same(each, peak.quantiles[i]!)) &&
    known.quantiles.length === quantiles.length &&
    quantiles.every(
      ({ quantile, values }, i) =>
        quantile === known.quantiles[i] &&
        values.every((value, k) => Object.is(value, known.paths[i * known.steps + k])),
    )
  );
}

function same(a: { readonly value: number }, b: { readonly value: number }): boolean {
  return Object.is(a.value, b.value);
}
