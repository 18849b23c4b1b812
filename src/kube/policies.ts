import type { Clock } from '../model/clock.ts';
import { MINUTE, type Millis, SECOND } from '../model/time.ts';
import type { PolicyStatus } from '../scaling/policy-status.ts';
import { type KubeApi, messageOf } from './api.ts';
import { KubernetesApiError } from './errors.ts';
import { linesOf, messageIn } from './watch-lines.ts';

/** A ScalingPolicy as the cluster has it. Its spec is as the API server took it: nobody else has checked it. */
export interface PolicyResource {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  readonly resourceVersion: string;
  readonly apiVersion: string;
  readonly spec: unknown;
  readonly status: PolicyStatus | undefined;
}

export interface PolicyResources {
  /** By namespace and name. After a dropped watch, those that were known before. */
  readonly resources: readonly PolicyResource[];
  /** Why there may be more than these, where that is so: nothing is released meanwhile. */
  readonly unread: string | undefined;
}

export interface PolicyWatch {
  /** What is known now. */
  current(): PolicyResources;
  /** Lists, watches, and begins anew where that ends, until aborted. */
  run(signal: AbortSignal): Promise<void>;
}

export interface PolicyWatchDeps {
  readonly api: Pick<KubeApi, 'request' | 'stream'>;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  /** A watch ended: `timeout` is its own end, `gone` means that events were missed. */
  readonly onEnd: (reason: WatchEnd, message: string) => void;
}

export type WatchEnd = 'timeout' | 'gone' | 'closed' | 'refused' | 'absent';

const POLICIES_PATH = '/apis/foresail.dev/v1alpha1/scalingpolicies';
const PAGE = '500';
/** The API server ends a watch after this, up to twice as long; a connection that died in silence is noticed by it. */
const WATCH_SECONDS = 180;
const GRACE_MS = 15 * SECOND;
/** A pass of list and watch that lasted so long was a good one. */
const LASTED_MS = 10 * SECOND;
const BACKOFF_MS = { first: SECOND, longest: 30 * SECOND };
/**
 * A definition that is gone took every policy with it. An API server that starts may say so by mistake for a moment:
 * it is believed once it has been said for so long.
 */
const ABSENT_MS = 2 * MINUTE;

interface Entry {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: unknown;
}

interface RawPolicy {
  readonly apiVersion?: string;
  readonly metadata: {
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly generation?: number;
    readonly deletionTimestamp?: string;
  };
  readonly spec?: unknown;
  readonly status?: PolicyStatus;
}

/** Keeps what ScalingPolicies the cluster has: a list, then a watch from where it ended. */
export function openPolicyWatch({ api, clock, random, onEnd }: PolicyWatchDeps): PolicyWatch {
  let known = new Map<string, PolicyResource>();
  let unread: string | undefined = 'the custom resources of this cluster have not been listed yet';
  let absentSince: Millis | undefined;
  let sorted: readonly PolicyResource[] | undefined;
  /** Where the watch goes on. Undefined: all must be listed anew. */
  let version: string | undefined;

  const keep = (raw: RawPolicy) => {
    // One that is being deleted waits for somebody's finalizer only.
    if (raw.metadata.deletionTimestamp === undefined) known.set(keyOf(raw), resourceOf(raw));
    else known.delete(keyOf(raw));
    sorted = undefined;
  };

  async function list(signal: AbortSignal): Promise<void> {
    const found: RawPolicy[] = [];
    for (let page = ''; ; ) {
      const query = { limit: PAGE, ...(page !== '' && { continue: page }) };
      const answer = await api.request({ method: 'GET', path: POLICIES_PATH, query }, signal);
      if (answer.status === 404) return absent();
      if (answer.status !== 200) {
        throw new KubernetesApiError(`cannot list the scaling policies: ${messageOf(answer)}`, answer.status);
      }
      const body = answer.body as {
        readonly items: readonly RawPolicy[];
        readonly metadata: { readonly continue?: string; readonly resourceVersion: string };
      };
      found.push(...body.items);
      page = body.metadata.continue ?? '';
      if (page !== '') continue;
      known = new Map();
      for (const raw of found) keep(raw);
      sorted = undefined;
      unread = undefined;
      absentSince = undefined;
      version = body.metadata.resourceVersion;
      return;
    }
  }

  function absent(): void {
    absentSince ??= clock.now();
    if (known.size === 0 || clock.now() - absentSince >= ABSENT_MS) {
      known = new Map();
      sorted = undefined;
      unread = undefined;
    } else unread = 'the API server does not know scaling policies just now';
  }

  /** Follows events until the server ends it. */
  async function watch(from: string, signal: AbortSignal): Promise<void> {
    const seconds = Math.round(WATCH_SECONDS * (1 + random()));
    const query = {
      watch: '1',
      allowWatchBookmarks: 'true',
      resourceVersion: from,
      timeoutSeconds: String(seconds),
    };
    const late = AbortSignal.timeout(seconds * SECOND + GRACE_MS);
    const { status, parts } = await api.stream(
      { method: 'GET', path: POLICIES_PATH, query },
      AbortSignal.any([signal, late]),
    );
    if (status === 410) return gone('the version to watch from is too old');
    for await (const line of linesOf(parts)) {
      if (status !== 200) {
        throw new KubernetesApiError(`cannot watch the scaling policies: ${messageIn(line, status)}`, status);
      }
      const { type, object } = JSON.parse(line) as Entry;
      if (type === 'ERROR') {
        const { code, message } = object as { readonly code?: number; readonly message?: string };
        if (code === 410) return gone(message ?? 'too old');
        throw new KubernetesApiError(`the watch of the scaling policies ended: ${message ?? code}`, code ?? 0);
      }
      const raw = object as RawPolicy;
      if (type === 'DELETED') {
        known.delete(keyOf(raw));
        sorted = undefined;
      } else if (type !== 'BOOKMARK') keep(raw);
      version = raw.metadata.resourceVersion;
    }
    if (status !== 200) throw new KubernetesApiError('cannot watch the scaling policies', status);
    onEnd('timeout', 'the watch came to its end');
  }

  function gone(message: string): void {
    version = undefined;
    onEnd('gone', message);
  }

  return {
    current() {
      sorted ??= [...known].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, resource]) => resource);
      return { resources: sorted, unread };
    },
    async run(signal) {
      let waitMs = BACKOFF_MS.first;
      while (!signal.aborted) {
        const began = clock.now();
        try {
          if (version === undefined) await list(signal);
          if (version !== undefined) await watch(version, signal);
          else onEnd('absent', 'the cluster has no definition of scaling policies');
        } catch (error) {
          if (signal.aborted) return;
          const refused = error instanceof KubernetesApiError && error.status !== 0;
          // A broken connection goes on from the version that was reached; after a refusal all is listed anew.
          if (refused) version = undefined;
          if (unread !== undefined) unread = (error as Error).message;
          onEnd(refused ? 'refused' : 'closed', (error as Error).message);
        }
        // A server that ends watches at once is asked as seldom as one that refuses.
        if (clock.now() - began >= LASTED_MS) waitMs = BACKOFF_MS.first;
        else {
          await clock.sleep(waitMs * (0.5 + random() / 2), signal).catch(() => {});
          waitMs = Math.min(waitMs * 2, BACKOFF_MS.longest);
        }
      }
    },
  };
}

function resourceOf({ apiVersion = 'foresail.dev/v1alpha1', metadata, spec, status }: RawPolicy): PolicyResource {
  const { namespace, name, uid, generation = 0, resourceVersion } = metadata;
  return { namespace, name, uid, generation, resourceVersion, apiVersion, spec, status };
}

function keyOf({ metadata }: RawPolicy): string {
  return `${metadata.namespace}/${metadata.name}`;
}
