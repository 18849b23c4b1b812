import type { Outcome } from '../external-metrics/answer.ts';
import type { BoardChange } from '../external-metrics/board-values.ts';
import { CertificateError } from '../external-metrics/errors.ts';
import type { Refreshed } from '../external-metrics/open-external-metrics.ts';
import { ListenError } from '../http/errors.ts';
import { KubeconfigError } from '../kube/errors.ts';
import { CodedError } from '../model/errors.ts';
import type { Millis } from '../model/time.ts';

/** What the main thread tells the thread of the server. */
export type ToServer =
  | { readonly kind: 'changes'; readonly changes: readonly BoardChange[] }
  /** Answered at once by `alive`, and by `refreshed` once it is done. */
  | { readonly kind: 'refresh' }
  | { readonly kind: 'close' };

/** What the thread of the server tells the main thread, which counts and logs. */
export type FromServer =
  | { readonly kind: 'serving'; readonly url: string; readonly port: number }
  | { readonly kind: 'cannot-start'; readonly failure: StartFailure }
  | { readonly kind: 'alive' }
  | { readonly kind: 'refreshed' }
  /** Requests that were answered, in their order. */
  | {
      readonly kind: 'answers';
      readonly outcomes: readonly Outcome[];
      readonly seconds: readonly number[];
      /** Of the thread, since it began. */
      readonly cpuSeconds: number;
      /** Likewise: ready to run, and without a core. */
      readonly waitSeconds: number;
    }
  | { readonly kind: 'error'; readonly error: unknown }
  | { readonly kind: 'problem'; readonly what: Refreshed; readonly problem: string | undefined }
  | { readonly kind: 'failure'; readonly what: Refreshed }
  | { readonly kind: 'certificate'; readonly expiresAt: Millis };

/** An error of the start: classes do not survive a message. */
export interface StartFailure {
  readonly code: string;
  readonly message: string;
  /** Why an address could not be taken. */
  readonly errno?: string | undefined;
}

export function startFailure(error: unknown): StartFailure {
  const { message, cause } = error as Error;
  if (!(error instanceof CodedError)) return { code: '', message };
  return { code: error.code, message, errno: (cause as NodeJS.ErrnoException | undefined)?.code };
}

/** @param address Where it was to listen. */
export function startError({ code, message, errno }: StartFailure, address: string): Error {
  switch (code) {
    case 'cannot_listen':
      return new ListenError(address, Object.assign(new Error(message), errno !== undefined && { code: errno }));
    case 'certificate_unusable':
      return new CertificateError(message);
    case 'kubeconfig_unusable':
      return new KubeconfigError(message);
    default:
      return new Error(message);
  }
}
