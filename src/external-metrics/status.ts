/** An answer before it is bytes. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
  /** Default `application/json`. */
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export type StatusReason =
  | 'BadRequest'
  | 'Unauthorized'
  | 'Forbidden'
  | 'NotFound'
  | 'MethodNotAllowed'
  | 'RequestURITooLong'
  | 'InternalError'
  | 'ServiceUnavailable';

const CODES: Readonly<Record<StatusReason, number>> = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  RequestURITooLong: 414,
  InternalError: 500,
  ServiceUnavailable: 503,
};

/**
 * A `Status` object (`k8s.io/apimachinery/pkg/apis/meta/v1`): anything else makes the HPA's event say only that the
 * server answered something unknown.
 *
 * @param details What a program may branch on, such as the cause of a metric that is not served.
 */
export function failure(reason: StatusReason, message: string, details?: object): Answer {
  const code = CODES[reason];
  const body = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    reason,
    ...(details !== undefined && { details }),
    code,
  };
  return { status: code, body };
}
