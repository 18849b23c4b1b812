import type { TenantId } from '../model/tenant.ts';
import type { BodyBudget } from './read-body.ts';

/**
 * How many times what is still free one tenant may hold: alone two thirds, of two two fifths each, and a rest always
 * stays for who comes next. Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches",
 * IEEE/ACM Transactions on Networking 6(2), 1998, with alpha = 2.
 */
const TIMES_FREE = 2;

/** Shares the bytes of bodies in flight among tenants, so that none can hold all of them. */
export function openBodyShares(totalBytes: number): { of(tenant: TenantId): BodyBudget } {
  const pool: Pool = { free: totalBytes, held: new Map() };
  return { of: (tenant) => new TenantShare(pool, tenant) };
}

interface Pool {
  free: number;
  readonly held: Map<TenantId, number>;
}

class TenantShare implements BodyBudget {
  readonly #pool: Pool;
  readonly #tenant: TenantId;

  constructor(pool: Pool, tenant: TenantId) {
    this.#pool = pool;
    this.#tenant = tenant;
  }

  get #own(): number {
    return this.#pool.held.get(this.#tenant) ?? 0;
  }

  /** The most that may be taken at once: `own + n` may be `TIMES_FREE` times `free - n`. */
  get left(): number {
    return Math.floor((TIMES_FREE * this.#pool.free - this.#own) / (1 + TIMES_FREE));
  }

  /** `left -= n` takes n and `left += n` gives it back, whatever others did meanwhile. */
  set left(value) {
    const taken = this.left - value;
    const now = this.#own + taken;
    this.#pool.free -= taken;
    if (now > 0) this.#pool.held.set(this.#tenant, now);
    else this.#pool.held.delete(this.#tenant);
  }
}
