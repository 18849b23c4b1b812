import { CodedError } from './errors.ts';

/** A tenant sends more than its limits allow. The same request may be sent again after a while. */
export class RateLimitedError extends CodedError {
  override readonly name = 'RateLimitedError';
  readonly code = 'rate_limited';
  readonly retryable = true;
  /** Mimir's, and never changed: `err-mimir-tenant-max-ingestion-rate`. */
  readonly id: string;
  /** For counters. */
  readonly reason: string;
  /** Whole seconds, at least 1: for the header Retry-After. */
  readonly retryAfterSeconds: number;

  constructor(message: string, { id, reason, waitMs }: { id: string; reason: string; waitMs: number }) {
    super(message);
    this.id = id;
    this.reason = reason;
    this.retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1_000));
  }
}
