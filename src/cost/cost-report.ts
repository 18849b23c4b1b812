import type { Millis } from '../model/time.ts';
import type { PolicySavings, TotalSavings } from './savings.ts';
import type { Showback } from './showback.ts';

/** What a tenant is told of a week or a month: what it cost, and what the simulation says was saved. */
export interface CostReport {
  readonly tenant: string;
  readonly madeAt: Millis;
  readonly showback: Showback;
  /** Null where it was not asked for. */
  readonly savings: { readonly total: TotalSavings; readonly policies: readonly PolicySavings[] } | null;
}
