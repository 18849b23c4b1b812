import { randomInt } from 'node:crypto';
import type { InfluxDB, IPoint } from 'influx';
import type { Clock } from '../../model/clock.ts';
import { type Millis, SECOND } from '../../model/time.ts';
import { EngineAnswerError, EngineRefusedError, EngineTooManySamplesError, EngineUnavailableError } from '../errors.ts';
import { quoted } from './influx-query.ts';

export type CallKind = 'write' | 'query';

export interface InfluxClientOptions {
  readonly url: string;
  readonly username: string | undefined;
  /** Asked each time: passwords rotate. */
  readonly password: () => Promise<string>;
  readonly retentionPolicy: string | undefined;
  readonly clock: Clock;
  /** For all attempts of one call. */
  readonly timeoutMs: number;
  readonly onCall?: (kind: CallKind, outcome: string, seconds: number) => void;
  readonly onRetry?: (kind: CallKind, reason: string) => void;
}

/** A series of an answer. */
export interface InfluxSeries {
  readonly name: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly values: readonly (readonly unknown[])[];
}

export interface InfluxClient {
  /**
   * @returns What was refused of the points, whose others are stored.
   * @throws {EngineUnavailableError | EngineAnswerError}
   */
  write(database: string, points: readonly IPoint[]): Promise<{ readonly refused: number; readonly why: string }>;
  /** Times in milliseconds. A database that is not there has nothing. */
  query(
    database: string,
    question: { readonly text: string; readonly placeholders: Readonly<Record<string, string>> },
    signal?: AbortSignal,
  ): Promise<readonly InfluxSeries[]>;
  /** What was wrong at the last call of each kind, a sentence each. */
  problems(): readonly string[];
}

const ATTEMPTS = 4;
const FIRST_PAUSE_MS = 250;
/** After a call that failed, others of its kind fail at once for so long: many must not wait for a deadline each. */
const REST_MS = SECOND;

/** The backoff is ours: the client would turn calls away, with nothing to tell why, for as long as it rests. */
const NO_BACKOFF = { getDelay: () => 0, next: () => NO_BACKOFF, reset: () => NO_BACKOFF };

/** Loads the package, which nothing else needs. */
export async function openInfluxClient(options: InfluxClientOptions): Promise<InfluxClient> {
  const { InfluxDB: Client } = await import('influx');
  const { url, username, password, retentionPolicy, clock, timeoutMs, onCall, onRetry } = options;
  const { hostname, port, protocol, pathname } = new URL(url);
  const troubles = new Map<CallKind, string>();
  const rests = new Map<CallKind, Millis>();
  let opened: { readonly password: string; readonly client: InfluxDB } | undefined;

  async function clientNow(): Promise<InfluxDB> {
    const current = username === undefined ? '' : await password();
    if (opened?.password !== current) {
      const host = {
        host: hostname.replace(/^\[|\]$/g, ''),
        port: Number(port) || (protocol === 'https:' ? 443 : 80),
        protocol: protocol === 'https:' ? ('https' as const) : ('http' as const),
        ...(pathname !== '/' && { path: pathname.replace(/\/+$/, '') }),
      };
      const pool = { backoff: NO_BACKOFF, maxRetries: 0, requestTimeout: timeoutMs };
      const who = username === undefined ? {} : { username, password: current };
      opened = { password: current, client: new Client({ hosts: [host], pool, ...who }) };
    }
    return opened.client;
  }

  const cannot = (kind: CallKind) => `cannot ${kind === 'write' ? 'write to' : 'ask'} the InfluxDB at ${url}`;

  /** Asks again where that can help, within the time of one call. */
  async function attempt<T>(kind: CallKind, signal: AbortSignal | undefined, ask: (client: InfluxDB) => Promise<T>) {
    const restMs = (rests.get(kind) ?? 0) - clock.now();
    if (restMs > 0 && restMs <= REST_MS) {
      throw new EngineUnavailableError(troubles.get(kind) ?? cannot(kind), { retryAfterMs: restMs });
    }
    const endsAt = performance.now() + timeoutMs;
    for (let tried = 1; ; tried++) {
      signal?.throwIfAborted();
      try {
        return await ask(await clientNow());
      } catch (cause) {
        if (signal?.aborted === true) throw signal.reason;
        const status = (cause as { res?: { statusCode?: number } }).res?.statusCode;
        // What is no answer, and a 5xx, has no status here.
        if (isCoded(cause) || (status !== undefined && status !== 429)) throw cause;
        const pauseMs = FIRST_PAUSE_MS * 2 ** (tried - 1) * (0.5 + randomInt(1000) / 1000);
        if (tried === ATTEMPTS || performance.now() + pauseMs >= endsAt) {
          throw new EngineUnavailableError(`${cannot(kind)}: ${wordsOf(cause)}`, { cause });
        }
        onRetry?.(kind, status === undefined ? 'connection' : String(status));
        await clock.sleep(pauseMs, signal ?? new AbortController().signal);
      }
    }
  }

  async function call<T>(kind: CallKind, signal: AbortSignal | undefined, ask: (client: InfluxDB) => Promise<T>) {
    const began = performance.now();
    const told = (outcome: string) => onCall?.(kind, outcome, (performance.now() - began) / SECOND);
    try {
      const answer = await attempt(kind, signal, ask);
      troubles.delete(kind);
      rests.delete(kind);
      told('ok');
      return answer;
    } catch (cause) {
      if (signal?.aborted === true) throw cause;
      const error = codedOf(cause, cannot(kind));
      if (error instanceof EngineUnavailableError || error instanceof EngineAnswerError) {
        troubles.set(kind, error.message);
      }
      if (error instanceof EngineUnavailableError && error.retryAfterMs === undefined) {
        rests.set(kind, clock.now() + REST_MS);
      }
      told(error.code);
      throw error;
    }
  }

  return {
    async write(database, points) {
      const options = { database, precision: 'ms' as const, ...(retentionPolicy !== undefined && { retentionPolicy }) };
      const write = (client: InfluxDB) => client.writePoints([...points], options);
      try {
        await call('write', undefined, async (client) => {
          try {
            await write(client);
          } catch (error) {
            if (!isMissingDatabase(error)) throw error;
            await createDatabase(client, database);
            await write(client);
          }
        });
        return { refused: 0, why: '' };
      } catch (error) {
        if (!(error instanceof EngineRefusedError)) throw error;
        return { refused: refusedIn(error.message) ?? points.length, why: error.message };
      }
    },
    async query(database, { text, placeholders }, signal) {
      const answer = await call('query', signal, async (client) => {
        const asked = { database, precision: 'ms' as const, method: 'POST' as const, placeholders };
        const response = (await client.queryRaw(text, {
          ...asked,
          ...(retentionPolicy !== undefined && { retentionPolicy }),
          ...(signal !== undefined && { signal }),
        })) as InfluxAnswer;
        return seriesOf(response, cannot('query'));
      });
      return answer;
    },
    problems: () => (['write', 'query'] as const).flatMap((kind) => troubles.get(kind) ?? []),
  };
}

interface InfluxAnswer {
  readonly results?: readonly {
    readonly error?: string;
    readonly series?: readonly InfluxSeries[];
  }[];
}

function seriesOf({ results }: InfluxAnswer, cannot: string): readonly InfluxSeries[] {
  const [result] = results ?? [];
  if (result === undefined) throw new EngineAnswerError(`${cannot}: its answer has no results`);
  if (result.error !== undefined) {
    if (/database not found/i.test(result.error)) return [];
    if (/max-select|max-row|timeout/i.test(result.error)) throw new EngineTooManySamplesError(result.error);
    throw new EngineAnswerError(`${cannot}: ${result.error}`);
  }
  return result.series ?? [];
}

/** Needs an administrator where the server asks who is there. */
async function createDatabase(client: InfluxDB, database: string): Promise<void> {
  try {
    const text = `CREATE DATABASE ${quoted(database)}`;
    const { results } = (await client.queryRaw(text, { database: '', method: 'POST' })) as InfluxAnswer;
    if (results?.[0]?.error !== undefined) throw new Error(results[0].error);
  } catch (cause) {
    throw new EngineAnswerError(`cannot make the database ${quoted(database)} of InfluxDB: ${wordsOf(cause)}`, {
      cause,
    });
  }
}

const isMissingDatabase = (error: unknown) => /database not found/i.test((error as Error).message);

function isCoded(error: unknown): error is EngineUnavailableError | EngineAnswerError | EngineTooManySamplesError {
  const coded = [EngineUnavailableError, EngineAnswerError, EngineTooManySamplesError];
  return coded.some((each) => error instanceof each);
}

function codedOf(error: unknown, cannot: string) {
  if (isCoded(error)) return error;
  const status = (error as { res?: { statusCode?: number } }).res?.statusCode;
  const why = `${cannot}: ${wordsOf(error)}`;
  if (status === 401 || status === 403) {
    return new EngineAnswerError(`${why}; check storage.username and storage.passwordFile`, { cause: error });
  }
  if (status === 400 || status === 413) return new EngineRefusedError(why, { cause: error });
  return new EngineAnswerError(why, { cause: error });
}

/** What InfluxDB says of a write whose other points it took: `dropped=3`, or a sentence for each that it cannot parse. */
function refusedIn(message: string): number | undefined {
  if (!message.includes('partial write')) return undefined;
  const dropped = Number(/dropped=(\d+)/.exec(message)?.[1] ?? 0);
  return Math.max(dropped, message.match(/unable to parse/g)?.length ?? 0);
}

/** `A 400 Bad Request error occurred: {"error":"…"}` without what is around it. */
function wordsOf(error: unknown): string {
  const { message, code } = error as { message?: string; code?: string };
  const flat = (message || code || String(error)).trim().replace(/\s+/g, ' ');
  const words = /\{"error":"(.*)"\}/.exec(flat)?.[1]?.replace(/\\"/g, '"') ?? flat;
  return words.length > 300 ? `${words.slice(0, 300)}…` : words;
}
