import { rightPolicy } from '../config/check-policy.ts';
import { isLoopback } from '../config/schema.ts';
import { callerReader, requireRole } from '../http/caller.ts';
import type { ReplayTable } from '../http/deps.ts';
import { answerOf } from '../http/error-handler.ts';
import { NotFoundError } from '../http/errors.ts';
import { createHttpHandler } from '../http/handler.ts';
import { hostCheck } from '../http/host-check.ts';
import { importRoute } from '../http/import-route.ts';
import { decisionView, demandAccuracy, demandForecasts } from '../http/views.ts';
import { importLines } from '../ingest/import.ts';
import { writeHandler } from '../ingest/write-handler.ts';
import { demandLabels } from '../loops/demand-series.ts';
import { CodedError } from '../model/errors.ts';
import type { TenantId } from '../model/tenant.ts';
import { observe } from '../observe/observe.ts';
import { readState } from '../observe/workload-state.ts';
import { parseSeriesSelector } from '../promql/parse-series-selector.ts';
import { planReplicas } from '../scaling/plan.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import { reasonText } from '../scaling/reasons.ts';
import { VERSION } from '../version.ts';
import type { Loops } from './loops.ts';
import type { Parts } from './parts.ts';
import type { WorkloadPasses } from './workload-passes.ts';

export interface HandlerOptions {
  readonly passes: WorkloadPasses;
  /** The tenant's past was imported or changed. */
  readonly historyChanged: Loops['historyChanged'];
  /** The what-if table of the page, where there is one. */
  readonly replay?: (() => ReplayTable | undefined) | undefined;
  /** What is wrong beside the policies, a sentence each. */
  readonly problems: () => readonly string[];
}

const NOT_RELEASED =
  'some policies cannot be read: until they can, no target is released because its policy is not in force';

/** Ties the requests to the parts: `handler` answers all of them but writes, which `receive` takes. */
export function openHandlers(parts: Parts, { passes, historyChanged, replay, ...others }: HandlerOptions) {
  const { jobs, settings, clock, log, startedAt, metrics, tsdb, storage, ledger, forecasts, policies, target } = parts;
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
    networkVersions: (tenant) => parts.versionsOf(tenant).list(),
    workloads: passes.views,
    picture: (tenant, policy, range, stepMs) =>
      readState(storage.tenant(tenant), policy, demandLabels(policy, policy.demands[0]!), range, stepMs),
    replay: async () => replay?.(),
    status: async (tenant) => {
      const { series, samples } = tsdb.statsOf(tenant);
      const [ofPolicies, { unreadable }] = await Promise.all([policies.problems(), policies.inForce()]);
      const held = unreadable.length === 0 ? [] : [NOT_RELEASED];
      const coordination = parts.coordination.problems();
      return {
        series,
        samples,
        cluster: target.name,
        problems: [...ofPolicies, ...held, ...others.problems(), ...coordination],
      };
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
            historyChanged(tenant);
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

  async function planNow(tenant: TenantId, policy: ScalingPolicy) {
    const observed = await observe(policy, clock.now(), {
      instant: storage.tenant(tenant).instant,
      latestForecast: forecasts.tenant(tenant).latest,
      readTarget: target.cluster.read,
      memoryOf: ledger.tenant(tenant).memoryOf,
      monthOf: (...of) => parts.months.monthOf(tenant, ...of),
      leadTimeOf: (...of) => parts.leadTimes.leadTimeOf(tenant, ...of),
      capacityOf: (...of) => parts.capacities.capacityOf(tenant, ...of),
    });
    if (observed.kind === 'missing') throw new NotFoundError(observed.message);
    const { input } = observed;
    const plan = planReplicas(input);
    return { input, plan, sentences: plan.reasons.map(reasonText) };
  }

  return { handler, receive };
}
