import { RateLimitedError } from '../model/rate-limited.ts';
import type { TenantId } from '../model/tenant.ts';
import { type TenantLimits, TIER_LIMITS } from '../model/tenant-limits.ts';
import type { Millis } from '../model/time.ts';
import { openBodyShares } from './body-shares.ts';
import type { BodyBudget } from './read-body.ts';
import { openRefusalPace } from './refusal-pace.ts';
import { openSlots, type SlotCounts } from './slots.ts';
import { openTenantTurns } from './tenant-turns.ts';
import {
  type Bucket,
  type BucketSize,
  chargeTokens,
  fullBucket,
  isFull,
  takeTokens,
  waitForAny,
} from './token-bucket.ts';

/** What every way in asks before it stores: remote write, OTLP, line protocol, scraping and imports. */
export interface Intake {
  /**
   * Lets a request in, or makes it wait unread until fewer of its tenant's are in flight. Dispose once it is answered.
   * @param announcedBytes Of its body, where it says so.
   * @throws {RateLimitedError} If the tenant's rates are used up.
   * @throws {IntakeFullError} If too many requests wait.
   */
  admit(tenant: TenantId, announcedBytes?: number): Promise<Admission>;
  /**
   * Takes samples, exemplars and metadata from the tenant's rate, all or none, where there is no request: a scrape.
   * @throws {RateLimitedError} If there is no room for them.
   */
  take(tenant: TenantId, items: number): void;
  limitsOf(tenant: TenantId): TenantLimits;
  /** Waits before a refusal is answered: nothing at first, and ever longer in a flood. Undefined: nobody knows whose. */
  beforeRefusal(tenant: TenantId | undefined): Promise<void>;
  /** Waits before another part of a refused body is read and thrown away. */
  beforeDiscard(tenant: TenantId | undefined): Promise<void>;
}

/** A request that was let in. */
export interface Admission extends Disposable {
  readonly limits: TenantLimits;
  /** What bodies of its tenant may hold now. */
  readonly budget: BodyBudget;
  /** Waits for the tenant's turn: before each piece of work of some milliseconds, which ends with the next `await`. */
  turn(): Promise<void>;
  /** Waits for the tenant's turn while the body is still read: before each part of a long one. */
  readTurn(): Promise<void>;
  /**
   * Whether a request may have more samples, exemplars and metadata than there is room for: then it is to be counted,
   * and what it has taken before any is stored. Else its bytes show that there is room: `charge` what it had.
   */
  isToCount(unpackedBytes: number): boolean;
  /**
   * Takes a request's samples, exemplars and metadata from its tenant's rate, all or none.
   * @throws {RateLimitedError}
   */
  take(items: number): void;
  /** Takes what a request had that was not counted. */
  charge(items: number): void;
}

export interface IntakeOptions {
  /** Default: without bounds of its own. */
  readonly limitsOf?: (tenant: TenantId) => TenantLimits;
  readonly now: () => Millis;
  /** Bodies of requests in flight, of all tenants. */
  readonly maxInFlightBytes?: number;
  readonly slots?: Partial<SlotCounts>;
}

/** Too much is in flight to take another request. The sender should come again soon. */
export class IntakeFullError extends Error {}

/**
 * In all, Mimir's bound of an instance (`-distributor.instance-limits.max-inflight-push-requests`). More than eight of a
 * tenant at once gain nothing, since they are synced together, and what comes in a rush holds up whoever else is served.
 */
const SLOTS: SlotCounts = { perTenant: 8, inFlight: 2_000 };
/**
 * Longer bodies of a tenant come one at a time. Read side by side, they would take each other's room to be unpacked and
 * be refused after all that reading; and while bodies hold 64 MiB, V8 collects garbage again and again.
 */
const LONG_BYTES = 4 << 20;
/** Whose body takes longer to come lets the next one in. */
const SLOW_MS = 1_000;
/** No sample, exemplar or metadata of an honest sender is shorter: a value alone has 8 bytes. */
const LEAST_ITEM_BYTES = 8;
/** Tenants' rates are looked over for those that are full again when there are so many, and then at twice what is left. */
const MIN_RATES = 1_024;
/** What answering a refusal takes, a few times over: 200 a second and tenant. */
const REFUSAL_MS = 5;
/** Of a part of 128 KiB: 32 MiB a second and tenant. */
const DISCARD_MS = 4;
/** Who asks for more than the bucket ever holds can only split the request: that is soon enough. */
const NEVER_MS = 60_000;

/** One for the process: tenants' rates, slots, shares of memory, and turns on the thread. */
export function openIntake({
  limitsOf = () => TIER_LIMITS.enterprise,
  now,
  maxInFlightBytes = 128 << 20,
  slots: slotCounts,
}: IntakeOptions): Intake {
  const shares = openBodyShares(maxInFlightBytes);
  const slots = openSlots({ ...SLOTS, ...slotCounts });
  /** Beside those of short ones, which wait for none that is long and slow. */
  const longSlots = openSlots({ ...SLOTS, ...slotCounts, perTenant: 1 });
  const turns = openTenantTurns();
  const pace = openRefusalPace(() => performance.now(), sleep);
  const rates = new Map<TenantId, { readonly items: Bucket; readonly requests: Bucket }>();
  let mostRates = MIN_RATES;

  function bucketsOf(tenant: TenantId, limits: TenantLimits) {
    let buckets = rates.get(tenant);
    if (buckets === undefined) {
      if (rates.size >= mostRates) dropFull();
      buckets = { items: fullBucket(itemsOf(limits), now()), requests: fullBucket(requestsOf(limits), now()) };
      rates.set(tenant, buckets);
    }
    return buckets;
  }

  /** A full bucket is what a tenant gets that has none. Where senders may name any tenant, they must not fill memory. */
  function dropFull(): void {
    for (const [tenant, { items, requests }] of rates) {
      const limits = limitsOf(tenant);
      if (isFull(items, itemsOf(limits), now()) && isFull(requests, requestsOf(limits), now())) rates.delete(tenant);
    }
    mostRates = Math.max(MIN_RATES, 2 * rates.size);
  }

  function take(tenant: TenantId, items: number): void {
    const limits = limitsOf(tenant);
    const waitMs = takeTokens(bucketsOf(tenant, limits).items, itemsOf(limits), items, now());
    if (waitMs > 0) throw overItemRate(limits, waitMs);
  }

  return {
    limitsOf,
    take,
    async beforeRefusal(tenant) {
      await pace.wait(tenant, REFUSAL_MS);
      await turns.turn(tenant);
    },
    async beforeDiscard(tenant) {
      await pace.wait(tenant, DISCARD_MS);
      await turns.turn(tenant);
    },
    async admit(tenant, announcedBytes = 0) {
      const limits = limitsOf(tenant);
      const { items, requests } = bucketsOf(tenant, limits);
      const requestMs = takeTokens(requests, requestsOf(limits), 1, now());
      if (requestMs > 0) throw overRequestRate(limits, requestMs);
      const itemMs = waitForAny(items, itemsOf(limits), now());
      if (itemMs > 0) throw overItemRate(limits, itemMs);
      const slot = (announcedBytes > LONG_BYTES ? longSlots : slots).take(tenant);
      if (slot === undefined)
        throw new IntakeFullError('too many requests are in flight (err-mimir-distributor-max-inflight-push-requests)');
      const taken = await slot;
      const slow = setTimeout(taken.leave, SLOW_MS);
      return new Admitted({
        limits,
        budget: shares.of(tenant),
        turn: () => {
          clearTimeout(slow);
          return turns.turn(tenant);
        },
        readTurn: () => turns.turn(tenant),
        isToCount(unpackedBytes) {
          if (itemsOf(limits).rate === 0) return false;
          return unpackedBytes / LEAST_ITEM_BYTES > bucketsOf(tenant, limits).items.tokens;
        },
        take: (items) => take(tenant, items),
        charge: (count) => chargeTokens(bucketsOf(tenant, limits).items, itemsOf(limits), count, now()),
        end() {
          clearTimeout(slow);
          taken[Symbol.dispose]();
        },
      });
    },
  };
}

interface AdmittedParts extends Omit<Admission, typeof Symbol.dispose> {
  end(): void;
}

/** A class, not a literal with a computed name: see `Share`. */
class Admitted implements Admission {
  readonly limits: TenantLimits;
  readonly budget: BodyBudget;
  readonly turn: Admission['turn'];
  readonly readTurn: Admission['readTurn'];
  readonly isToCount: Admission['isToCount'];
  readonly take: Admission['take'];
  readonly charge: Admission['charge'];
  readonly #end: () => void;

  constructor({ limits, budget, turn, readTurn, isToCount, take, charge, end }: AdmittedParts) {
    this.limits = limits;
    this.budget = budget;
    this.turn = turn;
    this.readTurn = readTurn;
    this.isToCount = isToCount;
    this.take = take;
    this.charge = charge;
    this.#end = end;
  }

  [Symbol.dispose](): void {
    this.#end();
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function itemsOf({ ingestion_rate: rate, ingestion_burst_size: burst }: TenantLimits): BucketSize {
  return { rate, burst };
}

function requestsOf({ request_rate: rate, request_burst_size: burst }: TenantLimits): BucketSize {
  return { rate, burst };
}

function overItemRate(limits: TenantLimits, waitMs: number): RateLimitedError {
  const { ingestion_rate: rate, ingestion_burst_size: burst } = limits;
  const id = 'err-mimir-tenant-max-ingestion-rate';
  const message = `the request has been rejected because the tenant exceeded the ingestion rate limit, set to ${rate} items/s with a maximum allowed burst of ${burst}. This limit is applied on the total number of samples, exemplars and metadata received (${id}). To adjust the related per-tenant limits, configure ingestion_rate and ingestion_burst_size in tenantLimits, or contact your service administrator.`;
  return new RateLimitedError(message, { id, reason: 'rate_limited', waitMs: Math.min(waitMs, NEVER_MS) });
}

function overRequestRate(limits: TenantLimits, waitMs: number): RateLimitedError {
  const { request_rate: rate, request_burst_size: burst } = limits;
  const id = 'err-mimir-tenant-max-request-rate';
  const message = `the request has been rejected because the tenant exceeded the request rate limit, set to ${rate} requests/s with a maximum allowed burst of ${burst} (${id}). To adjust the related per-tenant limits, configure request_rate and request_burst_size in tenantLimits, or contact your service administrator.`;
  return new RateLimitedError(message, { id, reason: 'request_rate_limited', waitMs: Math.min(waitMs, NEVER_MS) });
}
