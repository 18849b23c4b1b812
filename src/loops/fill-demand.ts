import { labelsKey } from '../model/labels.ts';
import type { TenantId } from '../model/tenant.ts';
import { MINUTE, type Millis } from '../model/time.ts';
import { targetOf } from '../observe/observe.ts';
import { idOf, type TenantDemand } from './demand-inputs.ts';
import { completeDemand, type DemandStorage, demandLabels, lastStepBefore } from './demand-series.ts';
import type { Share } from './share.ts';
import { type LoopTelemetry, reasonOf } from './telemetry.ts';
import type { TenantPolicy } from './tenant-policy.ts';

export interface FillDemandDeps {
  readonly now: () => Millis;
  readonly telemetry: LoopTelemetry;
  readonly policies: () => Promise<readonly TenantPolicy[]>;
  readonly storageOf: (tenant: TenantId) => DemandStorage;
  readonly share: Share;
}

/** By then what was recorded around a take-over has arrived, and can be told from what was not. */
const SETTLED_MS = 5 * MINUTE;

/**
 * Records what nobody recorded: the steps around a take-over, when the one that recorded a demand was gone and the next
 * one did not yet act; and the whole past of a demand that nobody recorded before. Once for each tenure.
 */
export function openFillDemand(deps: FillDemandDeps) {
  const { telemetry } = deps;
  /** By demand: the tenure, when it was first seen, and whether its gap is filled. */
  const tenures = new Map<string, { readonly tenure: string; readonly since: Millis; readonly filled: boolean }>();

  async function fill(demand: TenantDemand, tenure: string, signal: AbortSignal): Promise<void> {
    const { tenant, policy, spec } = demand;
    const id = idOf(demand);
    const labels = demandLabels(policy, spec);
    const whose = `${tenure} ${labelsKey(labels)}`;
    const known = tenures.get(id);
    if (known?.tenure !== whose) {
      tenures.set(id, { tenure: whose, since: deps.now(), filled: false });
      return;
    }
    if (known.filled || deps.now() - known.since < 2 * SETTLED_MS) return;
    const end = lastStepBefore(deps.now() - SETTLED_MS, spec.stepMs);
    const start = end - Math.floor(spec.historyMs / spec.stepMs) * spec.stepMs;
    await completeDemand(deps.storageOf(tenant), labels, spec, { start, end }, signal);
    tenures.set(id, { ...known, filled: true });
  }

  return {
    async pass(signal: AbortSignal): Promise<void> {
      const seen = new Set<string>();
      for (const { tenant, policy } of await deps.policies()) {
        const tenure = deps.share.tenureOf(targetOf(policy));
        if (tenure === undefined) continue;
        for (const spec of policy.demands) {
          const demand: TenantDemand = { tenant, policy, spec };
          seen.add(idOf(demand));
          try {
            await fill(demand, tenure, signal);
          } catch (error) {
            if (signal.aborted) return;
            telemetry.count('loopFailures', { loop: 'fill-demand', reason: reasonOf(error) });
            telemetry.log.warn(
              { err: error, namespace: policy.namespace, policy: policy.name },
              `cannot record what is missing of the demand ${spec.name} yet`,
            );
          }
        }
      }
      for (const id of tenures.keys()) if (!seen.has(id)) tenures.delete(id);
    },
  };
}
