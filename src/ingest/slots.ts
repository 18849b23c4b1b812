import type { TenantId } from '../model/tenant.ts';

/** Requests in flight: so many of a tenant are read at once, the others wait unread, and beyond a bound none may. */
export interface Slots {
  /** Undefined where no more may be in flight. Dispose once the request is answered. */
  take(tenant: TenantId): Promise<Slot> | undefined;
}

export interface Slot extends Disposable {
  /** Gives the place to the next in line, of a request that is slow to come: it stays in flight. */
  leave(): void;
}

export interface SlotCounts {
  /** Requests of one tenant that are read and stored at once. */
  readonly perTenant: number;
  /** Requests of all tenants, read or waiting: one tenant has half of them at most. */
  readonly inFlight: number;
}

interface TenantSlots {
  inFlight: number;
  taken: number;
  readonly line: (() => void)[];
}

export function openSlots(counts: SlotCounts): Slots {
  const tenants = new Map<TenantId, TenantSlots>();
  let inFlight = 0;

  function slotOf(tenant: TenantId, own: TenantSlots): Slot {
    let hasPlace = true;
    let isOpen = true;
    const leave = () => {
      if (!hasPlace) return;
      hasPlace = false;
      const next = own.line.shift();
      if (next === undefined) own.taken--;
      else next();
    };
    return new Taken(leave, () => {
      if (!isOpen) return;
      isOpen = false;
      leave();
      inFlight--;
      own.inFlight--;
      if (own.inFlight === 0) tenants.delete(tenant);
    });
  }

  return {
    take(tenant) {
      const own = tenants.get(tenant) ?? { inFlight: 0, taken: 0, line: [] };
      // Its senders, not others', are told to come later.
      if (inFlight >= counts.inFlight || own.inFlight >= counts.inFlight / 2) return undefined;
      tenants.set(tenant, own);
      inFlight++;
      own.inFlight++;
      if (own.taken < counts.perTenant) {
        own.taken++;
        return Promise.resolve(slotOf(tenant, own));
      }
      return new Promise((resolve) => own.line.push(() => resolve(slotOf(tenant, own))));
    },
  };
}

class Taken implements Slot {
  readonly leave: () => void;
  readonly #end: () => void;

  constructor(leave: () => void, end: () => void) {
    this.leave = leave;
    this.#end = end;
  }

  [Symbol.dispose](): void {
    this.#end();
  }
}
