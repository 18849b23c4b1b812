import { createHash } from 'node:crypto';
import type { Clock } from '../model/clock.ts';
import {
  SHARED_TOPICS,
  type SharedChange,
  type SharedRecords,
  SharedRecordsError,
  type SharedTopic,
} from '../model/shared-records.ts';
import { type KubeAnswer, type KubeApi, messageOf } from './api.ts';
import { type KubeObject, runObjectWatch } from './object-watch.ts';

export interface SharedRecordsDeps {
  readonly api: Pick<KubeApi, 'request' | 'stream'>;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly namespace: string;
  /** Processes of other groups share nothing with this one. */
  readonly group: string;
  /** After each failure of what goes on by itself. */
  readonly onFailure: (error: Error) => void;
}

interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

/**
 * Objects over which the records of a topic are spread: what changes is sent to every replica with all of its object.
 * The chart names each of them in the rights (deploy/helm/foresail/templates/rbac.yaml).
 */
export const SPREAD: Readonly<Record<SharedTopic, number>> = {
  ...{ silences: 2, feedback: 1, reports: 1, tellers: 1, groups: 4, alerts: 8, posted: 8 },
};
/** Bytes of one object's records: the API server takes a MiB. */
const MOST_BYTES = 800_000;
const LABEL = 'foresail.dev/shared';

/**
 * Keeps records in ConfigMaps. A record is one entry of one of them, and is written by a merge patch that names no
 * other: the API server puts writes to one object in order, so that none is lost and nothing has to be read first.
 */
export function openSharedRecords(deps: SharedRecordsDeps): SharedRecords {
  const { api, clock, random, namespace, group, onFailure } = deps;
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/configmaps`;
  const selector = `${LABEL}=${group}`;
  const objects = new Map<string, ConfigMap>();
  const topics = new Map<SharedTopic, Map<string, string>>(SHARED_TOPICS.map((topic) => [topic, new Map()]));
  const listeners: (() => void)[] = [];
  let isKnown = false;
  let problem: string | undefined;

  /** Takes an object as it is now. One that is older than what is known came late. */
  function take(name: string, object: ConfigMap | undefined): boolean {
    const before = objects.get(name);
    if (before === object || (before !== undefined && object !== undefined && isOlder(object, before))) return false;
    if (before?.metadata.resourceVersion === object?.metadata.resourceVersion) return false;
    const topic = SHARED_TOPICS.find((each) => name.startsWith(`${nameOf(each)}-`));
    if (topic === undefined) return false;
    const records = topics.get(topic)!;
    for (const { key } of entriesOf(before)) records.delete(key);
    for (const { key, text } of entriesOf(object)) records.set(key, text);
    if (object === undefined) objects.delete(name);
    else objects.set(name, object);
    return true;
  }

  function takeAll(all: Iterable<ConfigMap>): void {
    const found = new Map([...all].map((object) => [object.metadata.name, object]));
    let isOther = false;
    for (const name of objects.keys()) if (!found.has(name)) isOther = take(name, undefined) || isOther;
    for (const [name, object] of found) isOther = take(name, object) || isOther;
    const isFirst = !isKnown;
    isKnown = true;
    if (isOther || isFirst) for (const changed of listeners) changed();
  }

  function nameOf(topic: SharedTopic): string {
    return `foresail-${group}-${topic}`;
  }

  function placeOf({ topic, key }: Pick<SharedChange, 'topic' | 'key'>): {
    readonly name: string;
    readonly entry: string;
  } {
    const digest = createHash('sha256').update(key).digest('hex').slice(0, 32);
    return { name: `${nameOf(topic)}-${Number.parseInt(digest.slice(0, 6), 16) % SPREAD[topic]}`, entry: digest };
  }

  async function send(
    name: string,
    data: Readonly<Record<string, string | null>>,
    msLeft?: () => number,
  ): Promise<void> {
    const deadline = msLeft === undefined ? {} : { msLeft };
    const metadata = { name, namespace, labels: { [LABEL]: group } };
    for (let i = 0; ; i++) {
      const patch = { method: 'PATCH', path: `${path}/${name}`, contentType: 'application/merge-patch+json' } as const;
      const patched = await api.request({ ...patch, body: { data }, ...deadline });
      if (patched.status === 200) return void takeWritten(name, patched);
      if (patched.status !== 404 || i > 0) throw refused('write', patched);
      const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: withoutNulls(data) };
      const made = await api.request({ method: 'POST', path, body, ...deadline });
      if (made.status === 201) return void takeWritten(name, made);
      // Another one made it in between.
      if (made.status !== 409) throw refused('make', made);
    }
  }

  function takeWritten(name: string, { body }: KubeAnswer): void {
    if (take(name, body as ConfigMap)) for (const changed of listeners) changed();
  }

  function refused(what: string, answer: KubeAnswer): SharedRecordsError {
    return new SharedRecordsError(`cannot ${what} configmaps of ${namespace} for all replicas: ${messageOf(answer)}`);
  }

  /** Says of a failure what a person should know, until it goes well again. */
  async function noting<T>(action: () => Promise<T>): Promise<T> {
    try {
      const result = await action();
      problem = undefined;
      return result;
    } catch (error) {
      const shared =
        error instanceof SharedRecordsError
          ? error
          : new SharedRecordsError(`cannot reach what replicas share: ${(error as Error).message}`, { cause: error });
      problem = shared.message;
      throw shared;
    }
  }

  return {
    list: (topic) => topics.get(topic)!,
    isKnown: () => isKnown,
    problems: () => (problem === undefined ? [] : [problem]),
    onChange: (changed) => void listeners.push(changed),
    refresh: () =>
      noting(async () => {
        const found: ConfigMap[] = [];
        for (let page = ''; ; ) {
          const query = { labelSelector: selector, limit: '20', ...(page !== '' && { continue: page }) };
          const answer = await api.request({ method: 'GET', path, query });
          if (answer.status !== 200) throw refused('list', answer);
          const body = answer.body as { items: readonly ConfigMap[]; metadata: { continue?: string } };
          found.push(...body.items);
          page = body.metadata.continue ?? '';
          if (page === '') break;
        }
        takeAll(found);
      }),
    write: (changes, msLeft) =>
      noting(async () => {
        const patches = new Map<string, Record<string, string | null>>();
        const sizes = new Map<string, number>();
        const full: string[] = [];
        for (const change of changes) {
          const { name, entry } = placeOf(change);
          const patch = patches.get(name) ?? {};
          const before = patch[entry] === undefined ? objects.get(name)?.data?.[entry] : (patch[entry] ?? undefined);
          const value = change.text === undefined ? null : `${change.key}\n${change.text}`;
          if (value === null && before === undefined) continue;
          const more = entrySize(entry, value) - entrySize(entry, before);
          const size = (sizes.get(name) ?? sizeOf(objects.get(name))) + more;
          if (size > MOST_BYTES && more > 0) {
            full.push(change.key);
            continue;
          }
          sizes.set(name, size);
          patch[entry] = value;
          patches.set(name, patch);
        }
        await Promise.all([...patches].map(([name, data]) => send(name, data, msLeft)));
        return full;
      }),
    async run(signal) {
      const watched = { api, clock, random, path, selector: { label: selector, field: '' } };
      await runObjectWatch<ConfigMap>(
        {
          ...watched,
          onChange(all) {
            problem = undefined;
            takeAll(all.values());
          },
          onFailure(error) {
            problem = `cannot follow configmaps of ${namespace}, which replicas share: ${error.message}`;
            onFailure(error);
          },
        },
        signal,
      );
    },
  };
}

function isOlder({ metadata: a }: ConfigMap, { metadata: b }: ConfigMap): boolean {
  const [x, y] = [Number(a.resourceVersion), Number(b.resourceVersion)];
  return Number.isSafeInteger(x) && Number.isSafeInteger(y) && x < y && a.uid === b.uid;
}

function entriesOf(object: ConfigMap | undefined): readonly { readonly key: string; readonly text: string }[] {
  return Object.values(object?.data ?? {}).flatMap((value) => {
    const end = value.indexOf('\n');
    return end === -1 ? [] : [{ key: value.slice(0, end), text: value.slice(end + 1) }];
  });
}

function sizeOf(object: ConfigMap | undefined): number {
  return Object.entries(object?.data ?? {}).reduce((sum, [entry, value]) => sum + entrySize(entry, value), 0);
}

/** Bytes. */
function entrySize(entry: string, value: string | null | undefined): number {
  return value == null ? 0 : entry.length + Buffer.byteLength(value);
}

function withoutNulls(data: Readonly<Record<string, string | null>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(data).flatMap(([key, value]) => (value === null ? [] : [[key, value]])));
}
