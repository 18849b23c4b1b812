/** What became of an import. Counts of samples, apart from `series`, `lines` and the lines of `errors`. */
export interface ImportReport {
  readonly lines: number;
  readonly series: number;
  readonly appended: number;
  /** Stored already with the same value. */
  readonly duplicates: number;
  /** Another value is stored at this time, or stands earlier in the line: that one stays. */
  readonly conflicts: number;
  /** Outside the retention or more than 10 minutes ahead of now. */
  readonly outOfBounds: number;
  /** Lines that could not be used, with their numbers counted from 1. The first ones; `badLines` counts all. */
  readonly errors: readonly { readonly line: number; readonly message: string }[];
  readonly badLines: number;
}
