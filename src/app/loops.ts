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
import type { ExternalMetrics } from './external-metrics.ts';
import { openForecasters } from './forecasters.ts';
import type { Parts } from './parts.ts';
import { openTraining } from './training.ts';
import type { WorkloadPasses } from './workload-passes.ts';

const MAINTAIN_EVERY_MS = MINUTE;
const GAUGES_EVERY_MS = 15 * SECOND;

export type Loops = ReturnType<typeof openLoops>;

/** Ties the loops to the parts. Nothing moves before `run`. */
export function openLoops(parts: Parts, passes: WorkloadPasses, board: ExternalMetrics['board']) {
  const { settings, clock, telemetry, metrics, tsdb, storage, ledger, forecasts, states, policies, target } = parts;
  const forecasters = openForecasters(parts);
  const trainingLoop = openTraining(parts);
  const forecastLoop = openForecastLoop({
    clock,
    telemetry,
    policies: policies.list,
    storageOf: storage.tenant,
    forecastsOf: forecasts.tenant,
    statesOf: states.tenant,
    forecasters,
    calendarOf: parts.calendarOf,
    networkOf: parts.networks.versionOf,
    learnedLeadMs: parts.leadTimes.learnedMs,
    onDrift: trainingLoop.drifted,
  });
  const scaleLoop = openScaleLoop({
    onPass: passes.noted,
    onElsewhere: passes.left,
    onPlan: board.planned,
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
    leadTimeOf: parts.leadTimes.leadTimeOf,
    monthOf: parts.months.monthOf,
    intervalMs: settings.loops.scaleMs,
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
  const updateGauges = async () => {
    metrics.samplesInMemory.set(tsdb.stats().samples);
    metrics.storeBytes.set(await tsdb.sizeOnDisk());
    for (const tenant of await storage.tenants()) metrics.series.set({ tenant }, tsdb.statsOf(tenant).series);
    const inForce = await policies.list();
    passes.keepOnly(inForce);
    parts.accuracyGauges.update(passes.drafts());
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

  return {
    close: () => forecasters[Symbol.asyncDispose](),
    historyChanged: forecastLoop.historyChanged,
    async run(signal: AbortSignal): Promise<void> {
      const { membership } = parts.coordination;
      await Promise.all([
        forecastLoop.run(signal),
        scaleLoop.run(signal),
        membership?.run(signal),
        trainingLoop.run(signal),
        runCustomResources(parts, passes, signal),
        runRetentionLoop({ clock, telemetry, sweeps }, signal),
        runLoop({ name: 'maintain', intervalMs: MAINTAIN_EVERY_MS, clock, telemetry }, maintain, signal),
        runLoop({ name: 'gauges', intervalMs: GAUGES_EVERY_MS, clock, telemetry }, updateGauges, signal),
      ]);
      await membership?.leave().catch((error: unknown) => {
        parts.log.warn({ err: error }, 'cannot give the lease back: others wait until it runs out');
      });
    },
  };
}
