import { CodedError } from '../model/errors.ts';

/** A certificate or its key cannot be read, or they do not belong together. */
export class CertificateError extends CodedError {
  override readonly name = 'CertificateError';
  readonly code = 'certificate_unusable';
}

/** External metrics are asked for by a cluster, which there is none of here. */
export class ExternalMetricsWithoutClusterError extends CodedError {
  override readonly name = 'ExternalMetricsWithoutClusterError';
  readonly code = 'external_metrics_without_cluster';

  constructor() {
    super('cannot serve external metrics: no cluster is configured, and who may ask for them is for a cluster to say');
  }
}

/** The APIService could not be read or written. */
export class ApiServiceError extends CodedError {
  override readonly name = 'ApiServiceError';
  readonly code = 'api_service_unusable';
}
