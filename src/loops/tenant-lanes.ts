import type { TenantId } from '../model/tenant.ts';

export interface TenantLanesOptions {
  /** Jobs that run at the same time: of one tenant, and of all, but that each tenant has one. */
  readonly mostOfTenant: number;
  readonly most: number;
}

export type TenantLanes = ReturnType<typeof openTenantLanes>;

interface Lanes {
  readonly running: Set<string>;
  /** In the order in which they came. */
  readonly waiting: Map<string, () => Promise<void>>;
}

/** Runs jobs side by side. Each tenant has lanes of its own: what one waits for holds up nobody else. */
export function openTenantLanes({ mostOfTenant, most }: TenantLanesOptions) {
  const tenants = new Map<TenantId, Lanes>();
  let idlers: (() => void)[] = [];

  function pump(tenant: TenantId, lanes: Lanes): void {
    const share = Math.max(1, Math.min(mostOfTenant, Math.floor(most / tenants.size)));
    while (lanes.running.size < share) {
      const [next] = lanes.waiting;
      if (next === undefined) break;
      const [id, job] = next;
      lanes.waiting.delete(id);
      lanes.running.add(id);
      job().then(
        () => ended(tenant, lanes, id),
        () => ended(tenant, lanes, id),
      );
    }
  }

  function ended(tenant: TenantId, lanes: Lanes, id: string): void {
    lanes.running.delete(id);
    pump(tenant, lanes);
    if (lanes.running.size === 0) tenants.delete(tenant);
    if (tenants.size > 0) return;
    const resolved = idlers;
    idlers = [];
    for (const resolve of resolved) resolve();
  }

  return {
    /** Has jobs run when their turn comes, by their names; one that runs is left alone, one that waits is replaced. They must not throw. */
    put(tenant: TenantId, jobs: readonly (readonly [id: string, job: () => Promise<void>])[]): void {
      if (jobs.length === 0) return;
      const lanes = tenants.get(tenant) ?? { running: new Set(), waiting: new Map() };
      tenants.set(tenant, lanes);
      for (const [id, job] of jobs) if (!lanes.running.has(id)) lanes.waiting.set(id, job);
      pump(tenant, lanes);
    },
    /** Resolves once nothing runs, and nothing waits. */
    idle: (): Promise<void> =>
      tenants.size === 0 ? Promise.resolve() : new Promise((resolve) => idlers.push(resolve)),
  };
}
