import type { Anomaly, AnomalyDemand } from '../anomaly/anomaly.ts';
import type { TellAlerts } from '../model/alert.ts';
import type { Clock } from '../model/clock.ts';
import type { SampledSeries } from '../model/series.ts';
import type { TenantId } from '../model/tenant.ts';
import { MINUTE, type Millis, SECOND, type TimeRange } from '../model/time.ts';
import { lastStepBefore } from './demand-series.ts';
import { inParallel } from './in-parallel.ts';
import { type IncidentBookDeps, openIncidentBook } from './incident-book.ts';
import { runLoop } from './run-loop.ts';
import { type LoopTelemetry, reasonOf } from './telemetry.ts';
import { openTenantLanes } from './tenant-lanes.ts';
import type { Watch } from './watch.ts';
import { openWatcher, type Watcher, type WatcherDeps, type WatcherStatus } from './watcher.ts';

export interface WatchLoopDeps
  extends Pick<WatcherDeps, 'evaluate' | 'contextOf'>,
    Pick<IncidentBookDeps, 'workloadOf' | 'deploysOf' | 'externalUrl'> {
  readonly clock: Clock;
  readonly telemetry: LoopTelemetry;
  /** All that is watched now, of all tenants. */
  readonly watches: () => Promise<readonly Watch[]>;
  /** Up to which step a watch can be evaluated now; `due` is the last one. Left out: all of them. */
  readonly readyThrough?: (watch: Watch, due: Millis) => Millis;
  readonly anomaliesOf: (tenant: TenantId) => KeptAnomalies;
  /** Tenants that had incidents when the program ended. */
  readonly tenants: () => Promise<readonly TenantId[]>;
  /** Keeps samples that can be asked for. */
  readonly append: (tenant: TenantId, series: readonly SampledSeries[]) => Promise<void>;
  readonly tell: TellAlerts;
  /** A confirmed anomaly of a demand has begun, changed or ended: what it is forecast from should leave it out. */
  readonly onConfirmed: (tenant: TenantId, demand: AnomalyDemand) => void;
}

/** Where one tenant's anomalies are kept. */
export interface KeptAnomalies {
  put(anomalies: readonly Anomaly[]): Promise<readonly Anomaly[]>;
  list(query: {
    readonly range: TimeRange;
    readonly limit: number;
    readonly isMeant: (anomaly: Anomaly) => boolean;
  }): Promise<readonly Anomaly[]>;
  readonly states: WatcherDeps['states'];
  incidents: () => ReturnType<IncidentBookDeps['read']>;
  keepIncidents(incidents: Parameters<IncidentBookDeps['write']>[1]): Promise<void>;
}

export interface WatchStatus extends WatcherStatus {
  readonly watch: Watch;
  /** When the last pass ended, and why it failed; undefined where it did not. */
  readonly lastPassAt: Millis | undefined;
  readonly error: string | undefined;
}

interface Entry {
  readonly tenant: TenantId;
  readonly opened: Promise<Watcher>;
  watcher: Watcher | undefined;
  lastPassAt: Millis | undefined;
  error: string | undefined;
  failures: number;
  retryAt: Millis;
}

/** Of one tenant, and of all. */
const SIDE_BY_SIDE = 8;
const MOST_SIDE_BY_SIDE = 32;
/** A query that takes longer is skipped: it must not hold up the others. */
const QUERY_MS = 30 * SECOND;
const TOLD_EVERY_MS = 30 * SECOND;
const FIRST_RETRY_MS = 5 * SECOND;
const LONGEST_RETRY_MS = 2 * MINUTE;

/** Judges every watched series at each step, and tells of what is unusual. */
export function openWatchLoop(deps: WatchLoopDeps) {
  const { clock, telemetry } = deps;
  const entries = new Map<string, Entry>();
  const book = openIncidentBook({
    read: (tenant) => deps.anomaliesOf(tenant).incidents(),
    write: (tenant, incidents) => deps.anomaliesOf(tenant).keepIncidents(incidents),
    workloadOf: deps.workloadOf,
    watchersOf,
    externalUrl: deps.externalUrl,
    ...(deps.deploysOf !== undefined && { deploysOf: deps.deploysOf }),
  });
  const lanes = openTenantLanes({ mostOfTenant: SIDE_BY_SIDE, most: MOST_SIDE_BY_SIDE });
  const idOf = ({ tenant, key }: Watch) => `${tenant}/${key}`;
  const known = new Set<TenantId>();
  let toldAt = Number.NEGATIVE_INFINITY;
  let isNews = false;
  let shortestStepMs = MINUTE;
  /** Serializes what changes a tenant's incidents. */
  const keeping = new Map<TenantId, Promise<unknown>>();

  function watchersOf(tenant: TenantId): readonly Watcher[] {
    return [...entries.values()].flatMap(({ watcher }) => (watcher?.watch.tenant === tenant ? [watcher] : []));
  }

  async function keep(watch: Watch, written: readonly SampledSeries[], anomalies: readonly Anomaly[]): Promise<void> {
    const { tenant } = watch;
    if (anomalies.length > 0) {
      const kept = (keeping.get(tenant) ?? Promise.resolve()).then(async () => {
        const taken = await book.take(tenant, watch, anomalies);
        const newest = [...new Map(taken.map((anomaly) => [anomaly.id, anomaly])).values()];
        const fresh = await deps.anomaliesOf(tenant).put(newest);
        for (const { severity } of fresh) telemetry.count('anomalies', { severity });
        for (const { confirmed, endedAt, demand, peak } of anomalies) {
          // Somebody may have confirmed one that has ended.
          const matters = (confirmed || endedAt !== undefined) && peak.part !== 'missing';
          if (matters && demand !== undefined) deps.onConfirmed(tenant, demand);
        }
        known.add(tenant);
        isNews = true;
      });
      keeping.set(
        tenant,
        kept.catch(() => {}),
      );
      await kept;
    }
    if (written.length > 0) await deps.append(tenant, written);
  }

  function skip(reason: string): void {
    telemetry.count('watchSkips', { reason });
  }

  async function look(signal: AbortSignal): Promise<void> {
    const watches = await deps.watches();
    shortestStepMs = watches.reduce((least, { stepMs }) => Math.min(least, stepMs), MINUTE);
    const inForce = new Map(watches.map((watch) => [idOf(watch), watch]));
    const jobs = new Map<TenantId, [string, () => Promise<void>][]>();
    const put = (tenant: TenantId, id: string, job: () => Promise<void>) => {
      const known = jobs.get(tenant);
      if (known === undefined) jobs.set(tenant, [[id, job]]);
      else known.push([id, job]);
    };
    for (const [id, entry] of entries) {
      if (!inForce.has(id)) put(entry.tenant, id, () => drop(id, entry));
    }
    for (const [id, watch] of inForce) put(watch.tenant, id, () => lookAt(id, watch, signal));
    for (const [tenant, of] of jobs) lanes.put(tenant, of);
    // What takes longer goes on by itself, and the others have their next turn.
    const stop = new AbortController();
    const waited = clock.sleep(intervalMs(), AbortSignal.any([signal, stop.signal])).catch(() => {});
    await Promise.race([lanes.idle(), waited]);
    stop.abort();
    gauges();
    await tellAll(signal);
  }

  async function lookAt(id: string, watch: Watch, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await judgeNew(id, watch, signal);
    try {
      if (await book.lookForDeploys(watch.tenant, clock.now())) isNews = true;
    } catch (error) {
      telemetry.count('loopFailures', { loop: 'watch', reason: `deploys-${reasonOf(error)}` });
    }
  }

  async function judgeNew(id: string, watch: Watch, signal: AbortSignal): Promise<void> {
    const now = clock.now();
    const due = lastStepBefore(now, watch.stepMs);
    const end = deps.readyThrough?.(watch, due) ?? due;
    if (end === Number.NEGATIVE_INFINITY) return;
    let entry = entries.get(id);
    if (entry !== undefined && entry.watcher !== undefined && isOther(entry.watcher.watch, watch)) {
      entries.delete(id);
      entry = undefined;
    }
    if (entry === undefined) {
      const { states } = deps.anomaliesOf(watch.tenant);
      const opened = openWatcher(watch, end, {
        states,
        evaluate: deps.evaluate,
        contextOf: deps.contextOf,
        keep,
        openOf: (of) =>
          deps.anomaliesOf(of.tenant).list({
            range: { start: now, end: now },
            limit: Number.POSITIVE_INFINITY,
            isMeant: (anomaly) => anomaly.endedAt === undefined && isOf(of, anomaly),
          }),
        skip,
      });
      entry = {
        tenant: watch.tenant,
        opened,
        watcher: undefined,
        lastPassAt: undefined,
        error: undefined,
        failures: 0,
        retryAt: 0,
      };
      entries.set(id, entry);
    }
    if (entry.retryAt > now && entry.retryAt <= now + LONGEST_RETRY_MS) return;
    try {
      entry.watcher = await entry.opened;
      entry.watcher.watch = watch;
      const before = entry.watcher.status().through;
      if (before >= end) return;
      await entry.watcher.pass(end, AbortSignal.any([signal, AbortSignal.timeout(QUERY_MS)]));
      telemetry.time('watchSeconds', {}, Math.max(0, clock.now() - now) / SECOND);
      entry.lastPassAt = clock.now();
      entry.error = undefined;
      entry.failures = 0;
      entry.retryAt = 0;
    } catch (error) {
      if (signal.aborted) return;
      // What cannot be opened is opened anew.
      if (entry.watcher === undefined) entries.delete(id);
      entry.failures++;
      entry.retryAt = now + Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (entry.failures - 1));
      entry.error = error instanceof Error ? error.message : String(error);
      skip(reasonOf(error));
      telemetry.log.warn({ err: error, tenant: watch.tenant, watch: watch.key }, 'cannot watch a query: tried again');
    }
  }

  /** A watch that is in force no more: what went on ends. */
  async function drop(id: string, entry: Entry): Promise<void> {
    entries.delete(id);
    try {
      await entry.watcher?.end(clock.now());
    } catch (error) {
      skip(reasonOf(error));
      telemetry.log.warn({ err: error, watch: id }, 'cannot end what a watch had found before it was taken away');
    }
  }

  const intervalMs = () => Math.min(5 * SECOND, Math.max(SECOND / 2, shortestStepMs / 5));

  function gauges(): void {
    let [series, learning, refused, anomalous] = [0, 0, 0, 0];
    for (const { watcher } of entries.values()) {
      const status = watcher?.status();
      if (status === undefined) continue;
      series += status.series;
      learning += status.learning;
      refused += status.refused;
      anomalous += status.anomalous;
    }
    telemetry.gauge('watchedSeries', { state: 'ready' }, series - learning);
    telemetry.gauge('watchedSeries', { state: 'learning' }, learning);
    telemetry.gauge('watchedSeries', { state: 'refused' }, refused);
    telemetry.gauge('anomaliesNow', {}, anomalous);
  }

  async function tellAll(signal: AbortSignal): Promise<void> {
    const now = clock.now();
    if (signal.aborted || (!isNews && now - toldAt < TOLD_EVERY_MS && toldAt <= now)) return;
    isNews = false;
    toldAt = now;
    for (const tenant of known) {
      try {
        const alerts = await book.alerts(tenant, now);
        if (alerts.length > 0) await deps.tell(tenant, alerts);
      } catch (error) {
        isNews = true;
        telemetry.count('loopFailures', { loop: 'watch', reason: `tell-${reasonOf(error)}` });
      }
    }
  }

  return {
    async run(signal: AbortSignal): Promise<void> {
      for (const tenant of await deps.tenants()) known.add(tenant);
      await runLoop({ name: 'watch', intervalMs, clock, telemetry }, look, signal);
      await lanes.idle();
      await inParallel([...entries.values()], SIDE_BY_SIDE, async ({ watcher }) => {
        await watcher?.save().catch((error: unknown) => {
          telemetry.count('loopFailures', { loop: 'watch', reason: `state-${reasonOf(error)}` });
        });
      });
    },
    /** One pass over all watches, for a caller that must have verdicts now. */
    pass: look,
    /** The tenant's past was imported or changed. */
    historyChanged(tenant: TenantId): void {
      for (const watcher of watchersOf(tenant)) watcher.historyChanged();
    },
    /** Somebody called an anomaly normal: nothing like it is one from now on. False: its series is not watched now. */
    async learnNormal(tenant: TenantId, anomaly: Anomaly): Promise<boolean> {
      let isLearnt = false;
      for (const watcher of watchersOf(tenant)) {
        if (isOf(watcher.watch, anomaly)) isLearnt = (await watcher.learnNormal(anomaly, clock.now())) || isLearnt;
      }
      return isLearnt;
    },
    status: (tenant: TenantId): readonly WatchStatus[] =>
      [...entries.values()].flatMap(({ watcher, lastPassAt, error }) =>
        watcher?.watch.tenant === tenant ? [{ watch: watcher.watch, ...watcher.status(), lastPassAt, error }] : [],
      ),
    incident: book.read,
  };
}

export type WatchLoop = ReturnType<typeof openWatchLoop>;

/** Whether an anomaly was found by a watch. */
function isOf({ name, demand }: Watch, anomaly: Anomaly): boolean {
  return (
    name === anomaly.watch &&
    demand?.policy.namespace === anomaly.demand?.namespace &&
    demand?.policy.name === anomaly.demand?.policy
  );
}

/** Whether what was learnt for one is of no use to the other. */
function isOther(a: Watch, b: Watch): boolean {
  return a.query !== b.query || a.stepMs !== b.stepMs || a.peers !== b.peers;
}
