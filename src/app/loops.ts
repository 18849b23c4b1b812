import { openForecastLoop } from '../loops/forecast-loop.ts';
import { runRetentionLoop } from '../loops/retention-loop.ts';
import { runLoop } from '../loops/run-loop.ts';
import { openScaleLoop } from '../loops/scale-loop.ts';
import { reasonOf } from '../loops/telemetry.ts';
import { DEFAULT_TENANT, type TenantId } from '../model/tenant.ts';
import { MINUTE, SECOND } from '../model/time.ts';
import { stateSeries } from '../observe/workload-state.ts';
import type { DecisionDraft } from '../scaling/decision-types.ts';
import { appendSeries } from '../storage/append-series.ts';
import { runCustomResources } from './custom-resources.ts';
import { runEngineLoops } from './engine-loops.ts';
import type { ExternalMetrics } from './external-metrics.ts';
import { openForecasters } from './forecasters.ts';
import type { Parts } from './parts.ts';
import { updatePointGauges } from './point-gauges.ts';
import { updatePolicyGauges } from './policy-gauges.ts';
import { openSharedPlans } from './shared-plans.ts';
import { openTraining } from './training.ts';
import type { WorkloadPasses } from './workload-passes.ts';

const MAINTAIN_EVERY_MS = MINUTE;
/** As often as a Prometheus looks, or as passes are made where those are quicker. */
const GAUGES_EVERY_MS = 15 * SECOND;

export type Loops = ReturnType<typeof openLoops>;

/** Ties the loops to the parts. Nothing moves before `run`. */
export function openLoops(parts: Parts, passes: WorkloadPasses, board: ExternalMetrics['board']) {
  const { settings, clock, telemetry, metrics, tsdb, storage, ledger, forecasts, states, policies, target } = parts;
  const forecasters = openForecasters(parts);
  const trainingLoop = openTraining(parts);
  const shared = openSharedPlans(parts, board);
  const forecastLoop = openForecastLoop({
    clock,
    telemetry,
    policies: policies.list,
    storageOf: parts.samples.own,
    forecastsOf: forecasts.tenant,
    statesOf: states.tenant,
    forecasters,
    calendarOf: parts.calendarOf,
    anomaliesOf: (
      {
        tenant,
        policy: {
          namespace,
          name,
          target: { name: workload },
        },
        spec,
      },
      range,
    ) => parts.anomalies.tenant(tenant).confirmed({ namespace, policy: name, workload, demand: spec.name }, range),
    networkOf: parts.networks.versionOf,
    learnedLeadMs: shared.learnedLeadMs,
    onDrift: trainingLoop.drifted,
  });
  const scaleLoop = openScaleLoop({
    onPass: passes.noted,
    onElsewhere: passes.left,
    onPlan(draft) {
      board.planned(draft);
      shared.publish(draft);
    },
    clock,
    telemetry,
    policies: policies.inForce,
    tenantOf: (namespace) =>
      settings.tenancy.on ? (settings.tenancy.namespaces.get(namespace) ?? DEFAULT_TENANT) : DEFAULT_TENANT,
    cluster: target.cluster,
    share: parts.coordination.membership,
    storageOf: storage.tenant,
    forecastsOf: (tenant) => board.watching(tenant, forecasts.tenant(tenant)),
    ledgerOf: (tenant) => ({
      ...ledger.tenant(tenant),
      record: async (draft) => {
        passes.decided(tenant, draft);
        const kept = await ledger.tenant(tenant).record(draft);
        await appendState(tenant, draft);
        return kept;
      },
    }),
    capacityOf: parts.capacities.capacityOf,
    leadTimeOf(tenant, policy, workload, now, aborted) {
      parts.deploys.noted(tenant, policy, workload, now);
      return parts.leadTimes.leadTimeOf(tenant, policy, workload, now, aborted);
    },
    monthOf: parts.months.monthOf,
    ceilingsOf: parts.ceilings.of,
    intervalMs: settings.loops.scaleMs,
  });

  /** The pictures can do without a point; the decision is kept already. */
  async function appendState(tenant: TenantId, draft: DecisionDraft): Promise<void> {
    try {
      const { dropped } = await appendSeries(parts.samples.own(tenant), stateSeries(draft));
      for (const outcome of Object.keys(dropped)) {
        telemetry.count('loopSkips', { loop: 'scale', reason: `state-sample-${outcome}` });
      }
    } catch (error) {
      telemetry.count('loopFailures', { loop: 'scale', reason: `state-series-${reasonOf(error)}` });
    }
  }

  async function sweepStates(): Promise<void> {
    const { policies: inForce, unreadable, broken } = await policies.inForce();
    // A policy that cannot be read now may still be meant to be.
    if (unreadable.length > 0 || broken.length > 0) return;
    await states.sweep(inForce.map(({ tenant, policy: { namespace, name } }) => ({ tenant, namespace, policy: name })));
  }

  const sweeps = [
    { name: 'decisions', sweep: ledger.sweep },
    { name: 'forecasts', sweep: forecasts.sweep },
    { name: 'lead times', sweep: parts.leadTimes.sweep },
    { name: 'forecaster states', sweep: sweepStates },
  ];
  const maintain = async () => {
    await tsdb.maintain(clock.now());
  };
  const makePoints = async (ending: AbortSignal) => {
    await tsdb.makePoints(clock.now(), ending);
  };
  const updateGauges = async () => {
    await updatePointGauges(metrics, tsdb, clock.now());
    metrics.samplesInMemory.set(tsdb.stats().samples);
    metrics.storeBytes.set(await tsdb.sizeOnDisk());
    const series = new Map<string, number>();
    for (const id of await storage.tenants()) {
      const tenant = parts.tenantNames(id);
      series.set(tenant, (series.get(tenant) ?? 0) + tsdb.seriesOf(id));
    }
    for (const [tenant, count] of series) metrics.series.set({ tenant }, count);
    const inForce = await policies.list();
    passes.keepOnly(inForce);
    parts.accuracyGauges.update(passes.drafts());
    updatePolicyGauges(metrics, passes, inForce);
    metrics.policyTroubles.reset();
    for (const tenant of new Set(inForce.map((stored) => stored.tenant))) {
      for (const { policy, troubles } of await passes.views(tenant)) {
        metrics.policyTroubles.set({ namespace: policy.namespace, policy: policy.name }, troubles.length);
      }
    }
    const waiting = forecasters.waiting();
    metrics.forecastQueue.set({ kind: 'predict' }, waiting.soon);
    metrics.forecastQueue.set({ kind: 'learn' }, waiting.learning);
    metrics.policyProblems.set((await policies.problems()).length);
  };

  const gaugesEveryMs = Math.min(GAUGES_EVERY_MS, settings.loops.scaleMs);
  return {
    close: () => forecasters[Symbol.asyncDispose](),
    historyChanged: forecastLoop.historyChanged,
    anomaliesChanged: forecastLoop.anomaliesChanged,
    recordedThrough: forecastLoop.recordedThrough,
    async run(signal: AbortSignal): Promise<void> {
      const { membership } = parts.coordination;
      await Promise.all([
        forecastLoop.run(signal),
        scaleLoop.run(signal),
        parts.coordination.run(signal),
        runEngineLoops(parts, shared, signal),
        trainingLoop.run(signal),
        runCustomResources(parts, passes, signal),
        runRetentionLoop({ clock, telemetry, sweeps }, signal),
        runLoop({ name: 'maintain', intervalMs: MAINTAIN_EVERY_MS, clock, telemetry }, maintain, signal),
        settings.downsampling.length > 0 &&
          runLoop({ name: 'points', intervalMs: MAINTAIN_EVERY_MS, clock, telemetry }, makePoints, signal),
        runLoop({ name: 'gauges', intervalMs: gaugesEveryMs, clock, telemetry }, updateGauges, signal),
      ]);
      await membership?.leave().catch((error: unknown) => {
        parts.log.warn({ err: error }, 'cannot give the lease back: others wait until it runs out');
      });
    },
  };
}
