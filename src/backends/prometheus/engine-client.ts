import { randomInt } from 'node:crypto';
import type { Clock } from '../../model/clock.ts';
import { type Millis, SECOND } from '../../model/time.ts';
import { EngineAnswerError, EngineUnavailableError } from '../errors.ts';

/** One request to the engine. */
export interface EngineCall {
  readonly kind: 'write' | 'query';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: 'GET' | 'POST';
  readonly body?: Uint8Array | string;
}

export interface EngineAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

export interface EngineClient {
  /**
   * Asks, and asks again where that can help, within the time of one call.
   * @returns Any answer but 429, 5xx and those that say that the address or the credentials are wrong.
   * @throws {EngineUnavailableError | EngineAnswerError}
   */
  call(call: EngineCall, signal?: AbortSignal): Promise<EngineAnswer>;
  /** What was wrong at the last call of each kind, a sentence each. */
  problems(): readonly string[];
}

export interface EngineClientOptions {
  readonly clock: Clock;
  /** For all attempts of one call. */
  readonly timeoutMs: number;
  /** Of every request. Asked each time: tokens rotate. */
  readonly credentials: () => Promise<Readonly<Record<string, string>>>;
  readonly onCall?: (kind: EngineCall['kind'], outcome: string, seconds: number) => void;
  readonly onRetry?: (kind: EngineCall['kind'], reason: string) => void;
}

const ATTEMPTS = 4;
const FIRST_PAUSE_MS = 250;
/** Requests of one kind at once. A single VictoriaMetrics works on about as many, and turns others away after a while. */
const MOST_AT_ONCE = 16;
/** After a call that failed, others of its kind fail at once for so long: thousands must not wait for a deadline each. */
const REST_MS = SECOND;
/** What an engine may ask for. */
const LONGEST_REST_MS = 60 * SECOND;
/** A larger answer is no answer to a question of ours. */
const MOST_BYTES = 512 << 20;
/** Characters of an answer that an error shows. */
const SHOWN = 300;

/** Speaks HTTP to an engine over connections that stay open. */
export function openEngineClient(options: EngineClientOptions): EngineClient {
  const { clock, timeoutMs, credentials, onCall, onRetry } = options;
  const troubles = new Map<EngineCall['kind'], string>();
  const rests = new Map<EngineCall['kind'], { readonly until: Millis; readonly why: string }>();
  const gates = { write: openGate(MOST_AT_ONCE), query: openGate(MOST_AT_ONCE) };

  async function attempt(call: EngineCall, signal: AbortSignal): Promise<EngineAnswer & { retryAfter: string | null }> {
    const response = await fetch(call.url, {
      method: call.method ?? 'POST',
      headers: { 'user-agent': 'foresail', ...(await credentials()), ...call.headers },
      ...(call.body !== undefined && { body: call.body }),
      redirect: 'manual',
      signal,
    });
    return {
      status: response.status,
      contentType: response.headers.get('content-type') ?? '',
      retryAfter: response.headers.get('retry-after'),
      text: await readText(response, call),
    };
  }

  const isResting = (kind: EngineCall['kind']) => {
    const restMs = (rests.get(kind)?.until ?? 0) - clock.now();
    // A clock that was set back makes nobody rest for longer.
    return restMs > 0 && restMs <= LONGEST_REST_MS;
  };

  async function ask(call: EngineCall, signal: AbortSignal | undefined): Promise<EngineAnswer> {
    signal?.throwIfAborted();
    if (isResting(call.kind)) {
      const { until, why } = rests.get(call.kind)!;
      throw new EngineUnavailableError(why, { retryAfterMs: until - clock.now() });
    }
    const endsAt = performance.now() + timeoutMs;
    for (let tried = 1; ; tried++) {
      const deadline = AbortSignal.timeout(Math.max(1, Math.ceil(endsAt - performance.now())));
      let error: EngineUnavailableError;
      let reason: string;
      try {
        const answer = await attempt(call, signal === undefined ? deadline : AbortSignal.any([signal, deadline]));
        if (answer.status !== 429 && answer.status < 500) return checked(answer, call);
        const retryAfterMs = retryAfterOf(answer.retryAfter, clock.now());
        const why = `${what(call)}: it answered ${answer.status}${shown(answer.text)}`;
        error = new EngineUnavailableError(why, retryAfterMs === undefined ? {} : { retryAfterMs });
        reason = String(answer.status);
      } catch (cause) {
        if (signal?.aborted === true) throw signal.reason;
        if (cause instanceof EngineAnswerError) throw cause;
        const why = deadline.aborted ? `no answer within ${timeoutMs / SECOND} s` : reasonOf(cause);
        error = new EngineUnavailableError(`${what(call)}: ${why}`, { cause });
        reason = deadline.aborted ? 'timeout' : 'connection';
      }
      const backoffMs = FIRST_PAUSE_MS * 2 ** (tried - 1);
      const pauseMs = error.retryAfterMs ?? backoffMs / 2 + randomInt(backoffMs);
      // What cannot be asked again in time is for the caller to ask again.
      if (tried === ATTEMPTS || performance.now() + pauseMs >= endsAt) throw error;
      onRetry?.(call.kind, reason);
      await clock.sleep(pauseMs, signal ?? new AbortController().signal);
    }
  }

  return {
    async call(call, signal) {
      const gate = gates[call.kind];
      await gate.enter();
      const began = performance.now();
      const told = (outcome: string) => onCall?.(call.kind, outcome, (performance.now() - began) / SECOND);
      try {
        const answer = await ask(call, signal);
        troubles.delete(call.kind);
        rests.delete(call.kind);
        told(String(answer.status));
        return answer;
      } catch (error) {
        if (signal?.aborted === true) throw error;
        const why = (error as Error).message;
        troubles.set(call.kind, why);
        if (error instanceof EngineUnavailableError && !isResting(call.kind)) {
          const restMs = Math.min(LONGEST_REST_MS, Math.max(REST_MS, error.retryAfterMs ?? 0));
          rests.set(call.kind, { until: clock.now() + restMs, why });
        }
        told((error as { code?: string }).code ?? 'failed');
        throw error;
      } finally {
        gate.leave();
      }
    },
    problems: () => (['write', 'query'] as const).flatMap((kind) => troubles.get(kind) ?? []),
  };
}

/** Lets so many in at once, and the others in the order in which they came. */
function openGate(most: number) {
  const waiting: (() => void)[] = [];
  let inside = 0;
  return {
    async enter(): Promise<void> {
      if (inside < most) inside++;
      else await new Promise<void>((resolve) => waiting.push(resolve));
    },
    leave(): void {
      const next = waiting.shift();
      if (next === undefined) inside--;
      else next();
    },
  };
}

/** @throws {EngineAnswerError} If the answer says that nothing asked here can ever be answered. */
function checked(answer: EngineAnswer, call: EngineCall): EngineAnswer {
  const { status, text } = answer;
  const setting = `storage.${call.kind}.url`;
  if (status === 401 || status === 403) {
    throw new EngineAnswerError(
      `${what(call)}: it answered ${status}${shown(text)}; check storage.bearerTokenFile, storage.basicAuth and storage.headers`,
    );
  }
  const expected =
    call.kind === 'write'
      ? `${setting} is to be the whole address of a remote-write receiver, such as http://victoria-metrics:8428/api/v1/write`
      : `${setting} is to be what stands before /api/v1/query, such as http://victoria-metrics:8428`;
  const isElsewhere = status === 404 || status === 405 || (status >= 300 && status < 400);
  // VictoriaMetrics answers 400 to paths that it does not know.
  if (isElsewhere || (status === 400 && text.startsWith('unsupported path'))) {
    throw new EngineAnswerError(`${what(call)}: it answered ${status}${shown(text)}; ${expected}`);
  }
  return answer;
}

/** `cannot write to http://host/api/v1/write` */
export function what({ kind, url }: Pick<EngineCall, 'kind' | 'url'>): string {
  return `cannot ${kind === 'write' ? 'write to' : 'ask'} the engine at ${url.replace(/\?.*$/, '')}`;
}

/** The beginning of an answer, as the end of a sentence. */
export function shown(text: string): string {
  const flat = text.trim().replace(/\s+/g, ' ');
  if (flat === '') return '';
  return ` (${flat.length > SHOWN ? `${flat.slice(0, SHOWN)}…` : flat})`;
}

async function readText(response: Response, call: EngineCall): Promise<string> {
  if (response.body === null) return '';
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body) {
    bytes += part.length;
    if (bytes > MOST_BYTES) throw new EngineAnswerError(`${what(call)}: its answer is larger than ${MOST_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts, bytes).toString('utf8');
}

/** `Retry-After` in seconds or as a date, a minute at most. */
function retryAfterOf(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * SECOND : Date.parse(header) - now;
  return ms >= 0 ? Math.min(ms, LONGEST_REST_MS) : undefined;
}

/** fetch says `fetch failed` and keeps the reason to itself. */
function reasonOf(error: unknown): string {
  const { cause, message } = error as Error & { cause?: { code?: string; message?: string } };
  if (cause === undefined) return message;
  return cause.message || cause.code || message;
}
