import { setImmediate as yieldTurn } from 'node:timers/promises';
import type { Clock } from '../model/clock.ts';
import type { Forecast, NoForecast } from '../model/forecast.ts';
import type { DemandKey, ForecastStatus, Truth } from '../model/issued-forecast.ts';
import type { TenantId } from '../model/tenant.ts';
import { HOUR, MINUTE, type Millis, SECOND } from '../model/time.ts';
import type { CalendarOf } from '../observe/policy-calendar.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import {
  fingerprintOf,
  idOf,
  keyOf,
  lastKnownOf,
  lastOf,
  masked,
  type TenantDemand,
  truthsOf,
} from './demand-inputs.ts';
import { appendDemand, type DemandStorage, demandLabels, evaluateDemand, lastStepBefore } from './demand-series.ts';
import type { Answer, Forecasters } from './forecasters.ts';
import { inParallel } from './in-parallel.ts';
import { type Learned, type LearningDeps, type LearnReason, openLearning, type SavedForecasters } from './learning.ts';
import { refitDue } from './refit-schedule.ts';
import { runLoop } from './run-loop.ts';
import { type LoopTelemetry, reasonOf } from './telemetry.ts';
import type { TenantPolicy } from './tenant-policy.ts';

export interface ForecastLoopDeps {
  readonly clock: Clock;
  readonly telemetry: LoopTelemetry;
  readonly policies: () => Promise<readonly TenantPolicy[]>;
  readonly storageOf: (tenant: TenantId) => DemandStorage;
  readonly forecastsOf: (tenant: TenantId) => IssuedForecasts;
  readonly statesOf: (tenant: TenantId) => SavedForecasters;
  readonly forecasters: Forecasters;
  readonly calendarOf?: CalendarOf;
  /** A demand's confirmed anomalies: its forecaster does not learn from them. */
  readonly anomaliesOf?: NonNullable<LearningDeps['anomaliesOf']>;
  /** The version of the network that a tenant's forecasters learn with. */
  readonly networkOf?: (tenant: TenantId) => string;
  /** The lead time as learned from pods: how far ahead the largest demand must be known. */
  readonly learnedLeadMs?: (tenant: TenantId, policy: ScalingPolicy) => number | undefined;
  /** The demand's forecasts say that it is not what it was. */
  readonly onDrift?: (tenant: TenantId, id: string) => void;
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
  /** Until aborted; then what was learnt is saved, as far as that goes in a few seconds. */
  run(signal: AbortSignal): Promise<void>;
  /** One pass over all policies and all learning that it occasions, for a caller that must have forecasts now. */
  pass(signal: AbortSignal): Promise<void>;
  /** The tenant's past was imported or changed: everything is fitted anew at the next pass. */
  historyChanged(tenant: TenantId): void;
  /** The last step of a demand that is recorded and taken in; undefined while its forecaster has not learnt. */
  recordedThrough(tenant: TenantId, key: DemandKey): Millis | undefined;
  /**
   * Other anomalies of a demand may be confirmed than before. Where they are, it learns again without them, from what was
   * last saved where that goes, and is forecast meanwhile.
   */
  anomaliesChanged(tenant: TenantId, key: DemandKey): void;
}

/** A demand without a value for so many steps has nothing new to forecast from. */
const STALE_STEPS = 5;
/** So much of the past is shown to the forecasts that waited for it, and is yesterday to the next ones. */
const JUDGED_MS = 26 * HOUR;
/** A longer pause than this is made up for from what is recorded. */
const GAP_MS = HOUR;
/** Demands that are evaluated and stored side by side: their predictions travel together, and so do their syncs. */
const SIDE_BY_SIDE = 128;
/** Demands that are looked at in one turn of the event loop. */
const LOOKED_AT = 500;
/** A failure is tried again after this, then after twice as long, up to the longest. */
const FIRST_RETRY_MS = 10 * SECOND;
const LONGEST_RETRY_MS = 2 * MINUTE;
/** The end must not wait for long. */
const SAVING_MS = 3 * SECOND;

/** What is known of one demand between passes. All of it can be lost: what is saved, or a fit, brings it back. */
interface Tracked extends Learned {
  readonly fingerprint: string;
  /** Which of the demand's forecasters it is: each fit makes another. */
  readonly generation: number;
  /** The network that it learnt with. */
  readonly network: string | undefined;
  /** What became of its forecasts says that it should be fitted anew before its time. */
  readonly drifted?: boolean;
}

interface Retry {
  readonly failures: number;
  readonly at: Millis;
  readonly fingerprint: string;
}

/**
 * Keeps every demand recorded and forecast: evaluates the policy's query at each step, records it as a series of its
 * own, and forecasts it. Forecasters live elsewhere: a pass takes steps in and asks for predictions, and does not wait
 * for those that have to learn first.
 */
export function openForecastLoop(deps: ForecastLoopDeps): ForecastLoop {
  const { clock, telemetry, forecasters } = deps;
  /** The demands as the last pass saw them. */
  let demands = new Map<string, TenantDemand>();
  const tracked = new Map<string, Tracked>();
  const retries = new Map<string, Retry>();
  /** Why the next fit of a demand must not wait, where the demand itself does not tell. */
  const reasons = new Map<string, LearnReason>();
  /** Demands whose anomalies may be others than those that their forecasters know. */
  const doubted = new Set<string>();
  const advancing = new Map<string, Promise<void>>();
  const learning = openLearning(deps, { demandOf: (id) => demands.get(id), settled: (id) => advancing.get(id) });
  let shortestStepMs = MINUTE;
  let generations = 0;

  async function look(signal: AbortSignal): Promise<void> {
    const policies = await deps.policies();
    const all = policies.flatMap(({ tenant, policy }) => {
      const leadMs = deps.learnedLeadMs?.(tenant, policy);
      return policy.demands.map((spec) => ({ tenant, policy, spec, leadMs }));
    });
    shortestStepMs = all.reduce((least, { spec }) => Math.min(least, spec.stepMs), MINUTE);
    const before = demands;
    demands = new Map(all.map((demand) => [idOf(demand), demand]));
    await forget(before);
    if (demands.size > 0) forecasters.warm();
    const entries = [...demands];
    for (let i = 0; i < entries.length && !signal.aborted; i += LOOKED_AT) {
      await inParallel(entries.slice(i, i + LOOKED_AT), SIDE_BY_SIDE, ([id, demand]) => lookAt(id, demand, signal));
      await yieldTurn();
    }
  }

  async function lookAt(id: string, demand: TenantDemand, signal: AbortSignal): Promise<void> {
    if (signal.aborted || learning.isRunning(id)) return;
    const now = clock.now();
    const fingerprint = fingerprintOf(demand);
    const retry = retries.get(id);
    const waits = retry !== undefined && retry.at > now && retry.at <= now + LONGEST_RETRY_MS;
    if (waits && retry.fingerprint === fingerprint) return;
    const end = lastStepBefore(now, demand.spec.stepMs);
    const known = tracked.get(id);
    const reason = reasons.get(id) ?? reasonToBegin(demand, known, fingerprint, end);
    if (reason !== undefined || known === undefined) {
      begin(id, demand, reason ?? 'start', signal);
      return;
    }
    if (known.end < end) {
      const taken = takeIn(id, demand, end, signal);
      advancing.set(id, taken);
      await taken;
      advancing.delete(id);
    }
    const after = tracked.get(id);
    if (after === undefined || learning.isWaiting(id)) return;
    const due = refitDue(id, after, demand.spec.historyMs, now);
    if (doubted.has(id) && (await hasOtherAnomalies(id, demand, after))) begin(id, demand, 'anomaly', signal);
    else if (after.drifted === true) begin(id, demand, 'drift', signal);
    else if (due?.how === 'cold') begin(id, demand, due.reason, signal);
    // What weight another network earns is seen in a replay only.
    else if (due !== undefined && after.network !== deps.networkOf?.(demand.tenant)) {
      begin(id, demand, 'new-network', signal);
    } else if (due !== undefined) refit(id, demand, due.reason, signal);
  }

  async function hasOtherAnomalies(id: string, demand: TenantDemand, known: Tracked): Promise<boolean> {
    doubted.delete(id);
    try {
      if (await learning.hasOtherAnomalies(demand, known)) {
        // Until its turn has come.
        doubted.add(id);
        return true;
      }
    } catch (error) {
      doubted.add(id);
      telemetry.count('loopFailures', { loop: 'forecast', reason: `anomalies-${reasonOf(error)}` });
    }
    return false;
  }

  function reasonToBegin(
    { spec }: TenantDemand,
    known: Tracked | undefined,
    fingerprint: string,
    end: Millis,
  ): LearnReason | undefined {
    if (known === undefined) return 'start';
    if (known.fingerprint !== fingerprint) return 'options-changed';
    // What was taken in ahead of a clock that was set back since is not waited for.
    if (known.end > end + STALE_STEPS * spec.stepMs || end - known.end >= GAP_MS) return 'gap';
    return undefined;
  }

  /** Has a forecaster fitted or restored when its turn comes. */
  function begin(id: string, demand: TenantDemand, reason: LearnReason, signal: AbortSignal): void {
    if (learning.isWaiting(id)) return;
    const fingerprint = fingerprintOf(demand);
    const network = deps.networkOf?.(demand.tenant);
    const lookAgain = (error: unknown) => complain(id, demand, error, signal);
    learning
      .begin(id, demand, { reason, signal, onBegun: () => forgetReasons(id) })
      .then(async (outcome) => {
        if (signal.aborted || outcome.kind === 'withdrawn') return;
        if (outcome.kind === 'learned') {
          const { forecast, learned, history } = outcome;
          tracked.set(id, { ...learned, fingerprint, network, generation: ++generations });
          retries.delete(id);
          // What became true while nobody looked judges the forecasts that waited for it.
          await issue(demand, learned, forecast, truthsOf(lastOf(history, JUDGED_MS)));
          return;
        }
        tracked.delete(id);
        retryLater(id, fingerprint);
        if (outcome.kind === 'none') await withdraw(demand, outcome.why);
        else telemetry.count('forecastsFailed', { reason: outcome.reason });
      })
      .catch((error: unknown) => {
        // What is tracked goes on, and was taught what it should not know.
        if (reason === 'anomaly') doubted.add(id);
        lookAgain(error);
      });
  }

  function forgetReasons(id: string): void {
    reasons.delete(id);
    doubted.delete(id);
  }

  function refit(id: string, demand: TenantDemand, reason: LearnReason, signal: AbortSignal): void {
    learning
      .refit(id, demand, { reason, signal, learned: () => tracked.get(id), fingerprint: fingerprintOf(demand) })
      .then((learntAt) => {
        const known = tracked.get(id);
        if (known !== undefined && learntAt !== undefined) tracked.set(id, { ...known, learntAt });
      })
      .catch((error: unknown) => complain(id, demand, error, signal));
  }

  /** Takes the steps since the last one in, and forecasts from the newest. */
  async function takeIn(id: string, demand: TenantDemand, end: Millis, signal: AbortSignal): Promise<void> {
    const { tenant, policy, spec } = demand;
    const known = tracked.get(id)!;
    /** What is known now, if it is still of the same forecaster. */
    const current = () => {
      const now = tracked.get(id);
      return now?.generation === known.generation ? now : undefined;
    };
    const attributes = attributesOf(demand);
    try {
      await telemetry.span('forecast', attributes, async () => {
        const storage = deps.storageOf(tenant);
        const range = { start: known.end + spec.stepMs, end };
        const added = await evaluateDemand(storage, spec, range, signal);
        const refused = await appendDemand(storage, demandLabels(policy, spec), added, clock.now());
        for (const outcome of refused.keys()) {
          telemetry.count('loopSkips', { loop: 'forecast', reason: `demand-sample-${outcome}` });
        }
        const given = masked(added, policy);
        const usable = masked(given, policy, known.leftOut);
        const answer = await forecasters.advance(id, usable.values);
        const now = current();
        // Its history was changed meanwhile: it is fitted anew.
        if (signal.aborted || now === undefined) return;
        if (answer.kind !== 'forecast') {
          lose(id, demand, answer, signal);
          return;
        }
        const after = { ...now, end, lastKnown: Math.max(now.lastKnown, lastKnownOf(given)) };
        // From here on the steps are taken in, whether the forecast can be stored or not.
        tracked.set(id, after);
        const { drift } = await issue(demand, after, answer.forecast, truthsOf(usable));
        const judged = current();
        if (drift !== undefined && judged !== undefined) {
          tracked.set(id, { ...judged, drifted: true });
          deps.onDrift?.(tenant, id);
        }
        retries.delete(id);
      });
    } catch (error) {
      complain(id, demand, error, signal);
    }
  }

  /** The forecaster is no more. What it had learnt is in its saved state, and what came since in the demand's series. */
  function lose(id: string, demand: TenantDemand, answer: Answer, signal: AbortSignal): void {
    tracked.delete(id);
    if (answer.kind === 'failed') {
      complain(id, demand, Object.assign(new Error(answer.message), { name: answer.name }), signal);
      return;
    }
    if (answer.kind === 'lost') telemetry.count('forecastsFailed', { reason: answer.reason });
    begin(id, demand, 'lost', signal);
  }

  function complain(id: string, demand: TenantDemand, error: unknown, signal: AbortSignal): void {
    if (signal.aborted) return;
    const attributes = attributesOf(demand);
    telemetry.count('forecastsFailed', { reason: reasonOf(error) });
    telemetry.log.warn({ err: error, ...attributes }, `cannot forecast ${attributes.demand}`);
    retryLater(id, fingerprintOf(demand));
  }

  function retryLater(id: string, fingerprint: string): void {
    const failures = (retries.get(id)?.failures ?? 0) + 1;
    const delayMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1));
    retries.set(id, { failures, at: clock.now() + delayMs, fingerprint });
  }

  async function issue(
    demand: TenantDemand,
    { end, lastKnown }: Pick<Learned, 'end' | 'lastKnown'>,
    forecast: Forecast,
    truths: readonly Truth[],
  ): Promise<{ readonly drift: string | undefined }> {
    const forecasts = deps.forecastsOf(demand.tenant);
    const key = keyOf(demand);
    if (end - lastKnown < STALE_STEPS * demand.spec.stepMs) {
      return await forecasts.issue(key, forecast, truths, demand.policy.timeZone);
    }
    // The forecast that stands grows old by itself, and the plan sees its age.
    telemetry.count('forecastsFailed', { reason: 'stale' });
    const standing = await forecasts.latest(key);
    if (standing?.kind !== 'forecast') {
      await forecasts.withdraw(key, clock.now(), { kind: 'stale', lastSampleAt: lastKnown });
    }
    return { drift: undefined };
  }

  async function withdraw(demand: TenantDemand, why: NoForecast): Promise<void> {
    telemetry.count('forecastsFailed', { reason: why.kind });
    await deps.forecastsOf(demand.tenant).withdraw(keyOf(demand), clock.now(), why);
  }

  /** Policies that are gone take what was learnt for them with them. */
  async function forget(before: ReadonlyMap<string, TenantDemand>): Promise<void> {
    for (const [id, demand] of before) {
      if (demands.has(id)) continue;
      for (const map of [tracked, retries, reasons]) map.delete(id);
      doubted.delete(id);
      forecasters.drop(id);
      await deps.statesOf(demand.tenant).remove(keyOf(demand));
    }
  }

  /** The one whose saved state is oldest first. */
  async function saveAll(): Promise<void> {
    const stop = new AbortController();
    const ids = [...tracked].sort(([, a], [, b]) => a.learntAt - b.learntAt).map(([id]) => id);
    const saving = inParallel(ids, SIDE_BY_SIDE, async (id) => {
      const demand = demands.get(id);
      if (stop.signal.aborted || demand === undefined) return;
      await learning.save(id, demand, tracked.get(id)!);
    });
    await Promise.race([saving, clock.sleep(SAVING_MS, stop.signal).catch(() => {})]);
    stop.abort();
  }

  return {
    async pass(signal) {
      await look(signal);
      await learning.ended();
    },
    async run(signal) {
      const intervalMs = () => Math.min(5 * SECOND, Math.max(SECOND, shortestStepMs / 5));
      await runLoop({ name: 'forecast', intervalMs, clock, telemetry }, look, signal);
      await saveAll();
    },
    recordedThrough: (tenant, { namespace, policy, demand }) =>
      tracked.get(`${tenant}/${namespace}/${policy}/${demand}`)?.end,
    anomaliesChanged(tenant, { namespace, policy, demand }) {
      const id = `${tenant}/${namespace}/${policy}/${demand}`;
      if (demands.has(id)) doubted.add(id);
    },
    historyChanged(tenant) {
      for (const id of [...tracked.keys(), ...retries.keys()]) {
        if (!id.startsWith(`${tenant}/`)) continue;
        tracked.delete(id);
        retries.delete(id);
        reasons.set(id, 'history-changed');
      }
    },
  };
}

function attributesOf({ policy, spec }: TenantDemand) {
  return { namespace: policy.namespace, policy: policy.name, demand: spec.name };
}
