import type { Counter, Gauge, Histogram } from 'prom-client';
import type { Settings } from '../config/load.ts';
import { policyFileReader } from '../config/policy-files.ts';
import { openPolicyStore } from '../config/policy-store.ts';
import { openForecastStore } from '../forecasts/forecast-store.ts';
import { openForecasterStates } from '../forecasts/state-store.ts';
import { openIntake } from '../ingest/intake.ts';
import { openTenantTurns } from '../ingest/tenant-turns.ts';
import { openKubeCluster } from '../kube/cluster.ts';
import type { Membership } from '../kube/membership.ts';
import { noCluster } from '../kube/no-cluster.ts';
import { openAnomalyStore } from '../ledger/anomaly-store.ts';
import { openLedger } from '../ledger/ledger.ts';
import { openCostCeilings } from '../loops/cost-ceilings.ts';
import { decisionText } from '../loops/decision-text.ts';
import { demandLabels } from '../loops/demand-series.ts';
import type { LoopTelemetry } from '../loops/telemetry.ts';
import type { Clock } from '../model/clock.ts';
import type { TenantId } from '../model/tenant.ts';
import { limitsOf, type TenantLimits } from '../model/tenant-limits.ts';
import { DAY, SECOND } from '../model/time.ts';
import type { ReadAutoscaler, ReadPodRequests } from '../observe/advice.ts';
import { calendarFiles } from '../observe/calendar-files.ts';
import { openCapacityLearner } from '../observe/capacity-learner.ts';
import { openDeployWatch, type ReadPodRevisions } from '../observe/deploy-watch.ts';
import { openLeadTimeLearner, type ReadPodStarts } from '../observe/lead-time-learner.ts';
import { openMonthReader } from '../observe/month-so-far.ts';
import { calendarReader } from '../observe/policy-calendar.ts';
import { parseQuery } from '../promql/parse.ts';
import { evaluatorOver } from '../promql/run.ts';
import type { Cluster } from '../scaling/cluster.ts';
import type { QuerySource } from '../storage/storage.ts';
import type { Logger } from '../telemetry/logger.ts';
import { createMetrics, type Metrics } from '../telemetry/metrics.ts';
import { tenantNames } from '../telemetry/tenant-names.ts';
import { withSpan } from '../telemetry/tracing.ts';
import type { TenantBounds } from '../tsdb/limits.ts';
import { openTsdb } from '../tsdb/open-tsdb.ts';
import type { RecoveryReport } from '../tsdb/recovery.ts';
import { takeTurns } from '../turns.ts';
import { VERSION } from '../version.ts';
import { coresHere } from '../workers/cores.ts';
import { holidaysInThread } from '../workers/holidays.ts';
import { openJobPool } from '../workers/job-pool.ts';
import { openModelVersions, versionsFolder } from '../workers/model-versions.ts';
import { networksInForce } from '../workers/networks-in-force.ts';
import { readTenantModels } from '../workers/tenant-models.ts';
import { threadShare } from '../workers/thread-share.ts';
import { openAccuracyGauges } from './accuracy-gauges.ts';
import { openCoordination, sharedPolicies } from './coordination.ts';
import { openCustomResources, readerOf } from './custom-resources.ts';
import { kubeAccess } from './kube-access.ts';
import { queryPace } from './query-pace.ts';
import { queryStorage } from './query-storage.ts';
import { openSampleStorage } from './sample-storage.ts';

/** A cluster by its name; closed with the program. */
export interface Target {
  readonly name: string;
  readonly cluster: Cluster;
  readonly readPodStarts?: ReadPodStarts;
  readonly readPodRevisions?: ReadPodRevisions;
  readonly readAutoscaler?: ReadAutoscaler;
  readonly readPodRequests?: ReadPodRequests;
  readonly close: () => Promise<void>;
}

export interface PartsOptions {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Logger;
  readonly cluster?: Target;
}

/** What the loops and the requests share: the stores, the cluster, and what is told of them. */
export type Parts = Awaited<ReturnType<typeof openParts>>;

/** A tenant's limits, as the store has them. */
function boundsOf(limits: TenantLimits): TenantBounds {
  return {
    maxSeries: limits.max_global_series_per_user,
    maxSeriesPerMetric: limits.max_global_series_per_metric,
    outOfOrderMs: limits.out_of_order_time_window,
    aheadMs: limits.creation_grace_period,
    ...(limits.compactor_blocks_retention_period > 0 && { rawRetentionMs: limits.compactor_blocks_retention_period }),
  };
}

/** As the architecture has it: what long seasons are learned from. */
const DEMAND_RETENTION_MS = 400 * DAY;

/** Opens the store, what stands on it, and the cluster. */
export async function openParts({ settings, clock, log, cluster }: PartsOptions) {
  const startedAt = clock.now();
  const metrics = createMetrics({ version: VERSION, ofProcess: true });
  const telemetry = loopTelemetry(metrics, log);
  const pause = takeTurns();
  const evaluator = (reader: QuerySource) => evaluatorOver(reader, { maxSamples: settings.limits.querySamples, pause });
  const queryPauseOf = queryPace(openTenantTurns().turn, () => performance.now());
  const tsdb = await openTsdb({
    dir: settings.dataFolder,
    clock,
    evaluator,
    release: VERSION,
    limits: {
      maxSampleBytes: settings.limits.sampleBytes,
      maxSeriesPerTenant: settings.limits.seriesPerTenant,
      retentionMs: { raw: settings.retentionMs, demand: DEMAND_RETENTION_MS },
      tiers: settings.downsampling,
    },
    boundsOf: (tenant) => boundsOf(limitsOf(settings.tenantLimits, tenant)),
    onSync: (seconds) => {
      metrics.commits.inc();
      metrics.syncSeconds.observe(seconds);
    },
    onFault({ chore, reason, place, message, tenant }) {
      metrics.storeFaults.inc({ chore, reason });
      log.error(
        { chore, reason, place, tenant, problem: message },
        'the store could not do a chore, and tries it again',
      );
    },
  });
  reportRecovery(tsdb.stats().recovery, metrics, log);
  const { keyValue } = tsdb;
  const models = await readTenantModels(settings.dataFolder, (whose, error) => {
    metrics.networkUnusable.inc({ code: error.code });
    log.error({ err: error, code: error.code, model: whose }, 'the network of the forecasts cannot be used');
  });
  const coordination = await openCoordination({ settings, clock, metrics, log });
  const { membership } = coordination;
  const samples = await openSampleStorage({ settings, tsdb, clock, metrics, log, membership, evaluator });
  const { storage } = samples;
  const target = cluster ?? (await openCluster(settings, coordination.membership?.msLeft));
  const customResources =
    cluster === undefined ? await openCustomResources(settings, { clock, metrics, log }) : undefined;
  const checkDeps = { checkQuery: (expression: string) => void parseQuery(expression) };
  const accuracyGauges = openAccuracyGauges(metrics);
  const calendarSources = { holidays: holidaysInThread, readFile: calendarFiles(settings.policies) };
  const calendarOf = calendarReader({
    ...calendarSources,
    onProblem(error) {
      telemetry.count('loopSkips', { loop: 'forecast', reason: 'calendar' });
      telemetry.log.warn(
        { err: error },
        'a calendar cannot be used: forecasts do without what it says, or use what it said before',
      );
    },
  });
  const forecasts = openForecastStore(keyValue, accuracyGauges.issued);
  const threads = threadShare(coresHere());
  const jobs = openJobPool(threads.most, models.shipped, threads);
  const store = openPolicyStore({
    keyValue,
    readFiles: policyFileReader(settings.policies, checkDeps),
    readResources: readerOf(customResources, checkDeps),
    tenancy: settings.tenancy,
    ...checkDeps,
  });
  const policies = coordination.membership === undefined ? store : sharedPolicies(store);
  return {
    networks: networksInForce(models),
    versionsOf: (tenant: TenantId) => openModelVersions(versionsFolder(settings.dataFolder, tenant)),
    calendarOf,
    /** For requests, which are told of what cannot be used. */
    strictCalendarOf: calendarReader(calendarSources),
    ...{ settings, clock, log, startedAt, metrics, telemetry, tsdb, storage, keyValue, target, forecasts, policies },
    accuracyGauges,
    leadTimes: await openLeadTimeLearner(keyValue, target.readPodStarts),
    deploys: await openDeployWatch({
      keyValue,
      readPodRevisions: target.readPodRevisions,
      onFailure(error) {
        telemetry.count('watchSkips', { reason: 'deploys-unreadable' });
        log.warn({ err: error }, 'cannot see what was deployed: tried again in five minutes');
      },
    }),
    ceilings: openCostCeilings(),
    months: openMonthReader({ storageOf: storage.tenant, demandLabels }),
    capacities: openCapacityLearner({ storageOf: storage.tenant, demandLabels }),
    coordination,
    ledger: openLedger(keyValue, decisionText),
    states: openForecasterStates(keyValue),
    anomalies: openAnomalyStore(keyValue),
    threads,
    jobs,
    checkDeps,
    customResources,
    samples,
    /** One for every way in. */
    intake: openIntake({ limitsOf: (tenant) => limitsOf(settings.tenantLimits, tenant), now: () => performance.now() }),
    tenantNames: tenantNames(),
    queryPauseOf,
    queryStorage: queryStorage({
      storage,
      forecasts,
      policies,
      evaluator: (reader, tenant) =>
        evaluatorOver(reader, { maxSamples: settings.limits.querySamples, pause: queryPauseOf(tenant) }),
      sinceOf(tenant) {
        const { max_query_lookback: lookbackMs } = limitsOf(settings.tenantLimits, tenant);
        return lookbackMs === 0 ? undefined : () => clock.now() - lookbackMs;
      },
      hasEngine: samples.engine?.answers === true,
    }),
    async close() {
      await jobs[Symbol.asyncDispose]();
      await customResources?.close();
      await target.close();
      await coordination.close();
      await tsdb[Symbol.asyncDispose]();
    },
  };
}

/** The cluster that the settings name. */
async function openCluster({ kubernetes }: Settings, msLeft: Membership['msLeft'] | undefined): Promise<Target> {
  if (kubernetes.kind === 'off') return { name: 'off', cluster: noCluster, close: async () => {} };
  const cluster = await openKubeCluster({ ...kubeAccess(kubernetes), ...(msLeft !== undefined && { msLeft }) });
  const name = kubernetes.kind === 'inCluster' ? 'kubernetes (in-cluster account)' : `kubernetes (${kubernetes.path})`;
  const { readPodStarts, readPodRevisions, readAutoscaler, readPodRequests } = cluster;
  const readers = { readPodStarts, readPodRevisions, readAutoscaler, readPodRequests };
  return { name, cluster, ...readers, close: async () => await cluster[Symbol.asyncDispose]() };
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
