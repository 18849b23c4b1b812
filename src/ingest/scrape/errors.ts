import { CodedError } from '../../model/errors.ts';

/** Why a scrape failed, as Foresail's own metrics count it. */
export type ScrapeFailureReason =
  | 'connection'
  | 'timeout'
  | 'credentials'
  | 'status'
  | 'content_type'
  | 'encoding'
  | 'body_size_limit'
  | 'exposition'
  | 'labels'
  | 'sample_limit'
  | 'label_limit'
  | 'target_limit'
  | 'rate_limit'
  | 'tenant'
  | 'storage';

/** A scrape that failed: `up` is 0, and the target's series end. */
export class ScrapeError extends CodedError {
  override readonly name = 'ScrapeError';
  readonly code = 'scrape_failed';
  readonly reason: ScrapeFailureReason;

  constructor(reason: ScrapeFailureReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** Targets cannot be discovered just now: those that were known stay. */
export class DiscoveryError extends CodedError {
  override readonly name = 'DiscoveryError';
  readonly code = 'discovery_failed';
}
