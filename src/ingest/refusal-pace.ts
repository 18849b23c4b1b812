import type { TenantId } from '../model/tenant.ts';
import type { Millis } from '../model/time.ts';

/** What refused requests cost is paid by their tenant in time, so that refusing a flood is not what keeps the thread busy. */
export interface RefusalPace {
  /** Resolves when the tenant has paid for what it had before. Undefined: who is not known, all together. */
  wait(tenant: TenantId | undefined, costMs: number): Promise<void>;
}

/** Free at first, and again after a pause: some fifty refusals. An honest sender that went too far is told at once. */
const CREDIT_MS = 250;
/** Nobody waits longer for a refusal. */
const MOST_MS = 5_000;
const MIN_PAYERS = 1_024;

/** @param sleep Resolves after so many milliseconds. */
export function openRefusalPace(now: () => Millis, sleep: (ms: number) => Promise<void>): RefusalPace {
  /** Until when each has paid: what lies ahead by more than the credit is waited for. */
  const paid = new Map<TenantId | undefined, Millis>();
  let mostPayers = MIN_PAYERS;
  return {
    async wait(tenant, costMs) {
      const at = now();
      const until = Math.max(paid.get(tenant) ?? 0, at);
      if (paid.size >= mostPayers) {
        for (const [each, time] of paid) if (time <= at) paid.delete(each);
        mostPayers = Math.max(MIN_PAYERS, 2 * paid.size);
      }
      // A crowd that waits the longest time already pays no more: the line would else grow without end.
      paid.set(tenant, Math.min(until + costMs, at + CREDIT_MS + MOST_MS));
      const waitMs = Math.min(until - at - CREDIT_MS, MOST_MS);
      if (waitMs > 0) await sleep(waitMs);
    },
  };
}
