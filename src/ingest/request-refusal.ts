import type { ServerResponse } from 'node:http';
import { RateLimitedError } from '../model/rate-limited.ts';
import { InvalidTenantError } from '../model/tenant.ts';
import { StorageFullError } from '../storage/errors.ts';
import { WireError, WireTooLargeError } from '../wire/errors.ts';
import { IntakeFullError } from './intake.ts';

/** How long a sender that was turned away should wait, where nothing tells better. */
const RETRY_AFTER_SECONDS = 5;

/** A request is not taken, or not as a whole: with which status, and why in words for the sender. */
export class RequestRefusal extends Error {
  readonly status: number;
  /** Of 429 and 503. */
  readonly retryAfterSeconds: number;

  constructor(status: number, message: string, retryAfterSeconds = RETRY_AFTER_SECONDS) {
    super(message);
    this.status = status;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Too much is in flight to take this as well. */
export function inFlight(): RequestRefusal {
  const id = 'err-mimir-distributor-max-inflight-push-requests-bytes';
  return new RequestRefusal(503, `too many bytes of requests are in flight (${id})`);
}

export interface RefusalDeps {
  readonly statusOf?: ((error: unknown) => number | undefined) | undefined;
  /** Errors that are nobody's fault but ours. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** What every way in answers when reading or storing a request ended in an error. */
export function refusalOfError(error: unknown, { statusOf, onError }: RefusalDeps): RequestRefusal {
  if (error instanceof RequestRefusal) return error;
  if (error instanceof WireError) return new RequestRefusal(400, error.message);
  if (error instanceof WireTooLargeError) return new RequestRefusal(413, error.message);
  if (error instanceof StorageFullError || error instanceof IntakeFullError) {
    return new RequestRefusal(503, error.message);
  }
  if (error instanceof RateLimitedError) return new RequestRefusal(429, error.message, error.retryAfterSeconds);
  const status = statusOf?.(error) ?? (error instanceof InvalidTenantError ? 400 : 500);
  if (status >= 500) onError?.(error);
  // What went wrong inside is not the sender's business.
  return new RequestRefusal(status, status >= 500 || !(error instanceof Error) ? 'internal error' : error.message);
}

/** The headers that tell a client what to do next. */
export function setRefusalHeaders(response: ServerResponse, { status, retryAfterSeconds }: RequestRefusal): void {
  if (status === 405) response.setHeader('allow', 'POST');
  if (status === 503 || status === 429) response.setHeader('retry-after', String(retryAfterSeconds));
  if (status === 408) response.setHeader('connection', 'close');
}
