import type { Counter, Gauge, Histogram } from 'prom-client';
import type { Settings } from './config/load.ts';
import { policyFileReader } from './config/policy-files.ts';
import { openPolicyStore } from './config/policy-store.ts';
import { isLoopback } from './config/schema.ts';
import { fitForecaster } from './forecast/forecaster.ts';
import { openForecastStore } from './forecasts/forecast-store.ts';
import { callerReader, requireRole } from './http/caller.ts';
import type { ReplayTable } from './http/deps.ts';
import { answerOf } from './http/error-handler.ts';
import { NotFoundError } from './http/errors.ts';
import { createHttpHandler } from './http/handler.ts';
import { hostCheck } from './http/host-check.ts';
import { importRoute } from './http/import-route.ts';
import { type Listening, listen } from './http/listen.ts';
import { decisionView, demandForecasts, workloadView } from './http/views.ts';
import { importLines } from './ingest/import.ts';
import { writeHandler } from './ingest/write-handler.ts';
import { openKubeCluster } from './kube/cluster.ts';
import { noCluster } from './kube/no-cluster.ts';
import { openLedger } from './ledger/ledger.ts';
import { demandLabels } from './loops/demand-series.ts';
import { openForecastLoop } from './loops/forecast-loop.ts';
import { runRetentionLoop } from './loops/retention-loop.ts';
import { runLoop } from './loops/run-loop.ts';
import { openScaleLoop, type PassNotes } from './loops/scale-loop.ts';
import { type LoopTelemetry, reasonOf } from './loops/telemetry.ts';
import type { Clock } from './model/clock.ts';
import { CodedError } from './model/errors.ts';
import { DEFAULT_TENANT, type TenantId } from './model/tenant.ts';
import { DAY, MINUTE, SECOND } from './model/time.ts';
import { observe } from './observe/observe.ts';
import { readState, stateSeries } from './observe/workload-state.ts';
import { parseQuery } from './promql/parse.ts';
import { parseSeriesSelector } from './promql/parse-series-selector.ts';
import { evaluatorOver } from './promql/run.ts';
import type { Cluster } from './scaling/cluster.ts';
import type { DecisionDraft } from './scaling/decision-types.ts';
import { planReplicas } from './scaling/plan.ts';
import type { ScalingPolicy } from './scaling/policy.ts';
import { reasonText } from './scaling/reasons.ts';
import { appendSeries } from './storage/append-series.ts';
import type { Logger } from './telemetry/logger.ts';
import { createMetrics, type Metrics } from './telemetry/metrics.ts';
import { withSpan } from './telemetry/tracing.ts';
import { openTsdb } from './tsdb/open-tsdb.ts';
import type { RecoveryReport } from './tsdb/recovery.ts';
import { takeTurns } from './turns.ts';
import { VERSION } from './version.ts';

export interface AppOptions {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Logger;
  /** In place of the cluster that the settings name: the demo's stand-in. */
  readonly cluster?: { readonly name: string; readonly cluster: Cluster; readonly close: () => Promise<void> };
  /** The what-if table of the page, where there is one. */
  readonly replay?: (() => ReplayTable | undefined) | undefined;
}

export interface App extends AsyncDisposable {
  /** `http://127.0.0.1:7070` */
  readonly url: string;
  /** Resolves when the loops have ended, which is after `signal` was aborted. */
  run(signal: AbortSignal): Promise<void>;
}

/** As the architecture has it: what long seasons are learned from. */
const DEMAND_RETENTION_MS = 400 * DAY;
const MAINTAIN_EVERY_MS = MINUTE;
const GAUGES_EVERY_MS = 15 * SECOND;
const NOT_RELEASED =
  'some policies cannot be read: until they can, no target is released because its policy is not in force';

/** Opens the store, the cluster and the HTTP server, and ties every part to the others. Nothing moves before `run`. */
export async function startApp(options: AppOptions): Promise<App> {
  const { settings, clock, log } = options;
  const startedAt = clock.now();
  const metrics = createMetrics({ version: VERSION, ofProcess: true });
  const telemetry = loopTelemetry(metrics, log);

  const pause = takeTurns();
  const tsdb = await openTsdb({
    dir: settings.dataFolder,
    clock,
    evaluator: (reader) => evaluatorOver(reader, { maxSamples: settings.limits.querySamples, pause }),
    limits: {
      maxSamples: settings.limits.samplesInMemory,
      maxSeriesPerTenant: settings.limits.seriesPerTenant,
      retentionMs: { raw: settings.retentionMs, demand: DEMAND_RETENTION_MS },
    },
    onSync: (seconds) => {
      metrics.commits.inc();
      metrics.syncSeconds.observe(seconds);
    },
  });
  reportRecovery(tsdb.stats().recovery, metrics, log);
  const { storage, keyValue } = tsdb;
  const target = options.cluster ?? (await openCluster(settings));
  const { cluster } = target;

  const ledger = openLedger(keyValue);
  const forecasts = openForecastStore(keyValue);
  const checkDeps = { checkQuery: (expression: string) => void parseQuery(expression) };
  const policies = openPolicyStore({
    keyValue,
    readFiles: policyFileReader(settings.policies, checkDeps),
    tenancy: settings.tenancy,
    ...checkDeps,
  });

  const forecastLoop = openForecastLoop({
    clock,
    telemetry,
    policies: policies.list,
    storageOf: storage.tenant,
    forecastsOf: forecasts.tenant,
    fit: fitForecaster,
  });
  const lastPass = new Map<string, DecisionDraft>();
  const lastNotes = new Map<string, PassNotes>();
  const scaleLoop = openScaleLoop({
    onPass: (tenant, { namespace, name }, notes) => lastNotes.set(`${tenant}/${namespace}/${name}`, notes),
    clock,
    telemetry,
    policies: policies.inForce,
    tenantOf: (namespace) =>
      settings.tenancy.on ? (settings.tenancy.namespaces.get(namespace) ?? DEFAULT_TENANT) : DEFAULT_TENANT,
    cluster,
    storageOf: storage.tenant,
    forecastsOf: forecasts.tenant,
    ledgerOf: (tenant) => ({
      ...ledger.tenant(tenant),
      record: async (draft) => {
        if (draft.mode !== 'release') lastPass.set(`${tenant}/${draft.namespace}/${draft.policy}`, draft);
        const kept = await ledger.tenant(tenant).record(draft);
        await appendState(tenant, draft);
        return kept;
      },
    }),
    intervalMs: settings.loops.scaleMs,
  });

  const { callerOf, authenticate } = callerReader({
    tenancyOn: settings.tenancy.on,
    tokens: settings.authentication.kind === 'tokens' ? settings.authentication.tokens : [],
    ...(isLoopback(settings.listen.host) && {
      checkHost: hostCheck({ listenHost: settings.listen.host, allowedHosts: settings.allowedHosts }),
    }),
  });
  const handler = createHttpHandler({
    version: VERSION,
    startedAt,
    log,
    metrics,
    limits: settings.limits,
    now: clock.now,
    callerOf,
    authenticate,
    notReady: () => undefined,
    storage,
    parseSelector: parseSeriesSelector,
    policies,
    planNow,
    forecasts: (tenant, policy) => demandForecasts(forecasts.tenant(tenant).latest, policy),
    decisions: async (tenant, namespace, policy, query) =>
      (await ledger.tenant(tenant).list({ namespace, policy, ...query })).map(decisionView),
    decision: async (tenant, id) => {
      const decision = await ledger.tenant(tenant).read(id);
      return decision && decisionView(decision);
    },
    workloads,
    picture: (tenant, policy, range, stepMs) =>
      readState(storage.tenant(tenant), policy, demandLabels(policy, policy.demands[0]!), range, stepMs),
    replay: async () => options.replay?.(),
    status: async (tenant) => {
      const { series, samples } = tsdb.statsOf(tenant);
      const [problems, { unreadable }] = await Promise.all([policies.problems(), policies.inForce()]);
      const held = unreadable.length === 0 ? [] : [NOT_RELEASED];
      return { series, samples, cluster: target.name, problems: [...problems, ...held] };
    },
    routes: [
      (router) =>
        importRoute(router, {
          callerOf,
          importLines: async (tenant, lines) => {
            const report = await importLines(lines, { backfill: (runs) => storage.tenant(tenant).backfill(runs) });
            for (const outcome of ['appended', 'duplicates', 'conflicts', 'outOfBounds'] as const) {
              metrics.backfilledSamples.inc({ outcome }, report[outcome]);
            }
            forecastLoop.historyChanged(tenant);
            return report;
          },
        }),
    ],
  });
  const receive = writeHandler({
    storage,
    seenLabels: tsdb.seenLabels,
    callerOf: (request) => requireRole(callerOf(request), 'writer'),
    statusOf: (error) =>
      error instanceof CodedError ? answerOf(error, { method: 'POST', path: 'write' }, log).status : undefined,
    onRequest: (_tenant, { stored, dropped }) => {
      metrics.ingestSamples.inc(stored);
      for (const [reason, count] of dropped) metrics.droppedSamples.inc({ reason }, count);
    },
    onAnswer: ({ status, seconds, receivedBytes }) => {
      metrics.ingestRequests.inc({ protocol: 'remote-write-1', code: String(status) });
      metrics.ingestBytes.inc(receivedBytes);
      metrics.ingestSeconds.observe({ protocol: 'remote-write-1' }, seconds);
    },
    onError: (error) => log.error({ err: error }, 'cannot store a write request'),
    limits: {
      maxCompressedBytes: settings.limits.writeBytes,
      maxDecodedBytes: settings.limits.writeBytes,
    },
  });

  /** The pictures can do without a point; the decision is kept already. */
  async function appendState(tenant: TenantId, draft: DecisionDraft): Promise<void> {
    try {
      const { dropped } = await appendSeries(storage.tenant(tenant), stateSeries(draft));
      for (const outcome of Object.keys(dropped)) {
        telemetry.count('loopSkips', { loop: 'scale', reason: `state-sample-${outcome}` });
      }
    } catch (error) {
      telemetry.count('loopFailures', { loop: 'scale', reason: `state-series-${reasonOf(error)}` });
    }
  }

  async function workloads(tenant: TenantId) {
    const stored = (await policies.list()).filter((each) => each.tenant === tenant);
    return stored.map((each) => {
      const name = `${tenant}/${each.policy.namespace}/${each.policy.name}`;
      return workloadView(each, lastPass.get(name), lastNotes.get(name));
    });
  }

  async function planNow(tenant: TenantId, policy: ScalingPolicy) {
    const observed = await observe(policy, clock.now(), {
      instant: storage.tenant(tenant).instant,
      latestForecast: forecasts.tenant(tenant).latest,
      readTarget: cluster.read,
      memoryOf: ledger.tenant(tenant).memoryOf,
    });
    if (observed.kind === 'missing') throw new NotFoundError(observed.message);
    const { input } = observed;
    const plan = planReplicas(input);
    return { input, plan, sentences: plan.reasons.map(reasonText) };
  }

  const server: Listening = await listen({
    ...settings.listen,
    rawHandlers: new Map(['/api/v1/write', '/api/v1/push'].map((path) => [path, receive])),
    handler,
  }).catch(async (error: unknown) => {
    await tsdb[Symbol.asyncDispose]();
    throw error;
  });

  const sweeps = [
    { name: 'decisions', sweep: ledger.sweep },
    { name: 'forecasts', sweep: forecasts.sweep },
  ];
  const maintain = async () => {
    await tsdb.maintain(clock.now());
  };
  const updateGauges = async () => {
    metrics.samplesInMemory.set(tsdb.stats().samples);
    metrics.storeBytes.set(await tsdb.sizeOnDisk());
    for (const tenant of await storage.tenants()) metrics.series.set({ tenant }, tsdb.statsOf(tenant).series);
    const inForce = await policies.list();
    const names = new Set(inForce.map(({ tenant, policy }) => `${tenant}/${policy.namespace}/${policy.name}`));
    for (const memory of [lastPass, lastNotes]) {
      for (const name of memory.keys()) if (!names.has(name)) memory.delete(name);
    }
    metrics.policyTroubles.reset();
    for (const tenant of new Set(inForce.map((stored) => stored.tenant))) {
      for (const { policy, troubles } of await workloads(tenant)) {
        metrics.policyTroubles.set({ namespace: policy.namespace, policy: policy.name }, troubles.length);
      }
    }
    metrics.policyProblems.set((await policies.problems()).length);
  };

  return {
    url: server.url,
    async run(signal) {
      await Promise.all([
        forecastLoop.run(signal),
        scaleLoop.run(signal),
        runRetentionLoop({ clock, telemetry, sweeps }, signal),
        runLoop({ name: 'maintain', intervalMs: MAINTAIN_EVERY_MS, clock, telemetry }, maintain, signal),
        runLoop({ name: 'gauges', intervalMs: GAUGES_EVERY_MS, clock, telemetry }, updateGauges, signal),
      ]);
    },
    async [Symbol.asyncDispose]() {
      await server.close();
      await target.close();
      await tsdb[Symbol.asyncDispose]();
    },
  };
}

/** The cluster that the settings name. */
async function openCluster({ kubernetes }: Settings) {
  switch (kubernetes.kind) {
    case 'off':
      return { name: 'off', cluster: noCluster, close: async () => {} };
    case 'inCluster':
    case 'kubeconfig': {
      const { context } = kubernetes.kind === 'kubeconfig' ? kubernetes : {};
      const cluster = await openKubeCluster({
        ...(kubernetes.kind === 'kubeconfig' && { kubeconfig: kubernetes.path }),
        ...(context !== undefined && { context }),
      });
      const name =
        kubernetes.kind === 'inCluster' ? 'kubernetes (in-cluster account)' : `kubernetes (${kubernetes.path})`;
      return { name, cluster, close: async () => await cluster[Symbol.asyncDispose]() };
    }
  }
}

/** What a start could not read is never passed over in silence. */
function reportRecovery(recovery: RecoveryReport, metrics: Metrics, log: Logger): void {
  metrics.recoverySeconds.set(recovery.durationMs / SECOND);
  metrics.recoveryLostBytes.set({ kind: 'torn' }, recovery.tornBytes);
  metrics.recoveryLostBytes.set({ kind: 'damaged' }, recovery.damagedBytes);
  metrics.recoveryLostSamples.set(recovery.orphanSamples);
  for (const note of recovery.notes) log.warn({ note }, 'the store was not whole when it was opened');
}

/** The loops' names of counts, gauges and timings are those of `createMetrics`. */
function loopTelemetry(metrics: Metrics, log: Logger): LoopTelemetry {
  return {
    span: (name, attributes, action) => withSpan(name, attributes, action),
    count: (name, labels = {}) => (metrics[name] as Counter).inc(labels),
    gauge: (name, labels, value) => (metrics[name] as Gauge).set(labels, value),
    time: (name, labels, seconds) => (metrics[name] as Histogram).observe(labels, seconds),
    log,
  };
}
