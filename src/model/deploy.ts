import type { Millis } from './time.ts';

/** A workload's pods got another template than they had: another image, another setting, a restart that was asked for. */
export interface Deploy {
  readonly namespace: string;
  readonly workload: string;
  /** The name of the template among the workload's. */
  readonly revision: string;
  /** Of its containers. Empty: not known. */
  readonly images: readonly string[];
  /** When the first of its pods was made. */
  readonly at: Millis;
}

/** A pod and the template that it was made from. */
export interface PodRevision {
  readonly revision: string;
  readonly images: readonly string[];
  readonly createdAt: Millis;
}
