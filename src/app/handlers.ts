import type { IncomingMessage } from 'node:http';
import type { Router } from 'express';
import { rightPolicy } from '../config/check-policy.ts';
import { adminRoute } from '../http/admin-route.ts';
import { requireRole } from '../http/caller.ts';
import type { ReplayTable } from '../http/deps.ts';
import { answerOf } from '../http/error-handler.ts';
import { NotFoundError } from '../http/errors.ts';
import { createHttpHandler } from '../http/handler.ts';
import { importRoute } from '../http/import-route.ts';
import { openQueryRuns } from '../http/query-runs.ts';
import { decisionView, demandAccuracy, demandForecasts } from '../http/views.ts';
import { labelLimitsOf } from '../ingest/check-labels.ts';
import { importLines } from '../ingest/import.ts';
import { influxHandlers } from '../ingest/influx/influx-handler.ts';
import { otlpHandler } from '../ingest/otlp/otlp-handler.ts';
import { type WriteAnswer, writeHandler } from '../ingest/write-handler.ts';
import { demandLabels } from '../loops/demand-series.ts';
import { CodedError } from '../model/errors.ts';
import type { TenantId } from '../model/tenant.ts';
import { formatDuration, SECOND } from '../model/time.ts';
import { observe } from '../observe/observe.ts';
import { readState } from '../observe/workload-state.ts';
import { parseSeriesSelector } from '../promql/parse-series-selector.ts';
import { planReplicas } from '../scaling/plan.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import { reasonText } from '../scaling/reasons.ts';
import { VERSION } from '../version.ts';
import { sampleWriter } from '../wire/sample-text.ts';
import { openAdviser } from './advice.ts';
import { callersOf } from './callers.ts';
import type { Loops } from './loops.ts';
import type { Parts } from './parts.ts';
import type { Scraping } from './scraping.ts';
import { tenantRuleOf } from './tenant-rule.ts';
import type { WorkloadPasses } from './workload-passes.ts';

export interface HandlerOptions {
  readonly passes: WorkloadPasses;
  /** The tenant's past was imported or changed. */
  readonly historyChanged: Loops['historyChanged'];
  /** The what-if table of the page, where there is one. */
  readonly replay?: (() => ReplayTable | undefined) | undefined;
  readonly scraping: Pick<Scraping, 'targets' | 'targetMetadata'>;
  /** What is wrong beside the policies, a sentence each. */
  readonly problems: (tenant: TenantId) => readonly string[];
  /** Of parts that bring their own. */
  readonly routes: readonly ((router: Router) => void)[];
}

const NOT_RELEASED =
  'some policies cannot be read: until they can, no target is released because its policy is not in force';

/** Ties the requests to the parts: `handler` answers all of them but writes, which `rawHandlers` take. */
export function openHandlers(parts: Parts, { passes, historyChanged, replay, scraping, ...others }: HandlerOptions) {
  const { jobs, settings, clock, log, startedAt, metrics, tsdb, storage, ledger, forecasts, policies, target } = parts;
  const { callerOf, authenticate, senderOf } = callersOf(settings);
  const handler = createHttpHandler({
    version: VERSION,
    startedAt,
    log,
    metrics,
    limits: settings.limits,
    queries: openQueryRuns({
      limitsOf: parts.intake.limitsOf,
      metrics,
      log,
      tenantName: parts.tenantNames,
      pauseOf: parts.queryPauseOf,
      slowMs: settings.slowQueryMs,
    }),
    pauseOf: parts.queryPauseOf,
    externalLabels: settings.externalLabels,
    retention: formatDuration(settings.retentionMs),
    now: clock.now,
    callerOf,
    beforeDiscard: parts.intake.beforeDiscard,
    authenticate,
    notReady: () => undefined,
    storage: parts.queryStorage,
    parseSelector: parseSeriesSelector,
    policies,
    doJob: (tenant, job, signal) => jobs.run(job, { signal, own: parts.networks.ownOf(tenant) }),
    calendarOf: parts.strictCalendarOf,
    async preview(tenant, input, signal) {
      const start = Math.min(...input.demands.map((series) => series.start));
      const end = Math.max(...input.demands.map((series) => series.start + series.values.length * series.stepMs));
      const calendar = await parts.strictCalendarOf(input.policy, { start, end });
      return await jobs.run({ kind: 'preview', ...input, calendar }, { signal, own: parts.networks.ownOf(tenant) });
    },
    checkPolicy: (document) => rightPolicy(document, parts.checkDeps),
    planNow,
    advice: openAdviser(parts),
    forecasts: (tenant, policy) => demandForecasts(forecasts.tenant(tenant).latest, policy),
    accuracy: (tenant, policy) =>
      demandAccuracy(forecasts.tenant(tenant).latest, policy, passes.draftOf(tenant, policy)),
    scores: (tenant, { namespace, name }, demand, range) =>
      forecasts.tenant(tenant).scores({ namespace, policy: name, demand }, range),
    decisions: async (tenant, namespace, policy, query) =>
      (await ledger.tenant(tenant).list({ namespace, policy, ...query })).map(decisionView),
    decision: async (tenant, id) => {
      const decision = await ledger.tenant(tenant).read(id);
      return decision && decisionView(decision);
    },
    targets: scraping.targets,
    targetMetadata: scraping.targetMetadata,
    userLimits: (tenant) => {
      const {
        out_of_order_time_window: windowMs,
        creation_grace_period: aheadMs,
        compactor_blocks_retention_period: retentionMs,
        max_total_query_length: lengthMs,
        max_query_lookback: lookbackMs,
        query_timeout: timeoutMs,
        ...others
      } = parts.intake.limitsOf(tenant);
      return {
        ...others,
        out_of_order_time_window: formatDuration(windowMs),
        creation_grace_period: formatDuration(aheadMs),
        max_total_query_length: formatDuration(lengthMs),
        max_query_lookback: formatDuration(lookbackMs),
        query_timeout: formatDuration(timeoutMs),
        compactor_blocks_retention_period_seconds: (retentionMs || settings.retentionMs) / SECOND,
      };
    },
    headChunks: tsdb.headChunks,
    writeSamples: sampleWriter(tsdb.core),
    networkVersions: (tenant) => parts.versionsOf(tenant).list(),
    workloads: passes.views,
    picture: (tenant, policy, range, stepMs) =>
      readState(storage.tenant(tenant), policy, demandLabels(policy, policy.demands[0]!), range, stepMs),
    replay: async () => replay?.(),
    status: async (tenant) => {
      const { series, samples } = tsdb.statsOf(tenant);
      const [ofPolicies, { unreadable }] = await Promise.all([policies.problems(), policies.inForce()]);
      const held = unreadable.length === 0 ? [] : [NOT_RELEASED];
      const ofStore = tsdb.stats().faults.filter((fault) => fault.tenant === undefined || fault.tenant === tenant);
      const chores = ofStore.map(({ chore, place, message }) => `the store cannot ${chore} ${place}: ${message}`);
      const shared = [...parts.coordination.problems(), ...(parts.samples.engine?.problems() ?? [])];
      return {
        series,
        samples,
        cluster: target.name,
        problems: [...ofPolicies, ...held, ...others.problems(tenant), ...chores, ...shared],
      };
    },
    routes: [
      ...others.routes,
      (router) =>
        importRoute(router, {
          callerOf,
          importLines: async (tenant, lines) => {
            using admission = await parts.intake.admit(tenant);
            const report = await importLines(lines, {
              limits: labelLimitsOf(admission.limits),
              async backfill(runs) {
                await admission.turn();
                return await storage.tenant(tenant).backfill(runs);
              },
            });
            for (const outcome of ['appended', 'duplicates', 'conflicts', 'outOfBounds'] as const) {
              metrics.backfilledSamples.inc({ outcome }, report[outcome]);
            }
            historyChanged(tenant);
            return report;
          },
        }),
      (router) =>
        adminRoute(router, {
          callerOf,
          parseSelector: parseSeriesSelector,
          now: clock.now,
          requestBytes: settings.limits.requestBytes,
          deleteSeries:
            settings.storage.kind !== 'embedded'
              ? undefined
              : async (tenant, matcherSets, range) => {
                  const deleted = await tsdb.deleteSeries(tenant, matcherSets, range);
                  log.warn({ tenant, deleted }, 'samples were deleted on request');
                  historyChanged(tenant);
                },
          snapshotState: () => tsdb.snapshotState(),
          async takeSnapshot() {
            const taken = await tsdb.takeSnapshot();
            log.info(taken, 'a snapshot was taken on request');
            return taken;
          },
        }),
    ],
  });
  /** What every way in counts of what a tenant sent. */
  function tellRequest(
    id: TenantId,
    of: { readonly items: number; readonly stored: number; readonly dropped: ReadonlyMap<string, number> },
  ): void {
    const tenant = parts.tenantNames(id);
    metrics.ingestSamples.inc(of.stored);
    metrics.tenantSamples.inc({ tenant }, of.items);
    for (const [reason, count] of of.dropped) metrics.droppedSamples.inc({ reason, tenant }, count);
  }

  function tellAnswer(protocol: string, { tenant: id, status, refusal, seconds, receivedBytes }: WriteAnswer): void {
    const tenant = id && parts.tenantNames(id);
    if (tenant !== undefined) metrics.tenantBytes.inc({ tenant }, receivedBytes);
    if (tenant !== undefined && refusal !== undefined) metrics.tenantRefusals.inc({ tenant, reason: refusal });
    metrics.ingestRequests.inc({ protocol, code: String(status) });
    metrics.ingestBytes.inc(receivedBytes);
    metrics.ingestSeconds.observe({ protocol }, seconds);
  }

  const rule = tenantRuleOf(settings.tenancy);
  const byLabel = rule && {
    rule,
    senderOf: (request: IncomingMessage) => requireRole(senderOf(request), 'writer'),
  };
  const onDropped = (reason: string, count: number) => metrics.droppedSamples.inc({ reason }, count);

  const receive = writeHandler({
    storage: parts.samples.receiver,
    labels: tsdb.labels,
    callerOf: (request) => requireRole(callerOf(request), 'writer'),
    statusOf: (error) =>
      error instanceof CodedError ? answerOf(error, { method: 'POST', path: 'write' }, log).status : undefined,
    intake: parts.intake,
    byLabel,
    onDropped,
    onRequest: (id, { items, stored, dropped }) => tellRequest(id, { items, stored: stored.samples, dropped }),
    onAnswer: (of) => tellAnswer(of.protocol === '2.0' ? 'remote-write-2' : 'remote-write-1', of),
    onError: (error) => log.error({ err: error }, 'cannot store a write request'),
    limits: {
      maxCompressedBytes: settings.limits.writeBytes,
      maxDecodedBytes: settings.limits.writeBytes,
    },
  });

  const { translationStrategy, ...promoted } = settings.otlp;
  const receiveOtlp = otlpHandler({
    storage: parts.samples.receiver,
    translation: { strategy: translationStrategy, ...promoted },
    memory: { memory: tsdb.labels.memory, core: tsdb.core },
    now: clock.now,
    callerOf: (request) => requireRole(callerOf(request), 'writer'),
    statusOf: (error) =>
      error instanceof CodedError ? answerOf(error, { method: 'POST', path: 'otlp' }, log).status : undefined,
    byLabel,
    onDropped,
    onRequest: tellRequest,
    onAnswer: (of) => tellAnswer('otlp', of),
    intake: parts.intake,
    onError: (error) => log.error({ err: error }, 'cannot store an OTLP request'),
    maxBytes: settings.limits.writeBytes,
  });

  async function planNow(tenant: TenantId, policy: ScalingPolicy) {
    const observed = await observe(policy, clock.now(), {
      instant: storage.tenant(tenant).instant,
      latestForecast: forecasts.tenant(tenant).latest,
      readTarget: target.cluster.read,
      memoryOf: ledger.tenant(tenant).memoryOf,
      monthOf: (...of) => parts.months.monthOf(tenant, ...of),
      ceilingsOf: (of) => parts.ceilings.of(tenant, of),
      leadTimeOf: (...of) => parts.leadTimes.leadTimeOf(tenant, ...of),
      capacityOf: (...of) => parts.capacities.capacityOf(tenant, ...of),
    });
    if (observed.kind === 'missing') throw new NotFoundError(observed.message);
    const { input } = observed;
    const plan = planReplicas(input);
    return { input, plan, sentences: plan.reasons.map(reasonText) };
  }

  const receiveInflux = influxHandlers({
    storage: parts.samples.receiver,
    now: clock.now,
    callerOf: (request) => requireRole(callerOf(request), 'writer'),
    statusOf: (error) =>
      error instanceof CodedError ? answerOf(error, { method: 'POST', path: 'influx' }, log).status : undefined,
    byLabel,
    onRequest: tellRequest,
    onAnswer: (of) => tellAnswer('influx', of),
    intake: parts.intake,
    onError: (error) => log.error({ err: error }, 'cannot store line protocol'),
    maxBytes: settings.limits.writeBytes,
  });

  /** Requests for these paths go to their handlers at once. */
  const rawHandlers = new Map([
    ['/api/v1/write', receive],
    ['/api/v1/push', receive],
    ['/api/v1/otlp/v1/metrics', receiveOtlp],
    ['/otlp/v1/metrics', receiveOtlp],
    ...receiveInflux,
  ]);
  return { handler, rawHandlers };
}
