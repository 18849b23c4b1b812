import type { Millis } from '../model/time.ts';
import type { CapacityAdvice, CapacityQuestion } from './capacity.ts';

export interface CapacityRequest extends CapacityQuestion {
  /** What a reserved unit is cheaper by, 0 to 1. Left out: what the price book says of each workload. */
  readonly discount: number | undefined;
  /** A forecast of so many hours. */
  readonly horizonHours: number;
  /** Left out: all. */
  readonly namespace: string | undefined;
  readonly workload: string | undefined;
  /** Workloads with advice of their own: the dearest. */
  readonly most: number;
}

/** Advice on the capacity to reserve for the hours after `end`, or why there is none of it. */
export interface CapacityReport {
  readonly end: Millis;
  readonly horizonHours: number;
  /** Of all together; null where none is known. */
  readonly discount: number | null;
  readonly discountFrom: 'question' | 'price book';
  /** Workloads of which no reserved price is known. */
  readonly undiscounted: readonly string[];
  readonly currency: string;
  readonly commitment: TellableCapacity | undefined;
  readonly workloads: readonly TellableCapacity[];
  /** Workloads beyond the dearest, which only the commitment has. */
  readonly others: number;
}

export type TellableCapacity = (
  | { readonly kind: 'advised'; readonly advice: CapacityAdvice; readonly model: string }
  | { readonly kind: 'unknown'; readonly name: string; readonly message: string }
) & { readonly historyHours: number; readonly estimated: number };
