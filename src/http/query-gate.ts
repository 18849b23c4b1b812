import type { TenantId } from '../model/tenant.ts';
import { TooManyQueriesError } from './errors.ts';

export interface GateLimits {
  /** Queries of one tenant that run at once. */
  readonly max_query_parallelism: number;
  /** Those that wait behind them. */
  readonly max_outstanding_requests_per_tenant: number;
}

export interface QueryGate {
  /**
   * Waits until the tenant may run one more query, in the order of asking.
   * @returns What ends it: to be called once.
   * @throws {TooManyQueriesError} If too many wait already. The signal's reason, once it is aborted.
   */
  enter(tenant: TenantId, limits: GateLimits, signal: AbortSignal): Promise<() => void>;
  /** Queries of the tenant that run now. */
  running(tenant: TenantId): number;
}

interface Line {
  running: number;
  readonly waiting: Set<() => void>;
}

/** Bounds how many queries of each tenant run at once. Tenants do not wait for one another. */
export function openQueryGate(): QueryGate {
  const lines = new Map<TenantId, Line>();
  const leave = (tenant: TenantId, line: Line) => () => {
    const [next] = line.waiting;
    if (next !== undefined) {
      // The slot is handed over: nobody who comes meanwhile gets before.
      line.waiting.delete(next);
      next();
      return;
    }
    line.running--;
    if (line.running === 0) lines.delete(tenant);
  };
  return {
    async enter(tenant, limits, signal) {
      signal.throwIfAborted();
      const line = lines.get(tenant) ?? { running: 0, waiting: new Set() };
      lines.set(tenant, line);
      if (line.running < limits.max_query_parallelism) {
        line.running++;
        return leave(tenant, line);
      }
      if (line.waiting.size >= limits.max_outstanding_requests_per_tenant) {
        throw new TooManyQueriesError(
          `too many outstanding requests: ${line.running} queries of the tenant run and ${line.waiting.size} wait`,
        );
      }
      await new Promise<void>((resolve, reject) => {
        const begin = () => {
          signal.removeEventListener('abort', giveUp);
          resolve();
        };
        const giveUp = () => {
          line.waiting.delete(begin);
          reject(signal.reason);
        };
        line.waiting.add(begin);
        signal.addEventListener('abort', giveUp, { once: true });
      });
      return leave(tenant, line);
    },
    running: (tenant) => lines.get(tenant)?.running ?? 0,
  };
}
