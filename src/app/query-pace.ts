import type { TenantId } from '../model/tenant.ts';

/** Long enough that changing over takes little of it. */
const TURN_MS = 4;
/** While another tenant waits, whose short query may need several turns. */
const SHORT_TURN_MS = 1;

/**
 * How queries share the thread: tenants take turns, and each query of one rests once its tenant's turn is over.
 * @param turn Waits for the tenant's turn, which ends with the next `await`.
 */
export function queryPace(
  turn: (tenant: TenantId) => Promise<void>,
  now: () => number,
  { turnMs = TURN_MS, shortTurnMs = SHORT_TURN_MS } = {},
): (tenant: TenantId) => () => Promise<void> | undefined {
  let whose: TenantId | undefined;
  let began = Number.NEGATIVE_INFINITY;
  /** Queries that wait for a turn, all and by tenant. */
  let waiting = 0;
  const waitingOf = new Map<TenantId, number>();
  const add = (tenant: TenantId, count: number): void => {
    waiting += count;
    const left = (waitingOf.get(tenant) ?? 0) + count;
    if (left === 0) waitingOf.delete(tenant);
    else waitingOf.set(tenant, left);
  };
  return (tenant) => () => {
    const othersWait = waiting > (waitingOf.get(tenant) ?? 0);
    if (whose === tenant && now() < began + (othersWait ? shortTurnMs : turnMs)) return undefined;
    add(tenant, 1);
    return turn(tenant).then(() => {
      add(tenant, -1);
      whose = tenant;
      began = now();
    });
  };
}
