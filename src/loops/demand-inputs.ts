import type { SeriesCalendar } from '../forecast/calendar.ts';
import type { ForecasterOptions } from '../forecast/forecaster-options.ts';
import type { DemandKey, Truth } from '../model/issued-forecast.ts';
import type { RegularSeries } from '../model/series.ts';
import type { Millis, TimeRange } from '../model/time.ts';
import { planWindowMs } from '../observe/lead-time.ts';
import { TAIL_QUANTILES } from '../scaling/objective.ts';
import type { DemandSpec, ScalingPolicy } from '../scaling/policy.ts';
import { PRICED_QUANTILES } from '../scaling/priced-quantile.ts';
import type { TenantPolicy } from './tenant-policy.ts';

/** One demand of one policy. */
export interface TenantDemand extends TenantPolicy {
  readonly spec: DemandSpec;
  /** The lead time as learned from pods, where it was. */
  readonly leadMs?: number | undefined;
}

/** Quantiles for pictures and for the live scores; the policy's own joins them. */
const SHOWN_QUANTILES = [0.025, 0.05, 0.1, 0.5, 0.9, 0.95, 0.975];

export function keyOf({ policy, spec }: TenantDemand): DemandKey {
  return { namespace: policy.namespace, policy: policy.name, demand: spec.name };
}

export function idOf({ tenant, policy, spec }: TenantDemand): string {
  return `${tenant}/${policy.namespace}/${policy.name}/${spec.name}`;
}

/** What a fit depends on: another fingerprint is another forecaster. */
export function fingerprintOf({ policy, spec, leadMs }: TenantDemand): string {
  const {
    quantile,
    shortageCost,
    objective,
    horizonMs,
    seasonsMs,
    exclude,
    target,
    timeZone,
    holidays,
    calendars,
    events,
  } = policy;
  const { query, stepMs, historyMs } = spec;
  return JSON.stringify({
    ...{ query, stepMs, historyMs, quantile, horizonMs, seasonsMs, exclude, target },
    ...{ timeZone, holidays, calendars, events },
    ...(objective !== undefined && { objective: true }),
    ...(shortageCost !== undefined && { priced: true }),
    windowMs: planWindowMs(policy, leadMs),
  });
}

export function fitOptions(
  { policy, spec: { stepMs }, leadMs }: Pick<TenantDemand, 'policy' | 'spec' | 'leadMs'>,
  calendar: SeriesCalendar | undefined,
): ForecasterOptions {
  const peakWindowMs = planWindowMs(policy, leadMs);
  const ofObjective = policy.objective === undefined ? [] : TAIL_QUANTILES;
  const priced = policy.shortageCost === undefined ? [] : PRICED_QUANTILES;
  return {
    horizonSteps: Math.max(1, Math.ceil(policy.horizonMs / stepMs)),
    peakWindowMs,
    ...(calendar && { calendar }),
    quantiles: [...new Set([...SHOWN_QUANTILES, ...ofObjective, ...priced, policy.quantile])].sort((a, b) => a - b),
    seasons:
      policy.seasonsMs === 'auto'
        ? 'auto'
        : policy.seasonsMs.map((seasonMs) => Math.round(seasonMs / stepMs)).filter((steps) => steps >= 2),
  };
}

/**
 * The windows that the forecast must not learn from are gaps.
 * @param anomalies Further such times, both ends included.
 */
export function masked(
  series: RegularSeries,
  { exclude }: ScalingPolicy,
  anomalies: readonly TimeRange[] = [],
): RegularSeries {
  if (exclude.length + anomalies.length === 0) return series;
  const { start, stepMs } = series;
  const isExcluded = (t: Millis) =>
    exclude.some((window) => t >= window.start && t < window.end) ||
    anomalies.some((range) => t >= range.start && t <= range.end);
  return {
    start,
    stepMs,
    values: series.values.map((value, i) => (isExcluded(start + i * stepMs) ? Number.NaN : value)),
  };
}

export function withoutLeadingGap({ start, stepMs, values }: RegularSeries): RegularSeries {
  const first = values.findIndex((value) => Number.isFinite(value));
  if (first === -1) return { start, stepMs, values: new Float64Array(0) };
  return { start: start + first * stepMs, stepMs, values: values.subarray(first) };
}

/** The newest part of a series. */
export function lastOf({ start, stepMs, values }: RegularSeries, lengthMs: number): RegularSeries {
  const from = Math.max(0, values.length - Math.ceil(lengthMs / stepMs));
  return { start: start + from * stepMs, stepMs, values: values.subarray(from) };
}

export function truthsOf({ start, stepMs, values }: RegularSeries): readonly Truth[] {
  return Array.from(values, (value, i) => ({ time: start + i * stepMs, value })).filter(({ value }) =>
    Number.isFinite(value),
  );
}

/** The time of the last value that is known. */
export function lastKnownOf(series: RegularSeries): Millis {
  const last = series.values.findLastIndex((value) => Number.isFinite(value));
  return last === -1 ? Number.NEGATIVE_INFINITY : series.start + last * series.stepMs;
}
