import type { TenantId } from '../model/tenant.ts';

/** Work that waits, tenant by tenant: one with a thousand pieces delays the next tenant's first piece by one. */
export interface TenantTurns<T> {
  readonly size: number;
  append(tenant: TenantId, item: T): void;
  /** The oldest piece of the tenant whose turn it is. */
  take(): T | undefined;
}

export function createTenantTurns<T>(): TenantTurns<T> {
  const waiting = new Map<TenantId, T[]>();
  let size = 0;
  return {
    get size() {
      return size;
    },
    append(tenant, item) {
      const items = waiting.get(tenant);
      if (items === undefined) waiting.set(tenant, [item]);
      else items.push(item);
      size++;
    },
    take() {
      for (const [tenant, items] of waiting) {
        const item = items.shift()!;
        // A map keeps the order in which keys were set: this tenant is now last.
        waiting.delete(tenant);
        if (items.length > 0) waiting.set(tenant, items);
        size--;
        return item;
      }
      return undefined;
    },
  };
}
