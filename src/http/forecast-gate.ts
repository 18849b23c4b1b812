import type { TenantId } from '../model/tenant.ts';
import { TooManyForecastsError } from './errors.ts';

/** Requests that compute at once: of one tenant, so that none waits for another's, and of all. */
const MOST_OF_TENANT = 2;
const MOST = 8;

/** Lets a few requests compute at once and refuses the others at the door. */
export interface ForecastGate {
  /** @throws {TooManyForecastsError} If too many are inside. */
  through<T>(tenant: TenantId, action: () => Promise<T>): Promise<T>;
}

export function forecastGate(): ForecastGate {
  const inside = new Map<TenantId, number>();
  return {
    async through(tenant, action) {
      const own = inside.get(tenant) ?? 0;
      const all = [...inside.values()].reduce((sum, count) => sum + count, 0);
      if (own >= MOST_OF_TENANT || all >= MOST) {
        const whose = own >= MOST_OF_TENANT ? 'of this tenant' : 'of all tenants';
        const count = own >= MOST_OF_TENANT ? own : all;
        throw new TooManyForecastsError(`cannot compute this now: ${count} requests ${whose} are being computed`);
      }
      inside.set(tenant, own + 1);
      try {
        return await action();
      } finally {
        const left = inside.get(tenant)! - 1;
        if (left > 0) inside.set(tenant, left);
        else inside.delete(tenant);
      }
    },
  };
}
