import { setImmediate as yieldTurn } from 'node:timers/promises';
import type { Clock } from '../model/clock.ts';
import type { Forecast, NoForecast } from '../model/forecast.ts';
import type { DemandKey, ForecastStatus, Truth } from '../model/issued-forecast.ts';
import type { RegularSeries } from '../model/series.ts';
import type { TenantId } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE, type Millis, SECOND } from '../model/time.ts';
import { planWindowMs } from '../observe/lead-time.ts';
import type { DemandSpec, ScalingPolicy } from '../scaling/policy.ts';
import {
  appendDemand,
  completeDemand,
  type DemandStorage,
  demandLabels,
  evaluateDemand,
  lastStepBefore,
} from './demand-series.ts';
import { runLoop } from './run-loop.ts';
import { type LoopTelemetry, reasonOf } from './telemetry.ts';
import type { TenantPolicy } from './tenant-policy.ts';

/** Fits a forecaster: `fitForecaster`, here or in a compute pool. */
export type FitForecaster = (
  history: RegularSeries,
  options: {
    readonly horizonSteps: number;
    readonly peakWindowMs: number;
    readonly quantiles: readonly number[];
    readonly seasons: 'auto' | readonly number[];
  },
) =>
  | {
      readonly kind: 'fitted';
      readonly forecaster: { update(values: ArrayLike<number>): void; predict(): Forecast };
    }
  | NoForecast;

export interface ForecastLoopDeps {
  readonly clock: Clock;
  readonly telemetry: LoopTelemetry;
  readonly policies: () => Promise<readonly TenantPolicy[]>;
  readonly storageOf: (tenant: TenantId) => DemandStorage;
  readonly forecastsOf: (tenant: TenantId) => IssuedForecasts;
  readonly fit: FitForecaster;
}

/** Where forecasts are kept: one tenant's part of the forecast store. */
export interface IssuedForecasts {
  issue(
    key: DemandKey,
    forecast: Forecast,
    truths: readonly Truth[],
    timeZone: string,
  ): Promise<{ readonly drift: string | undefined }>;
  withdraw(key: DemandKey, at: Millis, why: NoForecast): Promise<void>;
  latest(key: DemandKey): Promise<ForecastStatus | undefined>;
}

export interface ForecastLoop {
  run(signal: AbortSignal): Promise<void>;
  /** One pass over all policies, for a caller that must have forecasts now. */
  pass(signal: AbortSignal): Promise<void>;
  /** The tenant's past was imported or changed: everything is fitted anew at the next pass. */
  historyChanged(tenant: TenantId): void;
}

/** Quantiles for pictures and for the live scores; the policy's own joins them. */
const SHOWN_QUANTILES = [0.025, 0.05, 0.1, 0.5, 0.9, 0.95, 0.975];
/** A demand without a value for so many steps has nothing new to forecast from. */
const STALE_STEPS = 5;
/** So much of the past is shown to the forecasts that waited for it, and is yesterday to the next ones. */
const JUDGED_MS = 26 * HOUR;
/** A failure is tried again after this, then after twice as long, up to the longest. */
const FIRST_RETRY_MS = 10 * SECOND;
const LONGEST_RETRY_MS = 2 * MINUTE;

/** What is known of one demand between passes. All of it can be lost: a cold fit brings it back. */
interface Tracked {
  readonly forecaster: { update(values: ArrayLike<number>): void; predict(): Forecast };
  /** What the fit depended on: another fingerprint is another forecaster. */
  readonly fingerprint: string;
  /** The last step that was taken in. */
  readonly end: Millis;
  /** When it is fitted anew, and why then. */
  readonly refitAt: Millis;
  readonly refitFor: 'daily' | 'short-history' | 'drift';
  /** The last step with a value. */
  readonly lastKnown: Millis;
}

interface Retry {
  readonly failures: number;
  readonly at: Millis;
  readonly fingerprint: string;
}

/**
 * Keeps every demand recorded and forecast: evaluates the policy's query at each step, records it as a series of its
 * own, and forecasts it. One demand at a time, with a turn for everybody else between two.
 */
export function openForecastLoop(deps: ForecastLoopDeps): ForecastLoop {
  const { clock, telemetry } = deps;
  const tracked = new Map<string, Tracked>();
  const retries = new Map<string, Retry>();
  const changed = new Set<string>();
  let shortestStepMs = MINUTE;

  async function pass(signal: AbortSignal): Promise<void> {
    const policies = await deps.policies();
    const demands = policies.flatMap(({ tenant, policy }) => policy.demands.map((spec) => ({ tenant, policy, spec })));
    shortestStepMs = Math.min(MINUTE, ...demands.map(({ spec }) => spec.stepMs));
    const ids = new Set(demands.map(idOf));
    forgetOthers(ids, [tracked, retries]);
    for (const id of changed) if (!ids.has(id)) changed.delete(id);
    for (const demand of demands) {
      if (signal.aborted) return;
      await passOne(demand, signal);
      await yieldTurn();
    }
  }

  async function passOne(demand: TenantDemand, signal: AbortSignal): Promise<void> {
    const id = idOf(demand);
    const now = clock.now();
    const fingerprint = fingerprintOf(demand);
    const retry = retries.get(id);
    const waits = retry !== undefined && retry.at > now && retry.at <= now + LONGEST_RETRY_MS;
    if (waits && retry.fingerprint === fingerprint) return;
    const end = lastStepBefore(now, demand.spec.stepMs);
    const before = tracked.get(id);
    // What was taken in ahead of a clock that was set back since is not waited for.
    const usable =
      before !== undefined &&
      before.fingerprint === fingerprint &&
      before.refitAt > now &&
      before.end <= end + STALE_STEPS * demand.spec.stepMs;
    if (usable && before.end >= end) return;
    const attributes = { namespace: demand.policy.namespace, policy: demand.policy.name, demand: demand.spec.name };
    try {
      const after = await telemetry.span('forecast', attributes, () =>
        usable && end - before.end < HOUR
          ? takeIn(demand, before, end, signal)
          : fitCold(demand, fingerprint, end, signal, refitReason(id, before, fingerprint, now)),
      );
      if (after === undefined) {
        tracked.delete(id);
        retryLater(id, fingerprint);
      } else {
        tracked.set(id, after);
        retries.delete(id);
      }
    } catch (error) {
      if (signal.aborted) return;
      telemetry.count('forecastsFailed', { reason: reasonOf(error) });
      telemetry.log.warn({ err: error, ...attributes }, `cannot forecast ${attributes.demand}`);
      retryLater(id, fingerprint);
    }
  }

  function retryLater(id: string, fingerprint: string): void {
    const failures = (retries.get(id)?.failures ?? 0) + 1;
    const delayMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1));
    retries.set(id, { failures, at: clock.now() + delayMs, fingerprint });
  }

  function refitReason(id: string, before: Tracked | undefined, fingerprint: string, now: Millis): string {
    if (changed.delete(id)) return 'history-changed';
    if (before === undefined) return 'start';
    if (before.fingerprint !== fingerprint) return 'options-changed';
    return before.refitAt <= now ? before.refitFor : 'gap';
  }

  /** Fits on the whole history. Undefined where it gives no forecast: the reason is stored in its place. */
  async function fitCold(
    demand: TenantDemand,
    fingerprint: string,
    end: Millis,
    signal: AbortSignal,
    reason: string,
  ): Promise<Tracked | undefined> {
    const { tenant, policy, spec } = demand;
    const storage = deps.storageOf(tenant);
    const start = end - Math.floor(spec.historyMs / spec.stepMs) * spec.stepMs;
    const whole = await completeDemand(storage, demandLabels(policy, spec), spec, { start, end }, signal);
    const history = withoutLeadingGap(masked(whole, policy));
    const began = performance.now();
    const result: ReturnType<FitForecaster> =
      history.values.length === 0 ? { kind: 'no-data' } : deps.fit(history, fitOptions(policy, spec));
    if (result.kind !== 'fitted') {
      await withdraw(demand, result);
      return undefined;
    }
    const known = lastKnownOf(history);
    const short = history.values.length < whole.values.length;
    const after: Tracked = {
      forecaster: result.forecaster,
      fingerprint,
      end,
      // A history that is still short may yet be imported: it is looked for again sooner.
      refitAt: clock.now() + (short ? HOUR : DAY),
      refitFor: short ? 'short-history' : 'daily',
      lastKnown: known,
    };
    // What became true while nobody looked judges the forecasts that waited for it.
    await issue(demand, after, truthsOf(lastOf(history, JUDGED_MS)));
    telemetry.time('forecastSeconds', {}, (performance.now() - began) / 1000);
    telemetry.count('forecastsFitted');
    telemetry.count('refits', { reason });
    return after;
  }

  /** Takes the steps since the last one in, and forecasts from the newest. */
  async function takeIn(demand: TenantDemand, before: Tracked, end: Millis, signal: AbortSignal): Promise<Tracked> {
    const { tenant, policy, spec } = demand;
    const storage = deps.storageOf(tenant);
    const range = { start: before.end + spec.stepMs, end };
    const added = await evaluateDemand(storage, spec, range, signal);
    const refused = await appendDemand(storage, demandLabels(policy, spec), added, clock.now());
    for (const outcome of refused.keys()) {
      telemetry.count('loopSkips', { loop: 'forecast', reason: `demand-sample-${outcome}` });
    }
    const usable = masked(added, policy);
    before.forecaster.update(usable.values);
    const after = { ...before, end, lastKnown: Math.max(before.lastKnown, lastKnownOf(usable)) };
    // From here on the steps are taken in, whether the forecast can be stored or not.
    tracked.set(idOf(demand), after);
    const drift = await issue(demand, after, truthsOf(usable));
    return drift === undefined ? after : { ...after, refitAt: clock.now(), refitFor: 'drift' };
  }

  async function issue(demand: TenantDemand, { forecaster, end, lastKnown }: Tracked, truths: readonly Truth[]) {
    const forecasts = deps.forecastsOf(demand.tenant);
    const key = keyOf(demand);
    if (end - lastKnown < STALE_STEPS * demand.spec.stepMs) {
      const { drift } = await forecasts.issue(key, forecaster.predict(), truths, demand.policy.timeZone);
      return drift;
    }
    // The forecast that stands grows old by itself, and the plan sees its age.
    telemetry.count('forecastsFailed', { reason: 'stale' });
    const standing = await forecasts.latest(key);
    if (standing?.kind !== 'forecast') {
      await forecasts.withdraw(key, clock.now(), { kind: 'stale', lastSampleAt: lastKnown });
    }
    return undefined;
  }

  async function withdraw(demand: TenantDemand, why: NoForecast): Promise<void> {
    telemetry.count('forecastsFailed', { reason: why.kind });
    await deps.forecastsOf(demand.tenant).withdraw(keyOf(demand), clock.now(), why);
  }

  return {
    pass,
    run: (signal) => {
      const intervalMs = () => Math.min(5 * SECOND, Math.max(SECOND, shortestStepMs / 5));
      return runLoop({ name: 'forecast', intervalMs, clock, telemetry }, pass, signal);
    },
    historyChanged(tenant) {
      for (const map of [tracked, retries]) {
        for (const id of map.keys()) {
          if (!id.startsWith(`${tenant}/`)) continue;
          map.delete(id);
          changed.add(id);
        }
      }
    },
  };
}

interface TenantDemand extends TenantPolicy {
  readonly spec: DemandSpec;
}

function keyOf({ policy, spec }: TenantDemand): DemandKey {
  return { namespace: policy.namespace, policy: policy.name, demand: spec.name };
}

function idOf({ tenant, policy, spec }: TenantDemand): string {
  return `${tenant}/${policy.namespace}/${policy.name}/${spec.name}`;
}

function fingerprintOf({ policy, spec }: TenantDemand): string {
  const { quantile, horizonMs, seasonsMs, exclude, target } = policy;
  const { query, stepMs, historyMs } = spec;
  return JSON.stringify({
    ...{ query, stepMs, historyMs, quantile, horizonMs, seasonsMs, exclude, target },
    windowMs: planWindowMs(policy),
  });
}

function fitOptions(policy: ScalingPolicy, { stepMs }: DemandSpec): Parameters<FitForecaster>[1] {
  const peakWindowMs = planWindowMs(policy);
  return {
    horizonSteps: Math.max(1, Math.ceil(policy.horizonMs / stepMs)),
    peakWindowMs,
    quantiles: [...new Set([...SHOWN_QUANTILES, policy.quantile])].sort((a, b) => a - b),
    seasons:
      policy.seasonsMs === 'auto'
        ? 'auto'
        : policy.seasonsMs.map((seasonMs) => Math.round(seasonMs / stepMs)).filter((steps) => steps >= 2),
  };
}

/** The windows that the forecast must not learn from are gaps. */
function masked(series: RegularSeries, { exclude }: ScalingPolicy): RegularSeries {
  if (exclude.length === 0) return series;
  const { start, stepMs } = series;
  const isExcluded = (t: Millis) => exclude.some((window) => t >= window.start && t < window.end);
  return {
    start,
    stepMs,
    values: series.values.map((value, i) => (isExcluded(start + i * stepMs) ? Number.NaN : value)),
  };
}

function withoutLeadingGap({ start, stepMs, values }: RegularSeries): RegularSeries {
  const first = values.findIndex((value) => Number.isFinite(value));
  if (first === -1) return { start, stepMs, values: new Float64Array(0) };
  return { start: start + first * stepMs, stepMs, values: values.subarray(first) };
}

function lastOf({ start, stepMs, values }: RegularSeries, lengthMs: number): RegularSeries {
  const from = Math.max(0, values.length - Math.ceil(lengthMs / stepMs));
  return { start: start + from * stepMs, stepMs, values: values.subarray(from) };
}

function truthsOf({ start, stepMs, values }: RegularSeries): readonly Truth[] {
  return Array.from(values, (value, i) => ({ time: start + i * stepMs, value })).filter(({ value }) =>
    Number.isFinite(value),
  );
}

function lastKnownOf(series: RegularSeries): Millis {
  const last = series.values.findLastIndex((value) => Number.isFinite(value));
  return last === -1 ? Number.NEGATIVE_INFINITY : series.start + last * series.stepMs;
}

function forgetOthers(ids: ReadonlySet<string>, maps: readonly Map<string, unknown>[]): void {
  for (const map of maps) for (const id of map.keys()) if (!ids.has(id)) map.delete(id);
}
