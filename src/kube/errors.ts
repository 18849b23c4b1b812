import { CodedError } from '../model/errors.ts';

/** The kubeconfig, or the in-cluster account, cannot be used. */
export class KubeconfigError extends CodedError {
  override readonly name = 'KubeconfigError';
  readonly code = 'kubeconfig_unusable';
}

/** The Kubernetes API did not answer, or refused in a way that no decision can follow from. */
export class KubernetesApiError extends CodedError {
  override readonly name = 'KubernetesApiError';
  readonly code = 'kubernetes_api_error';
  readonly retryable = true;
  /** The HTTP status, or 0 where there was no answer. */
  readonly status: number;

  constructor(message: string, status: number, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

/** This process may not act on the target, or not any more: another one may do so by now. Nothing was sent. */
export class LeaseLostError extends CodedError {
  override readonly name = 'LeaseLostError';
  readonly code = 'lease_lost';
  readonly retryable = true;
}
