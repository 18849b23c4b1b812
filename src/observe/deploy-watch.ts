import type { Deploy, PodRevision } from '../model/deploy.ts';
import type { TenantId } from '../model/tenant.ts';
import { DAY, MINUTE, type Millis, SECOND, type TimeRange } from '../model/time.ts';
import type { TargetState } from '../scaling/cluster.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import { decodeJson, encodeJson } from '../storage/json-value.ts';
import { type KeyValue, keysUnder } from '../storage/key-value.ts';

/** The pods of a workload with the templates that they were made from. */
export type ReadPodRevisions = (
  workload: { readonly namespace: string } & TargetState['workload'],
  signal?: AbortSignal,
) => Promise<readonly PodRevision[]>;

export interface DeployWatchDeps {
  readonly keyValue: KeyValue;
  /** Undefined: there is no cluster. */
  readonly readPodRevisions: ReadPodRevisions | undefined;
  readonly onFailure: (error: Error) => void;
}

export type DeployWatch = Awaited<ReturnType<typeof openDeployWatch>>;

/** What the last look at a workload's pods has shown. */
export interface SeenRevisions {
  /** The one that was deployed last. */
  readonly current: string;
  /** All that had pods. */
  readonly present: readonly string[];
}

interface Kept {
  readonly workload: string;
  readonly seen: SeenRevisions | undefined;
  /** In order of time. */
  readonly deploys: readonly Deploy[];
}

const PREFIX = 'deploys/';
/** So often is a workload looked at; of many more seldom, so that the API server is asked five times a second at most. */
const LOOKED_EVERY_MS = 30 * SECOND;
const LOOKED_EVERY_MS_A_WORKLOAD = SECOND / 5;
const AT_ONCE = 4;
/** A failure is tried again after this. */
const RETRY_MS = 5 * MINUTE;
const KEPT_MS = 30 * DAY;
const MOST_DEPLOYS = 20;

/**
 * What a look at a workload's pods shows beside the one before: `since` is when the first pod of another template was
 * made. Scaling makes pods of the template that is in force, and is no deploy.
 */
export function compareRevisions(
  before: SeenRevisions | undefined,
  pods: readonly PodRevision[],
  now: Millis,
): { readonly seen: SeenRevisions | undefined; readonly since: Millis | undefined } {
  // Scaled to zero, or between two pods: the next ones tell.
  if (pods.length === 0) return { seen: before, since: undefined };
  const present = [...new Set(pods.map(({ revision }) => revision))];
  const isNew = (revision: string) => before !== undefined && !before.present.includes(revision);
  const newest = pods.reduce((a, b) => {
    // Creation is told to the second: of two in one second the new one was made later.
    if (a.createdAt !== b.createdAt) return b.createdAt > a.createdAt ? b : a;
    return isNew(b.revision) && !isNew(a.revision) ? b : a;
  }).revision;
  const first = Math.min(...pods.flatMap(({ revision, createdAt }) => (revision === newest ? [createdAt] : [])));
  const known = before?.current ?? (present.length === 1 ? newest : undefined);
  if (newest === known) return { seen: { current: newest, present }, since: undefined };
  // A rollout makes pods of the old template too while it is scaled: it went back once no other one is left.
  const wasThere = before !== undefined && !isNew(newest);
  if (wasThere && present.length > 1) return { seen: { current: before.current, present }, since: undefined };
  return { seen: { current: newest, present }, since: wasThere ? now : first };
}

/** Sees deploys of the workloads that policies scale, from their pods, and keeps them for a month. */
export async function openDeployWatch({ keyValue, readPodRevisions, onFailure }: DeployWatchDeps) {
  const known = new Map<string, Kept>();
  for await (const [key, value] of keyValue.list(keysUnder(PREFIX))) known.set(key, decodeJson<Kept>(value));
  /** Of the workloads that are acted on here. */
  const watched = new Map<string, { of: Parameters<ReadPodRevisions>[0]; dueAt: Millis; notedAt: Millis }>();

  async function look(key: string, of: Parameters<ReadPodRevisions>[0], now: Millis, signal: AbortSignal) {
    const name = `${of.kind}/${of.name}`;
    const last = known.get(key);
    const kept: Kept = last?.workload === name ? last : { workload: name, seen: undefined, deploys: [] };
    const pods = await readPodRevisions!(of, signal);
    const { seen, since } = compareRevisions(kept.seen, pods, now);
    if (seen === undefined || JSON.stringify(seen) === JSON.stringify(kept.seen)) return;
    const images = pods.find(({ revision }) => revision === seen.current)?.images ?? [];
    const deploy = since !== undefined && {
      ...{ namespace: of.namespace, workload: of.name, revision: seen.current, images, at: since },
    };
    const deploys = deploy ? [...kept.deploys, deploy].slice(-MOST_DEPLOYS) : kept.deploys;
    const next: Kept = { workload: name, seen, deploys };
    await keyValue.write([{ key, value: encodeJson(next) }]);
    known.set(key, next);
  }

  return {
    /** A pass has scaled it: it is looked at from now on, until no pass does. */
    noted(tenant: TenantId, policy: ScalingPolicy, workload: TargetState['workload'], now: Millis): void {
      if (readPodRevisions === undefined) return;
      const key = `${PREFIX}${tenant}/${policy.namespace}/${policy.name}`;
      const of = { namespace: policy.namespace, ...workload };
      watched.set(key, { of, dueAt: watched.get(key)?.dueAt ?? now, notedAt: now });
    },

    /** Looks at the pods of the workloads whose turn it is. */
    async pass(now: Millis, signal: AbortSignal): Promise<void> {
      for (const [key, { notedAt }] of watched) if (Math.abs(now - notedAt) > RETRY_MS) watched.delete(key);
      const everyMs = Math.max(LOOKED_EVERY_MS, watched.size * LOOKED_EVERY_MS_A_WORKLOAD);
      const due = [...watched].filter(([, { dueAt }]) => dueAt <= now || dueAt > now + 2 * everyMs + RETRY_MS);
      let next = 0;
      const lane = async () => {
        while (next < due.length && !signal.aborted) {
          const [key, entry] = due[next++]!;
          try {
            await look(key, entry.of, now, signal);
            entry.dueAt = now + everyMs;
          } catch (error) {
            entry.dueAt = now + RETRY_MS;
            if (!signal.aborted) onFailure(error as Error);
          }
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, lane));
    },

    /** The tenant's deploys in a range, both ends included, in order of time. */
    of(tenant: TenantId, { start, end }: TimeRange): readonly Deploy[] {
      const found: Deploy[] = [];
      for (const [key, { deploys }] of known) {
        if (key.startsWith(`${PREFIX}${tenant}/`)) found.push(...deploys.filter(({ at }) => at >= start && at <= end));
      }
      return found.sort((a, b) => a.at - b.at);
    },

    /** Forgets workloads that no policy scales any more. @param inForce `tenant/namespace/policy` of each. */
    async sweep(inForce: ReadonlySet<string>, now: Millis): Promise<void> {
      const gone = [...known.keys()].filter((key) => {
        const latest = known.get(key)?.deploys.at(-1)?.at ?? 0;
        return !inForce.has(key.slice(PREFIX.length)) && latest < now - KEPT_MS;
      });
      for (const key of gone) known.delete(key);
      if (gone.length > 0) await keyValue.write(gone.map((key) => ({ key, value: undefined })));
    },
  };
}
