import type { Millis } from '../model/time.ts';

/** How what ran was paid for. */
export const PLANS = ['on-demand', 'spot', 'reserved'] as const;
export type PricePlan = (typeof PLANS)[number];

/**
 * What one workload's replicas cost in one hour. Amounts are in the price book's currency, each a whole number of
 * millionths of it (see money.ts), so that sums are exact.
 */
export interface SpendHour {
  /** Start of the hour, UTC. */
  readonly hour: Millis;
  readonly namespace: string;
  readonly workload: string;
  /** Undefined where no policy is for it. */
  readonly policy: string | undefined;
  /** Empty where it is not known. */
  readonly region: string;
  /** Of the workload, as kept by the settings; without namespace, workload and region. */
  readonly labels: Readonly<Record<string, string>>;
  readonly replicaHours: number;
  readonly cost: number;
  /** Part of the cost that was estimated because nothing was recorded, 0 to `cost`. */
  readonly estimated: number;
  /** Cost of requests that were not used, where usage is known. */
  readonly idle: number | undefined;
  readonly plan: PricePlan;
}
