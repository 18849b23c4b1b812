import type { Router } from 'express';
import type { Anomaly, Feedback } from '../anomaly/anomaly.ts';
import { type OffsetAt, offsetsOf } from '../forecasts/yesterday.ts';
import { anomalyRoutes } from '../http/routes/anomalies.ts';
import { evaluateDemand } from '../loops/demand-series.ts';
import type { Replicas } from '../loops/gone-members.ts';
import { openMutes, policyOfSeries } from '../loops/mutes.ts';
import { runLoop } from '../loops/run-loop.ts';
import { openSharedFeedback } from '../loops/shared-feedback.ts';
import { reasonOf } from '../loops/telemetry.ts';
import type { TenantPolicy } from '../loops/tenant-policy.ts';
import type { Watch } from '../loops/watch.ts';
import { openWatchLoop } from '../loops/watch-loop.ts';
import { openWatchedDemands } from '../loops/watched-demand.ts';
import type { ForecastAt, SliceContext } from '../loops/watcher.ts';
import type { TellAlerts } from '../model/alert.ts';
import type { Forecast } from '../model/forecast.ts';
import { labelsKey, labelsOf, METRIC_NAME } from '../model/labels.ts';
import type { StepRange } from '../model/query-result.ts';
import { decodeSamples, type SampledSeries, type Samples } from '../model/series.ts';
import type { TenantId } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE, type Millis, SECOND, type TimeRange } from '../model/time.ts';
import { readReplicas } from '../observe/replicas.ts';
import { mergedDeploys, readScrapedDeploys } from '../observe/scraped-deploys.ts';
import type { DemandSpec, ScalingPolicy } from '../scaling/policy.ts';
import { appendSeries } from '../storage/append-series.ts';
import { callersOf } from './callers.ts';
import type { Loops } from './loops.ts';
import type { Parts } from './parts.ts';

/** What a new watch of a demand learns from, where its history is as long. */
const DEMAND_HISTORY_MS = 7 * DAY;
/** A demand is one series. */
const ONE = 1;
/** How far back a forecast may have been issued that says something of now. */
const FORECAST_AGE_MS = 5 * MINUTE;
/** Points of a picture. */
const PICTURE_STEPS = 1000;
const SWEPT_EVERY_MS = HOUR;
/** Each workload is looked at in its own turn. */
const DEPLOYS_EVERY_MS = 5 * SECOND;

/** Ties the watch for anomalies to the parts. Nothing moves before `run`. */
export function openWatching(
  parts: Parts,
  tell: TellAlerts,
  { anomaliesChanged, recordedThrough }: Pick<Loops, 'anomaliesChanged' | 'recordedThrough'>,
) {
  const { settings, clock, telemetry, metrics, samples, storage, forecasts, policies, anomalies } = parts;
  const { anomalies: section } = settings;
  const zones = new Map<string, OffsetAt>();
  const demands = openWatchedDemands({ storageOf: storage.tenant, recordedThrough, now: clock.now });
  const mutes = openMutes({ calendarOf: parts.calendarOf, now: clock.now });
  let inForce: readonly TenantPolicy[] = [];

  const offsetOf = (timeZone: string): OffsetAt => {
    const known = zones.get(timeZone) ?? hourly(offsetsOf(timeZone));
    if (zones.size < 1000) zones.set(timeZone, known);
    return known;
  };

  async function watches(): Promise<readonly Watch[]> {
    inForce = await policies.list();
    const demands = section.demands
      ? inForce.flatMap(({ tenant, policy }) => policy.demands.map((spec) => demandWatch(tenant, policy, spec)))
      : [];
    return [...section.watches.map(queryWatch), ...demands];
  }

  function queryWatch(watch: (typeof section.watches)[number]): Watch {
    return { ...watch, key: `query/${watch.name}`, labels: labelsOf(watch.labels), demand: undefined };
  }

  function demandWatch(tenant: TenantId, policy: ScalingPolicy, spec: DemandSpec): Watch {
    const { namespace, name } = policy;
    return {
      ...{ tenant, key: `demand/${namespace}/${name}/${spec.name}`, name: spec.name },
      ...{ query: spec.query, stepMs: spec.stepMs, historyMs: Math.min(spec.historyMs, DEMAND_HISTORY_MS) },
      ...{ labels: [], group: [], peers: false, timeZone: policy.timeZone, maxSeries: ONE },
      alarm: section.defaults,
      writes: section.writes,
      demand: { policy, spec },
    };
  }

  async function evaluate(watch: Watch, range: StepRange, signal: AbortSignal): Promise<readonly SampledSeries[]> {
    if (watch.demand === undefined) {
      const { value } = await parts.queryStorage.tenant(watch.tenant).range(watch.query, range, { signal });
      return value.kind === 'matrix' ? value.series : [];
    }
    const { policy, spec } = watch.demand;
    const demand = { tenant: watch.tenant, policy, spec };
    // A picture of a long time has steps of its own.
    const isOwnStep = range.stepMs === spec.stepMs;
    const { start, stepMs, values } = isOwnStep
      ? await demands.read(demand, range, signal)
      : await evaluateDemand(storage.tenant(watch.tenant), { ...spec, stepMs: range.stepMs }, range, signal);
    const known = [...values.keys()].filter((i) => Number.isFinite(values[i]!));
    if (known.length === 0) return [];
    const labels = labelsOf({ namespace: policy.namespace, policy: policy.name, workload: policy.target.name });
    return [
      {
        labels,
        times: Float64Array.from(known, (i) => start + i * stepMs),
        values: Float64Array.from(known, (i) => values[i]!),
      },
    ];
  }

  async function contextOf(watch: Watch, range: StepRange): Promise<SliceContext> {
    return {
      localOffsetMs: offsetOf(watch.timeZone),
      forecastAt: await forecastsOf(watch, range),
      isMuted: await mutes(watch, inForce, range),
      replicas: (reach) => replicasOf(watch, reach),
    };
  }

  /** Undefined where they cannot be asked for: what has no samples any more is then judged without. */
  async function replicasOf({ tenant }: Watch, range: TimeRange): Promise<Replicas | undefined> {
    try {
      return await readReplicas(parts.queryStorage.tenant(tenant), range);
    } catch (error) {
      metrics.watchSkips.inc({ reason: 'replicas-unreadable' });
      parts.log.warn({ err: error, tenant }, 'cannot see how many replicas workloads have');
      return undefined;
    }
  }

  /** What was said of each instant before it came, so that a verdict stays the same whenever it is made. */
  async function forecastsOf(
    { tenant, demand, stepMs }: Watch,
    { start, end }: TimeRange,
  ): Promise<(time: Millis) => ForecastAt | undefined> {
    if (demand === undefined) return () => undefined;
    const { policy, spec } = demand;
    const key = { namespace: policy.namespace, policy: policy.name, demand: spec.name };
    const age = Math.max(FORECAST_AGE_MS, 3 * stepMs);
    // Issues of before the last day are kept one an hour.
    const issued = await forecasts.tenant(tenant).issues(key, { start: start - age, end: end - 1 });
    let i = -1;
    return (time) => {
      while (i + 1 < issued.length && issued[i + 1]!.issuedAt < time) i++;
      const forecast = issued[i];
      return forecast === undefined || time - forecast.issuedAt > age ? undefined : saidOf(forecast, time);
    };
  }

  const loop = openWatchLoop({
    ...{ clock, telemetry, watches, evaluate, contextOf, onConfirmed: anomaliesChanged },
    externalUrl: settings.externalUrl,
    readyThrough: ({ tenant, demand }, due) => (demand === undefined ? due : demands.ready({ tenant, ...demand }, due)),
    deploysOf: async (tenant, range) =>
      mergedDeploys(
        parts.deploys.of(tenant, range),
        await readScrapedDeploys(parts.queryStorage.tenant(tenant), range).catch((error: unknown) => {
          metrics.watchSkips.inc({ reason: 'deploys-unreadable' });
          parts.log.warn({ err: error, tenant }, 'cannot ask kube-state-metrics what was deployed');
          return [];
        }),
      ),
    anomaliesOf: anomalies.tenant,
    tenants: anomalies.tenants,
    workloadOf(anomaly, tenant) {
      if (anomaly.demand !== undefined) {
        const { namespace, policy, workload } = anomaly.demand;
        return { namespace, policy, workload };
      }
      const ofTenant = inForce.filter((stored) => stored.tenant === tenant);
      const policy = policyOfSeries(ofTenant, anomaly.labels);
      return policy && { namespace: policy.namespace, policy: policy.name, workload: policy.target.name };
    },
    async append(tenant, series) {
      const { dropped } = await appendSeries(samples.own(tenant), series);
      for (const [outcome, count] of Object.entries(dropped)) {
        metrics.watchSkips.inc({ reason: `sample-${outcome}` }, count);
      }
    },
    // Replicas each judge everything; which of them sends messages is alerting's to say.
    tell,
  });

  async function sweep(): Promise<void> {
    const { unreadable, broken } = await policies.inForce();
    // A policy that cannot be read now may still be meant to be.
    if (unreadable.length > 0 || broken.length > 0) return;
    await anomalies.sweepStates(new Set((await watches()).map(({ tenant, key }) => `${tenant}/${key}`)));
    await anomalies.sweep(clock.now());
    const named = inForce.map(({ tenant, policy }) => `${tenant}/${policy.namespace}/${policy.name}`);
    await parts.deploys.sweep(new Set(named), clock.now());
  }

  /** The series as it was judged, or as its query answers now. */
  async function samplesOf(tenant: TenantId, anomaly: Anomaly, range: TimeRange) {
    const signal = AbortSignal.timeout(settings.limits.queryTimeoutMs);
    const stepMs = Math.max(anomaly.stepMs, Math.ceil((range.end - range.start) / PICTURE_STEPS / 1000) * 1000);
    const start = Math.ceil(range.start / stepMs) * stepMs;
    const watch = (await watches()).find(
      (each) =>
        each.tenant === tenant &&
        each.name === anomaly.watch &&
        each.demand?.policy.namespace === anomaly.demand?.namespace &&
        each.demand?.policy.name === anomaly.demand?.policy,
    );
    const found = watch === undefined ? [] : await evaluate(watch, { start, end: range.end, stepMs }, signal);
    const key = labelsKey(anomaly.labels);
    const value = found.find(({ labels }) => {
      const own = labelsOf([...(watch?.labels ?? []), ...labels.filter(([name]) => name !== METRIC_NAME)]);
      return labelsKey(own) === key;
    });
    const written = async (suffix: string): Promise<Samples> => {
      const wanted = labelsOf([...anomaly.labels, [METRIC_NAME, `${anomaly.watch}:${suffix}`]]);
      const matchers = wanted.map(([name, text]) => ({ name, op: '=' as const, value: text }));
      const all = await storage.tenant(tenant).select(matchers, range, { signal });
      const same = all.find(({ labels }) => labelsKey(labels) === labelsKey(wanted));
      return same === undefined ? NO_SAMPLES : decodeSamples(same.chunks, range);
    };
    const [expected, lower, upper] = await Promise.all(['expected', 'lower', 'upper'].map(written));
    return { value: value ?? NO_SAMPLES, expected: expected!, lower: lower!, upper: upper! };
  }

  /** @returns False where neither the anomaly nor its series is known here. */
  async function take(tenant: TenantId, of: Anomaly, feedback: Feedback): Promise<boolean> {
    const said = await anomalies.tenant(tenant).say(of.id, feedback);
    const isLearnt = feedback.verdict === 'normal' && (await loop.learnNormal(tenant, said ?? of));
    if (said?.demand !== undefined && (said.confirmed || feedback.verdict === 'anomaly')) {
      anomaliesChanged(tenant, said.demand);
    }
    return said === undefined ? isLearnt : isLearnt || feedback.verdict === 'anomaly' || said.endedAt !== undefined;
  }

  const { shared } = parts.coordination;
  const sharedFeedback =
    shared &&
    openSharedFeedback({
      ...{ records: shared, keyValue: parts.keyValue, clock, apply: take },
      fault(error) {
        metrics.loopFailures.inc({ loop: 'feedback', reason: reasonOf(error) });
        parts.log.warn({ err: error }, 'what was said of an anomaly to another replica cannot be taken in');
      },
    });

  const { callerOf } = callersOf(settings);
  const routes = (router: Router) =>
    anomalyRoutes(router, {
      ...{ callerOf, now: clock.now, requestBytes: settings.limits.requestBytes, offsetOf },
      anomalies: (tenant, query) => anomalies.tenant(tenant).list(query),
      anomaly: (tenant, id) => anomalies.tenant(tenant).read(id),
      incident: loop.incident,
      async say(tenant, id, feedback) {
        const known = await anomalies.tenant(tenant).read(id);
        if (known === undefined) return undefined;
        await sharedFeedback?.say(tenant, known, feedback);
        metrics.anomalyFeedback.inc({ verdict: feedback.verdict });
        await take(tenant, known, feedback);
        return await anomalies.tenant(tenant).read(id);
      },
      samples: samplesOf,
      watches: (tenant) =>
        loop.status(tenant).map(({ watch, ...status }) => ({
          ...status,
          ...{ name: watch.name, query: watch.query, stepMs: watch.stepMs },
          demand: watch.demand && { namespace: watch.demand.policy.namespace, policy: watch.demand.policy.name },
        })),
      pause: parts.queryPauseOf,
    });

  return {
    routes: [routes],
    historyChanged: loop.historyChanged,
    async run(signal: AbortSignal): Promise<void> {
      const sweeps = async () => {
        while (!signal.aborted) {
          await clock.sleep(SWEPT_EVERY_MS, signal).catch(() => {});
          if (!signal.aborted) await sweep().catch((err: unknown) => parts.log.warn({ err }, 'cannot sweep anomalies'));
        }
      };
      const deploys = async () => await parts.deploys.pass(clock.now(), signal);
      await Promise.all([
        loop.run(signal),
        sweeps(),
        sharedFeedback?.run(signal),
        parts.target.readPodRevisions !== undefined &&
          runLoop({ name: 'deploys', intervalMs: DEPLOYS_EVERY_MS, clock, telemetry }, deploys, signal),
      ]);
    },
  };
}

const NO_SAMPLES: Samples = { times: new Float64Array(0), values: new Float64Array(0) };

/** The point and the central 95 % at a time, between steps of the nearest one. */
function saidOf({ issuedAt, stepMs, point, quantiles }: Forecast, time: Millis): ForecastAt | undefined {
  const i = Math.round((time - issuedAt) / stepMs) - 1;
  const expected = point[i];
  const at = (wanted: number) => quantiles.find(({ quantile }) => Math.abs(quantile - wanted) < 1e-9)?.values[i];
  const [lower, upper] = [at(0.025), at(0.975)];
  if (expected === undefined || lower === undefined || upper === undefined) return undefined;
  if (![expected, lower, upper].every(Number.isFinite)) return undefined;
  return { expected, lower, upper };
}

/** Asking a zone costs microseconds; it changes at most every quarter of an hour. */
function hourly(offsetAt: OffsetAt): OffsetAt {
  let [from, offset] = [Number.NaN, 0];
  return (time) => {
    const quarter = Math.floor(time / (15 * MINUTE));
    if (quarter !== from) [from, offset] = [quarter, offsetAt(time)];
    return offset;
  };
}
