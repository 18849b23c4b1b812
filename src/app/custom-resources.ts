import type { Settings } from '../config/load.ts';
import { policyResourceReader } from '../config/policy-resources.ts';
import type { PolicyStore } from '../config/policy-store.ts';
import { openKubeApi } from '../kube/api.ts';
import { openPolicyWatch, type PolicyWatch } from '../kube/policies.ts';
import { announceAtPolicy, type PolicyResourceId, writePolicyStatus } from '../kube/policy-status.ts';
import { openStatusLoop, type StatusSubject } from '../loops/status-loop.ts';
import type { LoopTelemetry } from '../loops/telemetry.ts';
import type { Clock } from '../model/clock.ts';
import type { Announcement } from '../scaling/cluster.ts';
import type { PolicyStatus } from '../scaling/policy-status.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { WorkloadPasses } from './workload-passes.ts';

/** The cluster's ScalingPolicies: the third source of policies, and where each is told what became of it. */
export interface CustomResources extends PolicyWatch {
  readonly write: (id: PolicyResourceId, status: PolicyStatus, signal: AbortSignal) => Promise<'written' | 'gone'>;
  readonly announce: (id: PolicyResourceId, event: Announcement, signal: AbortSignal) => Promise<void>;
  readonly close: () => Promise<void>;
}

interface Deps {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** What of all parts this needs. */
export interface CustomResourceParts {
  readonly customResources: CustomResources | undefined;
  readonly policies: Pick<PolicyStore, 'resources'>;
  readonly clock: Clock;
  readonly telemetry: LoopTelemetry;
  readonly settings: Pick<Settings, 'loops'>;
}

/** Undefined where there is no cluster to have any. Nothing is asked before `run`. */
export async function openCustomResources(
  { kubernetes: access, customResources }: Pick<Settings, 'kubernetes' | 'customResources'>,
  { clock, metrics, log }: Deps,
): Promise<CustomResources | undefined> {
  if (access.kind === 'off' || !customResources) return undefined;
  const api = await openKubeApi({
    ...(access.kind === 'kubeconfig' && { kubeconfig: access.path }),
    ...(access.kind === 'kubeconfig' && access.context !== undefined && { context: access.context }),
  });
  let said = '';
  const watch = openPolicyWatch({
    api,
    clock,
    random: Math.random,
    onEnd: (reason, message) => {
      metrics.policyWatchEnds.inc({ reason });
      if (reason === 'timeout' || message === said) return;
      said = message;
      log[reason === 'absent' ? 'info' : 'warn']({ reason }, `the watch of scaling policies ended: ${message}`);
    },
  });
  return {
    ...watch,
    write: (id, status, signal) => writePolicyStatus(api, id, status, signal),
    announce: (id, event, signal) => announceAtPolicy(api, id, event, signal),
    close: async () => await api[Symbol.asyncDispose](),
  };
}

/** What the policy store reads of them. */
export function readerOf(resources: CustomResources | undefined, deps: Parameters<typeof policyResourceReader>[1]) {
  return resources === undefined ? undefined : policyResourceReader(resources.current, deps);
}

/** Watches them, and tells each what became of it. */
export async function runCustomResources(
  { customResources, policies, clock, telemetry, settings }: CustomResourceParts,
  passes: WorkloadPasses,
  signal: AbortSignal,
): Promise<void> {
  if (customResources === undefined) return;
  const { current, write, announce } = customResources;

  async function subjects(): Promise<readonly StatusSubject[]> {
    const verdicts = new Map((await policies.resources()).map((verdict) => [verdict.resource.uid, verdict]));
    return current().resources.flatMap(({ namespace, name, uid, apiVersion, generation, status }): StatusSubject[] => {
      const verdict = verdicts.get(uid);
      // It came, or changed, since the store looked: the next pass tells of it.
      if (verdict === undefined || verdict.resource.generation !== generation) return [];
      const { kind, message, conflict, stored } = verdict;
      const inForce = kind === 'overridden' ? undefined : stored;
      const notes = inForce && passes.notesOf(inForce.tenant, inForce.policy);
      // No pass has seen it as it is now, or it is another replica's to scale and to tell of.
      if (inForce !== undefined && notes === undefined) return [];
      return [
        {
          id: { namespace, name, uid, apiVersion },
          generation,
          previous: status,
          verdict: { kind, message, ...(conflict !== undefined && { conflict }) },
          policy: inForce?.policy,
          last: inForce && passes.draftOf(inForce.tenant, inForce.policy),
          notes,
        },
      ];
    });
  }

  const loop = openStatusLoop({ clock, telemetry, subjects, write, announce, intervalMs: settings.loops.scaleMs });
  await Promise.all([customResources.run(signal), loop.run(signal)]);
}
