import type { FitRequest, ForecastAnswer, RestoreRequest } from '../forecast/desk.ts';
import type { TenantId } from '../model/tenant.ts';

/** Where forecasters live: the pool of `workers/`. Nothing of it runs in the loop's own turn. */
export interface Forecasters {
  /** Fits or restores what `load` gives when the tenant's turn comes. Rejects with what `load` rejects with. */
  learn(tenant: TenantId, key: string, load: () => Promise<FitRequest | RestoreRequest>): Promise<Answer>;
  refit(tenant: TenantId, key: string): Promise<Answer>;
  advance(key: string, values: Float64Array): Promise<Answer>;
  save(key: string): Promise<Uint8Array | undefined>;
  drop(key: string): void;
  /** Forecasters are going to be needed. */
  warm(): void;
}

export type Answer = ForecastAnswer | { readonly kind: 'lost'; readonly reason: string };
