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

/** The address that the settings name cannot be opened: it is taken, or not one of this machine's. */
export class ListenError extends CodedError {
  override readonly name = 'ListenError';
  readonly code = 'cannot_listen';

  constructor(address: string, cause: NodeJS.ErrnoException, remedy = 'name another address with --listen') {
    const why = cause.code === 'EADDRINUSE' ? 'something else listens there' : (cause.code ?? cause.message);
    super(`cannot listen at ${address}: ${why}; ${remedy}`, { cause });
  }
}
