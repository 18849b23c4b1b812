import type { Panel } from '../../http/svg/chart.ts';

/** A picture of results, whatever the kind of file that it is written to. */
export interface Report {
  readonly title: string;
  /** A sentence each. */
  readonly notes: readonly string[];
  readonly sections: readonly Section[];
}

export interface Section {
  readonly title?: string;
  readonly note?: string;
  /** The first row has the columns' names. */
  readonly table?: readonly (readonly string[])[];
  readonly panels?: readonly Panel[];
}
