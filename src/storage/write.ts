/** A series inside one tenant's head: 1 to 2^32 - 1. Zero is no reference. */
export type SeriesRef = number;

/** How long samples of a series are kept: `raw` as configured, `demand` for 400 days. */
export type RetentionClass = 'raw' | 'demand';

/** The answer to one label set. A refused one says why in words that a sender can act on; `id` is stable. */
export type RefAnswer =
  | { readonly kind: 'ref'; readonly ref: SeriesRef }
  | { readonly kind: 'refused'; readonly id: string; readonly message: string };

/** Samples by reference, in columns of equal length. Values travel as bits. */
export interface WriteBatch {
  readonly refs: Uint32Array;
  /** Milliseconds. */
  readonly times: Float64Array;
  readonly values: Float64Array;
}

/** What became of one sample. The numbers are what `write` answers. */
export const OUTCOME = {
  appended: 0,
  /** The same sample is stored already: a retry, a success. */
  duplicate: 1,
  /** Older than the newest sample of its series by more than the out-of-order window. */
  outOfOrder: 2,
  /** Another value is stored at this time. */
  conflict: 3,
  /** Later than now + 10 minutes. */
  tooFarInFuture: 4,
  /** Before the retention. */
  tooOld: 5,
  /** The reference left the head: resolve the label set again and retry. */
  gone: 6,
  /** Memory's bound is reached: answer 503 with Retry-After; nothing of the sample was kept. */
  full: 7,
} as const;

/** Live samples. Batches of one sender are applied in order. */
export interface SeriesWriter {
  /** Looks up, or creates, the series of canonical label bytes (`encodeLabels`). One answer for each, in order. */
  ref(labelSets: readonly Uint8Array[], retention?: RetentionClass): Promise<readonly RefAnswer[]>;
  /** Appends; one `OUTCOME` for each sample. Nothing is durable or visible to queries before `commit` resolves. */
  write(batch: WriteBatch): Promise<Uint8Array>;
  /** Keeps descriptions of metric families, the newest of each. Durable once `commit` resolves. */
  describe(metadata: readonly MetricMetadata[]): Promise<void>;
  /** Resolves once everything that this handle wrote is in the log and the log was synced. Commits are grouped. */
  commit(): Promise<void>;
}

/** Metadata of a metric family, as its sender describes it. */
export interface MetricMetadata {
  readonly metric: string;
  readonly type: string;
  readonly help: string;
  readonly unit: string;
}
