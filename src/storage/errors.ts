import { CodedError } from '../model/errors.ts';

/** A query would load more samples than its limit allows. Narrow the selector or the range. */
export class TooManySamplesError extends CodedError {
  override readonly name = 'TooManySamplesError';
  readonly code = 'too_many_samples';

  constructor(limit: number) {
    super(`query processing would load too many samples into memory in query execution (limit ${limit})`);
  }
}

/** The store takes no samples for now: its disk or its memory is full. Retry later. */
export class StorageFullError extends CodedError {
  override readonly name = 'StorageFullError';
  readonly code = 'storage_full';
  readonly retryable = true;
}
