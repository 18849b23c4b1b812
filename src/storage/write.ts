import type { Labels } from '../model/labels.ts';
import type { Millis } from '../model/time.ts';

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
  /** When each counter began to count, in milliseconds; 0: unset. Left out: unset for all. */
  readonly starts?: Float64Array;
}

/** One observation of a series, with labels of its own, such as the id of a trace. */
export interface Exemplar {
  readonly time: Millis;
  readonly value: number;
  /** May be empty. */
  readonly labels: Labels;
}

/** A native histogram at one time. */
export interface HistogramSample {
  readonly time: Millis;
  /** When it began to count, in milliseconds; 0: unset. */
  readonly start: Millis;
  /**
   * Remote write's `Histogram` message, its fields in order of number, each once, default values left out, packed
   * where they repeat, without fields 15 (timestamp) and 17 (start timestamp). Checked by whoever writes it: the store
   * keeps the bytes, and takes histograms with equal bytes for equal.
   */
  readonly bytes: Uint8Array;
}

/** What is not a float sample, by reference. */
export interface Attachments {
  readonly exemplars: readonly (Exemplar & { readonly ref: SeriesRef })[];
  readonly histograms: readonly (HistogramSample & { readonly ref: SeriesRef })[];
}

/** An `OUTCOME` for each, in order. */
export interface AttachOutcomes {
  readonly exemplars: Uint8Array;
  readonly histograms: Uint8Array;
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
  /** An exemplar's labels or a histogram's buckets take more bytes than the store keeps of one. */
  tooLong: 8,
  /** Whoever keeps the samples has no place for this kind. */
  unsupported: 9,
} as const;

/** Live samples. Batches of one sender are applied in order. */
export interface SeriesWriter {
  /** Looks up, or creates, the series of canonical label bytes (`encodeLabels`). One answer for each, in order. */
  ref(labelSets: readonly Uint8Array[], retention?: RetentionClass): Promise<readonly RefAnswer[]>;
  /** Appends; one `OUTCOME` for each sample. Nothing is durable or visible to queries before `commit` resolves. */
  write(batch: WriteBatch): Promise<Uint8Array>;
  /**
   * Keeps what is not a float sample. Durable and visible as samples are: once `commit` resolves. A histogram is judged
   * by its time as a sample is; an exemplar with the time, labels and value of a stored one is a duplicate. Floats and
   * histograms of one series do not hinder each other.
   */
  attach(attachments: Attachments): Promise<AttachOutcomes>;
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
