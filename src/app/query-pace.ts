import type { TenantId } from '../model/tenant.ts';

/** A tenant that waits for its query waits as long for each other tenant that has some. */
const TURN_MS = 4;

/**
 * How queries share the thread: tenants take turns, and each query of one rests once its tenant's turn is over.
 * @param turn Waits for the tenant's turn, which ends with the next `await`.
 */
export function queryPace(
  turn: (tenant: TenantId) => Promise<void>,
  now: () => number,
  turnMs = TURN_MS,
): (tenant: TenantId) => () => Promise<void> | undefined {
  let whose: TenantId | undefined;
  let ends = Number.NEGATIVE_INFINITY;
  return (tenant) => () => {
    if (whose === tenant && now() < ends) return undefined;
    return turn(tenant).then(() => {
      whose = tenant;
      ends = now() + turnMs;
    });
  };
}
