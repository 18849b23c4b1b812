import { CodedError } from './errors.ts';

/** What a record is of: each has places of its own, so that one that is full keeps no other out. */
export const SHARED_TOPICS = ['silences', 'feedback', 'reports', 'tellers', 'groups', 'alerts', 'posted'] as const;
export type SharedTopic = (typeof SHARED_TOPICS)[number];

/** Plain JSON. The same text is the same record. */
export interface SharedChange {
  readonly topic: SharedTopic;
  /** Begins with a tenant and a slash. */
  readonly key: string;
  /** Undefined removes it. */
  readonly text: string | undefined;
}

/** Small records that the replicas of one group have alike, and that outlive each of them. */
export interface SharedRecords {
  /** All of a topic by their keys, as this process knows them: behind by a moment. Empty before the first reading. */
  list(topic: SharedTopic): ReadonlyMap<string, string>;
  /** Whether they have been read. */
  isKnown(): boolean;
  /**
   * Reads all of them as they are now.
   * @throws {SharedRecordsError} If they cannot be read.
   */
  refresh(): Promise<void>;
  /**
   * Writes them. Each is written whole or not at all.
   * @param msLeft For how long they may still be sent, ms.
   * @returns Keys of those for which there is no room.
   * @throws {SharedRecordsError} If one cannot be written.
   */
  write(changes: readonly SharedChange[], msLeft?: () => number): Promise<readonly string[]>;
  /** Calls back whenever one may have changed. */
  onChange(changed: () => void): void;
  /** What a person should know: a line each. */
  problems(): readonly string[];
  /** Follows what others write until aborted. */
  run(signal: AbortSignal): Promise<void>;
}

/** What all replicas have to know could not be read or written: it would be known to one of them alone. */
export class SharedRecordsError extends CodedError {
  override readonly name = 'SharedRecordsError';
  readonly code = 'not_shared';
  readonly retryable = true;
}

/** Those of one tenant, by the rest of their keys. */
export function recordsOf(records: SharedRecords, topic: SharedTopic, tenant: string): ReadonlyMap<string, string> {
  const prefix = `${tenant}/`;
  return new Map(
    [...records.list(topic)].flatMap(([key, text]) =>
      key.startsWith(prefix) ? [[key.slice(prefix.length), text] as const] : [],
    ),
  );
}

/** Tenants of which there are any. */
export function tenantsOf(records: SharedRecords, topic: SharedTopic): ReadonlySet<string> {
  return new Set([...records.list(topic).keys()].map((key) => key.slice(0, key.indexOf('/'))));
}
