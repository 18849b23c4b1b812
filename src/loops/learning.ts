import { type ConfirmedAnomaly, leftOut, leftOutWithin } from '../anomaly/left-out.ts';
import type { FitRequest, RestoreRequest } from '../forecast/desk.ts';
import type { Clock } from '../model/clock.ts';
import type { Forecast, NoForecast } from '../model/forecast.ts';
import type { DemandKey } from '../model/issued-forecast.ts';
import type { Learnt, SavedForecaster } from '../model/saved-forecaster.ts';
import type { RegularSeries } from '../model/series.ts';
import type { TenantId } from '../model/tenant.ts';
import { type Millis, type TimeRange, WEEK } from '../model/time.ts';
import type { CalendarOf } from '../observe/policy-calendar.ts';
import {
  fingerprintOf,
  fitOptions,
  keyOf,
  lastKnownOf,
  masked,
  type TenantDemand,
  withoutLeadingGap,
} from './demand-inputs.ts';
import { completeDemand, type DemandStorage, demandLabels, lastStepBefore } from './demand-series.ts';
import type { Answer, Forecasters } from './forecasters.ts';
import { type LoopTelemetry, reasonOf } from './telemetry.ts';

/** Why a forecaster learns: a label of `foresail_forecast_refits_total`. */
export type LearnReason =
  | 'start'
  | 'lost'
  | 'gap'
  | 'history-changed'
  | 'options-changed'
  | 'longer-history'
  | 'drift'
  | 'anomaly'
  | 'new-network'
  | 'weekly'
  | 'daily';

export interface LearningDeps {
  readonly clock: Clock;
  readonly telemetry: LoopTelemetry;
  readonly storageOf: (tenant: TenantId) => DemandStorage;
  readonly statesOf: (tenant: TenantId) => SavedForecasters;
  readonly forecasters: Forecasters;
  /** The calendar of a policy's series; without it seasons are those of UTC, and no day is special. */
  readonly calendarOf?: CalendarOf;
  /** The demand's confirmed anomalies: a forecaster does not learn from them. */
  readonly anomaliesOf?: (demand: TenantDemand, range: TimeRange) => Promise<readonly ConfirmedAnomaly[]>;
}

/** Where forecasters are kept over a restart: one tenant's part of it. */
export interface SavedForecasters {
  read(key: DemandKey): Promise<SavedForecaster | 'unreadable' | undefined>;
  write(key: DemandKey, saved: SavedForecaster): Promise<void>;
  remove(key: DemandKey): Promise<void>;
}

/** A forecaster that has learnt, and how far it has seen. */
export interface Learned extends Learnt {
  /** The last step that was taken in. */
  readonly end: Millis;
  /** The last step with a value, be it anomalous. */
  readonly lastKnown: Millis;
  /** The confirmed anomalies that it was told of, and the times that it is not taught for them, in the future too. */
  readonly anomalies: readonly ConfirmedAnomaly[];
  readonly leftOut: readonly TimeRange[];
}

export type LearnOutcome =
  | {
      readonly kind: 'learned';
      readonly forecast: Forecast;
      readonly learned: Learned;
      /** What it has learnt from, the newest included. */
      readonly history: RegularSeries;
    }
  | { readonly kind: 'none'; readonly why: NoForecast }
  | { readonly kind: 'failed'; readonly reason: string }
  /** Nobody asks for it any more. */
  | { readonly kind: 'withdrawn' };

interface BeginOptions {
  readonly reason: LearnReason;
  readonly signal: AbortSignal;
  /** Its turn has come: what changes from now on is not part of it. */
  readonly onBegun: () => void;
}

interface RefitOptions {
  readonly reason: LearnReason;
  readonly signal: AbortSignal;
  readonly fingerprint: string;
  /** What is known of it when it is done. */
  readonly learned: () => Learned | undefined;
}

/** What a saved state can be of use for: the forecaster itself is as good as it was. */
const RESTORED_FOR: readonly LearnReason[] = ['start', 'lost', 'gap', 'anomaly'];
/** A state that is further behind than this is as dear to bring up to date as a fit. */
const RESTORED_WITHIN_MS = WEEK;

class WithdrawnError extends Error {
  override readonly name = 'WithdrawnError';
}

/** Has forecasters learn, each when its turn comes, and keeps what they learnt. */
export function openLearning(
  deps: LearningDeps,
  state: {
    readonly demandOf: (id: string) => TenantDemand | undefined;
    /** Resolves when steps that are being taken in have been. */
    readonly settled: (id: string) => Promise<void> | undefined;
  },
) {
  const { clock, telemetry, forecasters } = deps;
  /** In a queue, and those whose turn it is. */
  const waiting = new Map<string, Promise<unknown>>();
  const running = new Set<string>();

  function track<T>(id: string, job: Promise<T>): Promise<T> {
    const tracked = job.finally(() => {
      waiting.delete(id);
      running.delete(id);
    });
    waiting.set(id, tracked);
    return tracked;
  }

  async function begin(id: string, asked: TenantDemand, options: BeginOptions): Promise<LearnOutcome> {
    const { tenant } = asked;
    let loaded: Loaded | undefined;
    let answer: Answer;
    // After a crash it must not come back: it knows another past.
    if (options.reason === 'history-changed') await deps.statesOf(tenant).remove(keyOf(asked));
    try {
      answer = await forecasters.learn(tenant, id, async () => {
        running.add(id);
        await state.settled(id);
        options.onBegun();
        const demand = state.demandOf(id);
        if (demand === undefined || options.signal.aborted) throw new WithdrawnError();
        loaded = await load(id, demand, options);
        return loaded.request;
      });
    } catch (error) {
      if (error instanceof WithdrawnError || options.signal.aborted) return { kind: 'withdrawn' };
      throw error;
    }
    if (options.signal.aborted) return { kind: 'withdrawn' };
    switch (answer.kind) {
      case 'none':
        return answer;
      case 'forecast':
        return await learned(id, loaded!, options.reason, answer);
      case 'failed':
        throw Object.assign(new Error(answer.message), { name: answer.name });
      case 'lost':
        return { kind: 'failed', reason: answer.reason };
      default:
        return { kind: 'failed', reason: answer.kind };
    }
  }

  async function load(id: string, demand: TenantDemand, { reason, signal }: BeginOptions): Promise<Loaded> {
    const { tenant, policy, spec } = demand;
    const range = historyRange(demand, clock.now());
    const { end } = range;
    const whole = await completeDemand(deps.storageOf(tenant), demandLabels(policy, spec), spec, range, signal);
    const anomalies = await anomaliesOf(demand, range);
    const untaught = leftOut(whole, anomalies);
    const history = withoutLeadingGap(masked(whole, policy, untaught));
    const fingerprint = fingerprintOf(demand);
    const calendar = await deps.calendarOf?.(policy, range);
    const inputs = { key: id, history, options: fitOptions(demand, calendar) };
    const saved = RESTORED_FOR.includes(reason)
      ? await readSaved(demand, history, { end, fingerprint, leftOut: untaught })
      : undefined;
    const request =
      saved === undefined
        ? ({ kind: 'fit', ...inputs } as const)
        : ({ kind: 'restore', state: saved.state, ...inputs } as const);
    const lastKnown = lastKnownOf(masked(whole, policy));
    return { demand, request, history, end, lastKnown, anomalies, leftOut: untaught, fingerprint, saved };
  }

  async function anomaliesOf(demand: TenantDemand, range: TimeRange): Promise<readonly ConfirmedAnomaly[]> {
    return (await deps.anomaliesOf?.(demand, range)) ?? [];
  }

  async function readSaved(demand: TenantDemand, history: RegularSeries, now: Wanted) {
    const saved = await deps.statesOf(demand.tenant).read(keyOf(demand));
    if (saved === undefined) return undefined;
    const reason = saved === 'unreadable' ? saved : reasonToDiscard(saved, history, now);
    if (reason !== undefined) telemetry.count('statesDiscarded', { reason });
    return saved === 'unreadable' || reason !== undefined ? undefined : saved;
  }

  async function learned(
    id: string,
    { demand, saved, history, fingerprint, ...loaded }: Loaded,
    reason: LearnReason,
    answer: Extract<Answer, { kind: 'forecast' }>,
  ): Promise<LearnOutcome> {
    const { forecast, discarded, seconds } = answer;
    const restored = saved !== undefined && discarded === undefined ? saved : undefined;
    if (discarded !== undefined) {
      telemetry.count('statesDiscarded', { reason: 'unusable' });
      telemetry.log.info({ series: id, why: discarded }, 'a saved forecaster was of no use, and was fitted anew');
    }
    const now = clock.now();
    const learnt: Learned = {
      end: loaded.end,
      lastKnown: loaded.lastKnown,
      anomalies: loaded.anomalies,
      leftOut: loaded.leftOut,
      fittedAt: restored?.fittedAt ?? now,
      learntAt: restored?.learntAt ?? now,
      historyMs: restored?.historyMs ?? history.values.length * history.stepMs,
    };
    telemetry.count('refits', { how: restored === undefined ? 'cold' : 'restored', reason });
    if (restored === undefined) telemetry.count('forecastsFitted');
    if (seconds !== undefined) telemetry.time('forecastSeconds', {}, seconds);
    await keep(id, demand, { ...learnt, fingerprint }, answer);
    return { kind: 'learned', forecast, learned: learnt, history };
  }

  async function refit(id: string, demand: TenantDemand, options: RefitOptions): Promise<Millis | undefined> {
    const answer = await forecasters.refit(demand.tenant, id);
    // What is wrong with it shows when it is next asked for a forecast.
    if (answer.kind !== 'forecast' || options.signal.aborted) return undefined;
    const known = options.learned();
    if (known === undefined) return undefined;
    const learntAt = clock.now();
    telemetry.count('refits', { how: 'incremental', reason: options.reason });
    await keep(id, demand, { ...known, learntAt, fingerprint: options.fingerprint }, answer);
    return learntAt;
  }

  /** A state that cannot be kept costs a fit after the next start, and nothing now. */
  async function keep(
    id: string,
    demand: TenantDemand,
    learnt: Learned & { readonly fingerprint: string },
    { forecast, state: bytes }: { readonly forecast?: Forecast; readonly state?: Uint8Array | undefined },
  ): Promise<void> {
    if (bytes === undefined || state.demandOf(id) === undefined) return;
    const { fittedAt, learntAt, historyMs, fingerprint } = learnt;
    const end = forecast?.issuedAt ?? learnt.end;
    const untaught = leftOutWithin(learnt.leftOut, { start: Number.NEGATIVE_INFINITY, end });
    try {
      const saved = { fingerprint, end, fittedAt, learntAt, historyMs, leftOut: untaught, state: bytes };
      await deps.statesOf(demand.tenant).write(keyOf(demand), saved);
    } catch (error) {
      telemetry.count('loopFailures', { loop: 'forecast', reason: `state-${reasonOf(error)}` });
    }
  }

  return {
    isWaiting: (id: string) => waiting.has(id),
    isRunning: (id: string) => running.has(id),
    begin: (id: string, demand: TenantDemand, options: BeginOptions) => track(id, begin(id, demand, options)),
    refit: (id: string, demand: TenantDemand, options: RefitOptions) => track(id, refit(id, demand, options)),
    async save(id: string, demand: TenantDemand, learnt: Learned & { readonly fingerprint: string }): Promise<void> {
      await keep(id, demand, learnt, { state: await forecasters.save(id) });
    },
    /** Whether the demand's confirmed anomalies are others now than those that its forecaster was told of. */
    async hasOtherAnomalies(demand: TenantDemand, { anomalies }: Learned): Promise<boolean> {
      const known = await anomaliesOf(demand, historyRange(demand, clock.now()));
      return JSON.stringify(known) !== JSON.stringify(anomalies);
    },
    /** Resolves when nothing waits any more. */
    async ended(): Promise<void> {
      // What they learnt is not held until the last of them.
      await Promise.all(Array.from(waiting.values(), (job) => job.then(ignore, ignore)));
    },
  };
}

const ignore = () => {};

interface Loaded extends Wanted, Pick<Learned, 'lastKnown' | 'anomalies'> {
  readonly demand: TenantDemand;
  readonly request: FitRequest | RestoreRequest;
  readonly history: RegularSeries;
  readonly saved: SavedForecaster | undefined;
}

/** What a saved state has to go with. */
interface Wanted {
  readonly end: Millis;
  readonly fingerprint: string;
  readonly leftOut: readonly TimeRange[];
}

function historyRange({ spec: { stepMs, historyMs } }: TenantDemand, now: Millis): TimeRange {
  const end = lastStepBefore(now, stepMs);
  return { start: end - Math.floor(historyMs / stepMs) * stepMs, end };
}

function reasonToDiscard(
  saved: SavedForecaster,
  history: RegularSeries,
  { end, fingerprint, leftOut: wanted }: Wanted,
): string | undefined {
  if (saved.fingerprint !== fingerprint) return 'options-changed';
  if (saved.end > end) return 'ahead-of-the-clock';
  if (end - saved.end > RESTORED_WITHIN_MS) return 'too-old';
  if (saved.end < history.start) return 'history-lost';
  const seen = { start: history.start, end: saved.end };
  const isSame =
    JSON.stringify(leftOutWithin(saved.leftOut ?? [], seen)) === JSON.stringify(leftOutWithin(wanted, seen));
  return isSame ? undefined : 'other-anomalies';
}
