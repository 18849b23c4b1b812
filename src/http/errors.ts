import { CodedError } from '../model/errors.ts';

/** A parameter is not what it has to be. */
export class BadParameterError extends CodedError {
  override readonly name = 'BadParameterError';
  readonly code = 'bad_parameter';

  constructor(parameter: string, why: string, options?: ErrorOptions) {
    super(`invalid parameter ${JSON.stringify(parameter)}: ${why}`, options);
  }
}

/** A body cannot be read as what its content type says. */
export class UnreadableBodyError extends CodedError {
  override readonly name = 'UnreadableBodyError';
  readonly code = 'unreadable_body';
}

/** No credential, or no tenant, where one is needed. */
export class UnauthenticatedError extends CodedError {
  override readonly name = 'UnauthenticatedError';
  readonly code = 'unauthenticated';
}

/** The credential does not allow this. */
export class ForbiddenError extends CodedError {
  override readonly name = 'ForbiddenError';
  readonly code = 'forbidden';
}

/** There is no such thing, or it is another tenant's. */
export class NotFoundError extends CodedError {
  override readonly name = 'NotFoundError';
  readonly code = 'not_found';
}

/** The address exists, but not for this method. */
export class MethodNotAllowedError extends CodedError {
  override readonly name = 'MethodNotAllowedError';
  readonly code = 'method_not_allowed';
}

/** The query took longer than its timeout. */
export class QueryTimeoutError extends CodedError {
  override readonly name = 'QueryTimeoutError';
  readonly code = 'query_timeout';
}

/** The client went away before the answer. */
export class QueryCanceledError extends CodedError {
  override readonly name = 'QueryCanceledError';
  readonly code = 'query_canceled';
}

/** A query is beyond one of its tenant's limits: it selects too much, or takes too much memory. */
export class QueryLimitError extends CodedError {
  override readonly name = 'QueryLimitError';
  readonly code = 'query_limit';
  /** Mimir's, and never changed: `err-mimir-max-series-per-query`. */
  readonly id: string;

  constructor(id: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.id = id;
  }
}

/** A query asks for more than its tenant may ask: it is not run. */
export class QueryRefusedError extends CodedError {
  override readonly name = 'QueryRefusedError';
  readonly code = 'query_refused';
  /** Mimir's, and never changed: `err-mimir-max-total-query-length`. */
  readonly id: string;

  constructor(id: string, message: string) {
    super(message);
    this.id = id;
  }
}

/** As many queries of the tenant as may wait are waiting. */
export class TooManyQueriesError extends CodedError {
  override readonly name = 'TooManyQueriesError';
  readonly code = 'too_many_queries';
}

/** An answer of remote read that is no stream would be too large. Ask for a stream, or for less. */
export class ReadTooLargeError extends CodedError {
  override readonly name = 'ReadTooLargeError';
  readonly code = 'read_too_large';
}

/** A range query asks for more points than the server gives. */
export class QueryTooFineError extends CodedError {
  override readonly name = 'QueryTooFineError';
  readonly code = 'query_too_fine';

  constructor(maxPoints: number) {
    const most = maxPoints.toLocaleString('en-US');
    super(
      `exceeded maximum resolution of ${most} points per timeseries. Try decreasing the query resolution (?step=XX)`,
    );
  }
}

/** A forecast is asked for of more than the server computes for one request. */
export class ForecastTooLargeError extends CodedError {
  override readonly name = 'ForecastTooLargeError';
  readonly code = 'forecast_too_large';
}

/** As many forecasts as one tenant, or all of them, may have computed at once are being computed. */
export class TooManyForecastsError extends CodedError {
  override readonly name = 'TooManyForecastsError';
  readonly code = 'too_many_forecasts';
}

/** A receiver was tested as often as it may be lately. */
export class TooManyTestsError extends CodedError {
  override readonly name = 'TooManyTestsError';
  readonly code = 'too_many_tests';
  /** Whole seconds, at least 1: for the header Retry-After. */
  readonly retryAfterSeconds: number;

  constructor(message: string, waitMs: number) {
    super(message);
    this.retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1_000));
  }
}

/** The address that the settings name cannot be opened: it is taken, or not one of this machine's. */
export class ListenError extends CodedError {
  override readonly name = 'ListenError';
  readonly code = 'cannot_listen';

  constructor(address: string, cause: NodeJS.ErrnoException, remedy = 'name another address with --listen') {
    const why = cause.code === 'EADDRINUSE' ? 'something else listens there' : (cause.code ?? cause.message);
    super(`cannot listen at ${address}: ${why}; ${remedy}`, { cause });
  }
}
