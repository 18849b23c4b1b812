import { type OwnModel, SHIPPED_VERSION } from '../forecast/regressor/model-version.ts';
import type { NetworkChange } from './forecast-seat.ts';
import type { TenantModels } from './tenant-models.ts';

/** Which network each tenant's forecasts are made with, while the program runs. */
export interface NetworksInForce {
  /** As of now, whenever it is read: what threads are started with. */
  readonly models: TenantModels;
  /** Undefined where the tenant has the shipped one. */
  ownOf(tenant: string): OwnModel | undefined;
  versionOf(tenant: string): string;
  takeUp(change: NetworkChange): void;
  /** Called at each change. */
  onChange(listener: (change: NetworkChange) => void): void;
}

/** @param models As the start found them. */
export function networksInForce({ shipped, own }: TenantModels): NetworksInForce {
  const current = new Map(own);
  const listeners: ((change: NetworkChange) => void)[] = [];
  return {
    models: { shipped, own: current },
    ownOf: (tenant) => current.get(tenant),
    versionOf: (tenant) => current.get(tenant)?.version ?? SHIPPED_VERSION,
    takeUp(change) {
      const { tenant, own: taken } = change;
      if (taken === undefined) current.delete(tenant);
      else current.set(tenant, taken);
      for (const listener of listeners) listener(change);
    },
    onChange: (listener) => void listeners.push(listener),
  };
}
