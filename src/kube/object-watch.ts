import type { Clock } from '../model/clock.ts';
import { SECOND } from '../model/time.ts';
import { type KubeApi, messageOf } from './api.ts';
import { KubernetesApiError } from './errors.ts';
import { linesOf, messageIn } from './watch-lines.ts';

/** What every object has. */
export interface KubeObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly {
      readonly kind: string;
      readonly name: string;
      readonly controller?: boolean;
    }[];
  };
}

export interface ObjectWatchDeps<T extends KubeObject> {
  readonly api: Pick<KubeApi, 'request' | 'stream'>;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  /** `/api/v1/namespaces/shop/pods` */
  readonly path: string;
  readonly selector: { readonly label: string; readonly field: string };
  /** All objects that there are now. Called after the first list and after every change. */
  readonly onChange: (objects: ReadonlyMap<string, T>) => void;
  /** What is known stays meanwhile. */
  readonly onFailure: (error: Error) => void;
}

const PAGE = '500';
/** The API server ends a watch after this, up to twice as long; a connection that died in silence is noticed by it. */
const WATCH_SECONDS = 180;
const GRACE_MS = 15 * SECOND;
const LASTED_MS = 10 * SECOND;
const BACKOFF_MS = { first: SECOND, longest: 30 * SECOND };

/** Keeps the objects of one kind: a list, then a watch from where it ended, and anew where that ends. Until aborted. */
export async function runObjectWatch<T extends KubeObject>(
  { api, clock, random, path, selector, onChange, onFailure }: ObjectWatchDeps<T>,
  signal: AbortSignal,
): Promise<void> {
  let known = new Map<string, T>();
  let version: string | undefined;
  const selected = {
    ...(selector.label !== '' && { labelSelector: selector.label }),
    ...(selector.field !== '' && { fieldSelector: selector.field }),
  };

  async function list(): Promise<string> {
    const found = new Map<string, T>();
    for (let page = ''; ; ) {
      const query = { ...selected, limit: PAGE, ...(page !== '' && { continue: page }) };
      const answer = await api.request({ method: 'GET', path, query }, signal);
      if (answer.status !== 200)
        throw new KubernetesApiError(`cannot list ${path}: ${messageOf(answer)}`, answer.status);
      const body = answer.body as {
        readonly items: readonly T[];
        readonly metadata: { readonly continue?: string; readonly resourceVersion: string };
      };
      for (const object of body.items) found.set(keyOf(object), object);
      page = body.metadata.continue ?? '';
      if (page !== '') continue;
      known = found;
      onChange(known);
      return body.metadata.resourceVersion;
    }
  }

  /** Follows events until the server ends it. Undefined: events were missed, and all must be listed anew. */
  async function watch(from: string): Promise<string | undefined> {
    let reached = from;
    const seconds = Math.round(WATCH_SECONDS * (1 + random()));
    const query = {
      ...selected,
      watch: '1',
      allowWatchBookmarks: 'true',
      resourceVersion: from,
      timeoutSeconds: String(seconds),
    };
    const ends = AbortSignal.any([signal, AbortSignal.timeout(seconds * SECOND + GRACE_MS)]);
    const { status, parts } = await api.stream({ method: 'GET', path, query }, ends);
    if (status === 410) return undefined;
    for await (const line of linesOf(parts)) {
      if (status !== 200) throw new KubernetesApiError(`cannot watch ${path}: ${messageIn(line, status)}`, status);
      const { type, object } = JSON.parse(line) as { readonly type: string; readonly object: T };
      if (type === 'ERROR') {
        const { code = 0, message } = object as { readonly code?: number; readonly message?: string };
        if (code === 410) return undefined;
        throw new KubernetesApiError(`the watch of ${path} ended: ${message ?? code}`, code);
      }
      reached = object.metadata.resourceVersion ?? reached;
      if (type === 'BOOKMARK') continue;
      if (type === 'DELETED') known.delete(keyOf(object));
      else known.set(keyOf(object), object);
      onChange(known);
    }
    return reached;
  }

  let waitMs = BACKOFF_MS.first;
  while (!signal.aborted) {
    const began = clock.now();
    try {
      version ??= await list();
      version = await watch(version);
    } catch (error) {
      if (signal.aborted) return;
      // A broken connection goes on from the version that was reached; after a refusal all is listed anew.
      if (error instanceof KubernetesApiError && error.status !== 0) version = undefined;
      onFailure(error as Error);
    }
    if (clock.now() - began >= LASTED_MS) waitMs = BACKOFF_MS.first;
    else {
      await clock.sleep(waitMs * (0.5 + random() / 2), signal).catch(() => {});
      waitMs = Math.min(waitMs * 2, BACKOFF_MS.longest);
    }
  }
}

export function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`;
}
