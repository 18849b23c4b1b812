import type { TenantId } from '../model/tenant.ts';
import { DAY, MINUTE, type Millis } from '../model/time.ts';
import type { TargetState } from '../scaling/cluster.ts';
import { estimateLeadTime, type PodStart, withStarts } from '../scaling/lead-time-estimate.ts';
import type { LeadTime } from '../scaling/plan-types.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import { decodeJson, encodeJson } from '../storage/json-value.ts';
import { type KeyValue, keysUnder } from '../storage/key-value.ts';
import { leadTimeOf } from './lead-time.ts';

/** How pods of a workload started, as the cluster tells it. */
export type ReadPodStarts = (
  workload: { readonly namespace: string } & TargetState['workload'],
  signal?: AbortSignal,
) => Promise<readonly PodStart[]>;

export interface LeadTimeLearner {
  /** The policy's lead time now. Pods are looked at every five minutes at most. */
  leadTimeOf(
    tenant: TenantId,
    policy: ScalingPolicy,
    workload: TargetState['workload'],
    now: Millis,
    signal?: AbortSignal,
  ): Promise<LeadTime>;
  /** As it was last learned, ms; undefined where nothing was. */
  learnedMs(tenant: TenantId, policy: ScalingPolicy): number | undefined;
  /** Deletes what nobody has learned from for 90 days. @returns How many. */
  sweep(now: Millis): Promise<number>;
}

const LOOKED_EVERY_MS = 5 * MINUTE;
const KEPT_MS = 90 * DAY;
const PREFIX = 'lead-time/';

interface Kept {
  readonly workload: string;
  readonly starts: readonly PodStart[];
  /** The lead time in force. */
  readonly ms?: number;
}

/** Keeps how pods started in a `KeyValue`: most starts are over long before the next one is needed. */
export async function openLeadTimeLearner(
  keyValue: KeyValue,
  readPodStarts: ReadPodStarts | undefined,
): Promise<LeadTimeLearner> {
  const known = new Map<string, Kept>();
  const lookedAt = new Map<string, { readonly at: Millis; readonly trouble: string | undefined }>();
  for await (const [key, value] of keyValue.list(keysUnder(PREFIX))) known.set(key, decodeJson<Kept>(value));

  /** @returns Why it could not look, if so. */
  async function look(
    key: string,
    workload: string,
    of: Parameters<ReadPodStarts>[0],
    now: Millis,
    signal?: AbortSignal,
  ) {
    if (readPodStarts === undefined) return 'there is no cluster to see pods in';
    const before = known.get(key);
    // Pods of another workload say nothing of this one's.
    const kept: Kept = before?.workload === workload ? before : { workload, starts: [] };
    try {
      const starts = withStarts(kept.starts, await readPodStarts(of, signal));
      const estimate = estimateLeadTime(starts, now, kept.ms);
      const next: Kept = { workload, starts, ...(estimate.kind === 'learned' && { ms: estimate.ms }) };
      if (before === kept && starts === kept.starts && next.ms === kept.ms) return undefined;
      known.set(key, next);
      await keyValue.write([{ key, value: encodeJson(next) }]);
      return undefined;
    } catch (error) {
      if (signal?.aborted === true) throw error;
      return (error as Error).message;
    }
  }

  return {
    async leadTimeOf(tenant, policy, scaled, now, signal) {
      if (policy.leadTime.kind === 'given') return leadTimeOf(policy);
      const key = keyOf(tenant, policy);
      const last = lookedAt.get(key);
      const workload = `${scaled.kind}/${scaled.name}`;
      let trouble = last?.trouble;
      if (last === undefined || Math.abs(now - last.at) >= LOOKED_EVERY_MS || known.get(key)?.workload !== workload) {
        trouble = await look(key, workload, { namespace: policy.namespace, ...scaled }, now, signal);
        lookedAt.set(key, { at: now, trouble });
      }
      const { starts = [], ms } = known.get(key) ?? {};
      const estimate = estimateLeadTime(starts, now, ms);
      if (estimate.kind === 'learned') return { ms: ms ?? estimate.ms, source: 'learned', figures: estimate.figures };
      const why = trouble ?? `${estimate.have} starts of pods were seen, and ${estimate.need} are needed`;
      return { ...leadTimeOf(policy), why };
    },
    learnedMs: (tenant, policy) =>
      policy.leadTime.kind === 'given' ? undefined : known.get(keyOf(tenant, policy))?.ms,
    async sweep(now) {
      const old = [...known].filter(([, { starts }]) => (starts.at(-1)?.createdAt ?? 0) < now - KEPT_MS);
      for (const [key] of old) known.delete(key);
      if (old.length > 0) await keyValue.write(old.map(([key]) => ({ key, value: undefined })));
      return old.length;
    },
  };
}

function keyOf(tenant: TenantId, { namespace, name }: ScalingPolicy): string {
  return `${PREFIX}${tenant}/${namespace}/${name}`;
}
