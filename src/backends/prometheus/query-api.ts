import { SECOND } from '../../model/time.ts';
import { QueryError } from '../../promql/errors.ts';
import { EngineAnswerError, EngineTooManySamplesError } from '../errors.ts';
import { type EngineAnswer, type EngineClient, shown, what } from './engine-client.ts';
import type { TenantPlace } from './tenant-place.ts';

/** What Prometheus's API answers, as far as it was asked for. */
export interface ApiAnswer {
  readonly data: unknown;
  readonly warnings: readonly string[];
  readonly infos: readonly string[];
}

/** One question of Prometheus's HTTP API. */
export type AskApi = (
  path: string,
  parameters: readonly (readonly [name: string, value: string])[],
  options?: { readonly method?: 'GET' | 'POST'; readonly signal?: AbortSignal | undefined },
) => Promise<ApiAnswer>;

/**
 * VictoriaMetrics keeps the last half minute back and rounds times to what it has cached, unless it is told not to. Other
 * engines do not look at parameters that they do not know.
 */
const AS_ASKED: readonly (readonly [string, string])[] = [
  ['nocache', '1'],
  ['latency_offset', '1ms'],
];

/** Asks one tenant's part of the engine. */
export function apiOf(client: EngineClient, { queryUrl, headers }: TenantPlace): AskApi {
  return async (path, parameters, { method = 'POST', signal } = {}) => {
    const form = new URLSearchParams();
    for (const [name, value] of [...parameters, ...AS_ASKED]) form.append(name, value);
    const url = `${queryUrl}${path}`;
    const call =
      method === 'GET'
        ? { kind: 'query' as const, method, url: `${url}?${form}`, headers }
        : {
            kind: 'query' as const,
            method,
            url,
            headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
            body: form.toString(),
          };
    const answer = await client.call(call, signal);
    return read(answer, what(call));
  };
}

function read({ status, contentType, text }: EngineAnswer, cannot: string): ApiAnswer {
  let body: { status?: unknown; data?: unknown; error?: unknown; warnings?: unknown; infos?: unknown };
  try {
    body = JSON.parse(text);
  } catch (cause) {
    const got = `it answered ${status} with ${contentType || 'no content type'}${shown(text)}`;
    throw new EngineAnswerError(`${cannot}: expected the JSON of Prometheus's HTTP API; ${got}`, { cause });
  }
  if (body.status === 'success') {
    return { data: body.data, warnings: textsOf(body.warnings), infos: textsOf(body.infos) };
  }
  const message = typeof body.error === 'string' ? body.error : `it answered ${status}${shown(text)}`;
  if (/too many (samples|points)|max-?samples|maxSamplesPer|max fetched|more than .{1,30}samples/i.test(message)) {
    throw new EngineTooManySamplesError(message);
  }
  throw new QueryError(status === 400 ? 'bad_data' : 'execution', message);
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

/** Seconds as text, exact to the millisecond. Times without bounds become those of a calendar. */
export function secondsText(ms: number): string {
  const bounded = Math.min(Math.max(ms, 0), LAST_MS);
  return String(Math.round(bounded) / SECOND);
}

/** The end of the year 2199: engines count in 64-bit nanoseconds. */
const LAST_MS = Date.UTC(2200, 0, 1) - 1;
