/** What became of one attempt to tell somebody. */
export type Outcome =
  | { readonly kind: 'sent' }
  | {
      readonly kind: 'failed';
      /** A word of few, for metrics. */
      readonly reason: FailureReason;
      /** For people. Without secrets. */
      readonly message: string;
      /** Whether the same may be taken later. */
      readonly retry: boolean;
      /** How long the receiver asks to be left alone. */
      readonly retryAfterMs?: number;
    };

export type FailureReason =
  | 'connection'
  | 'tls'
  | 'timeout'
  | 'refused'
  | 'rate-limited'
  | 'server-error'
  | 'address'
  | 'no-receiver'
  | 'unsendable'
  | 'overflow'
  | 'overflow-bytes';

export const SENT: Outcome = { kind: 'sent' };
