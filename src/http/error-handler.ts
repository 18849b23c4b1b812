import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { NextFunction, Request, Response } from 'express';
import { z } from 'zod';
import type { Caller } from '../model/caller.ts';
import { CodedError } from '../model/errors.ts';
import { formatPath, formatProblem, InvalidDocumentError, type Problem, problemsOf } from '../model/problem.ts';
import { RateLimitedError } from '../model/rate-limited.ts';
import type { TenantId } from '../model/tenant.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { TooManyTestsError } from './errors.ts';

/** The status of each code that a client may see. A code that is not here answers 500. */
const STATUS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    bad_calendar_file: 400,
    bad_data: 400,
    bad_parameter: 400,
    bad_wire_data: 400,
    engine_refused: 400,
    invalid_document: 400,
    invalid_tenant: 400,
    query_refused: 400,
    read_too_large: 400,
    unknown_model: 400,
    unreadable_body: 400,
    unknown_region: 400,
    unauthenticated: 401,
    forbidden: 403,
    namespace_of_another_tenant: 403,
    query_too_fine: 400,
    not_found: 404,
    method_not_allowed: 405,
    policy_from_file: 409,
    policy_from_resource: 409,
    policy_not_shared: 409,
    snapshot_running: 409,
    import_too_large: 413,
    request_too_large: 413,
    execution: 422,
    forecast_too_large: 422,
    holidays_unavailable: 422,
    query_limit: 422,
    too_many_samples: 422,
    too_many_forecasts: 429,
    too_many_queries: 429,
    too_many_tests: 429,
    rate_limited: 429,
    query_canceled: 499,
    damaged_data: 500,
    storage_format: 500,
    engine_answer: 502,
    kubernetes_api_error: 502,
    engine_unavailable: 503,
    not_shared: 503,
    query_timeout: 503,
    storage_full: 503,
  }),
);

/** Prometheus's word for each status: the `errorType` of its envelope. */
const ERROR_TYPES: Readonly<Record<number, string>> = {
  400: 'bad_data',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  405: 'bad_data',
  406: 'not_acceptable',
  409: 'conflict',
  413: 'bad_data',
  415: 'bad_data',
  422: 'execution',
  429: 'too_many_requests',
  499: 'canceled',
  500: 'internal',
  502: 'unavailable',
  503: 'unavailable',
};

export interface ErrorAnswer {
  readonly status: number;
  readonly body: {
    readonly status: 'error';
    readonly errorType: string;
    readonly error: string;
    readonly code: string;
    readonly problems?: readonly { readonly path: string; readonly message: string; readonly suggestion?: string }[];
  };
}

export interface ErrorHandlerDeps {
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Throws where nobody knows whose request it is. */
  readonly callerOf: (request: IncomingMessage) => Caller;
  /** Waits before another part of a refused body is read and thrown away. Undefined: nobody knows whose. */
  readonly beforeDiscard: (tenant: TenantId | undefined) => Promise<void>;
}

/** The one place where errors become answers. */
export function errorHandler({ log, metrics, callerOf, beforeDiscard }: ErrorHandlerDeps) {
  // Express knows an error handler by its four parameters.
  return (error: unknown, request: Request, response: Response, _next: NextFunction): void => {
    const answer = answerOf(error, request, log);
    const { status, body } = answer;
    if (request.path.startsWith('/api/v1/query')) metrics.queryFailures.inc({ type: body.errorType });
    if (response.headersSent) {
      response.destroy();
      return;
    }
    if (status === 401) response.set('WWW-Authenticate', 'Bearer realm="foresail", Basic realm="foresail"');
    if (status === 503 || status === 429) {
      const saysWhen = error instanceof RateLimitedError || error instanceof TooManyTestsError;
      response.set('Retry-After', String(saysWhen ? error.retryAfterSeconds : 5));
    }
    // Who failed may have begun to say of another type what was to come.
    response.status(status).type('json').removeHeader('Content-Encoding');
    afterBody(request, {
      answer: () => response.json(body),
      turn: () => beforeDiscard(tenantOf(request, callerOf)),
    });
  };
}

/** Of a refused body, between two waits. */
const PART_BYTES = 128 * 1024;

/**
 * Senders read the answer after they wrote everything: one that came earlier could be lost behind a reset connection.
 * What they write is thrown away, a part a turn so that nobody waits for it, and the server's request timeout ends it.
 */
function afterBody(
  request: Request,
  { answer, turn }: { readonly answer: () => void; readonly turn: () => Promise<void> },
): void {
  if (request.readableEnded || request.destroyed) {
    answer();
    return;
  }
  let left = PART_BYTES;
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left > 0) return;
    left = PART_BYTES;
    request.pause();
    void turn().then(() => request.resume());
  });
  request.once('end', answer).resume();
}

function tenantOf(request: Request, callerOf: ErrorHandlerDeps['callerOf']): TenantId | undefined {
  try {
    return callerOf(request).tenant;
  } catch {
    return undefined;
  }
}

/** What a client is told about an error. Never a stack; of an unknown error only an id, under which it is logged. */
export function answerOf(
  error: unknown,
  request: { readonly method: string; readonly path: string },
  log: Logger,
): ErrorAnswer {
  if (error instanceof InvalidDocumentError) return answer(400, error.code, error.message, error.problems);
  if (error instanceof CodedError) {
    const status = STATUS.get(error.code);
    if (status !== undefined) return answer(status, error.code, error.message);
  }
  if (error instanceof z.ZodError) {
    const problems = problemsOf(error.issues, undefined, {});
    return answer(400, 'bad_parameter', problems.map(formatProblem).join('; '), problems);
  }
  const status = clientStatusOf(error);
  if (status !== undefined) {
    const code = status === 413 ? 'request_too_large' : status === 404 ? 'not_found' : 'unreadable_body';
    return answer(status, code, `cannot read the request: ${(error as Error).message}`);
  }
  const id = randomUUID();
  const { method, path } = request;
  log.error({ err: error, id, method, path }, 'cannot answer a request: unexpected error');
  return answer(500, 'internal', `cannot answer: unexpected error, logged under the id ${id}`);
}

function answer(status: number, code: string, error: string, problems?: readonly Problem[]): ErrorAnswer {
  const errorType = code === 'query_timeout' ? 'timeout' : (ERROR_TYPES[status] ?? 'bad_data');
  const listed = problems?.map(({ path, ...rest }) => ({ path: formatPath(path), ...rest }));
  return {
    status,
    body: { status: 'error', errorType, error, code, ...(listed !== undefined && { problems: listed }) },
  };
}

/** The 4xx that express, its body readers and Node's parsers give to errors of the client. */
function clientStatusOf(error: unknown): number | undefined {
  if (error instanceof URIError) return 400;
  if (typeof error !== 'object' || error === null) return undefined;
  // The client went away in the middle of its body.
  if ('code' in error && error.code === 'ECONNRESET') return 400;
  // Node's unpackers: a body is not what its Content-Encoding says.
  if ('code' in error && typeof error.code === 'string' && error.code.startsWith('Z_')) return 400;
  if (!('status' in error)) return undefined;
  const { status } = error;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : undefined;
}
