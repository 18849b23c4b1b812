import { CodedError } from '../model/errors.ts';

/** The engine cannot be reached, or asks to be left alone. What was sent was not taken: it can be sent again. */
export class EngineUnavailableError extends CodedError {
  override readonly name = 'EngineUnavailableError';
  readonly code = 'engine_unavailable';
  readonly retryable = true;
  /** What it asked for; undefined where it asked for nothing. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, { retryAfterMs, ...options }: ErrorOptions & { readonly retryAfterMs?: number } = {}) {
    super(message, options);
    this.retryAfterMs = retryAfterMs;
  }
}

/** The engine will not take these samples, now or later. */
export class EngineRefusedError extends CodedError {
  override readonly name = 'EngineRefusedError';
  readonly code = 'engine_refused';
}

/** What answers at the address is no such engine, does not know us, or speaks another language. */
export class EngineAnswerError extends CodedError {
  override readonly name = 'EngineAnswerError';
  readonly code = 'engine_answer';
}

/** The engine's own limit on what one query may load. A shorter range may pass. */
export class EngineTooManySamplesError extends CodedError {
  override readonly name = 'EngineTooManySamplesError';
  readonly code = 'too_many_samples';
}
