import { deferralOf, refusalOf } from '../outcome-reasons.ts';

/** What became of a request. */
export interface OtlpSummary {
  /** Samples that are stored: now, or by an earlier attempt. A histogram with ten buckets is twelve. */
  readonly stored: number;
  /** Everything that it had, stored or not. */
  readonly items: number;
  /** Samples, points, exemplars and metadata that were not stored, by reason. */
  readonly dropped: ReadonlyMap<string, number>;
  /** Data points of which something was refused; sending them again cannot help. */
  readonly rejectedPoints: number;
  /** Data points of which something will be welcome later: the store is full. */
  readonly deferredPoints: number;
  /** The first few refusals, in words. */
  readonly messages: readonly string[];
}

const MAX_MESSAGES = 3;

/** Counts a request's samples, and its points once each. */
export class OtlpTally {
  #stored = 0;
  readonly #dropped = new Map<string, number>();
  readonly #rejected = new Set<number>();
  readonly #deferred = new Set<number>();
  readonly #messages: string[] = [];

  store(count = 1): void {
    this.#stored += count;
  }

  drop(reason: string, count: number): void {
    if (count > 0) this.#dropped.set(reason, (this.#dropped.get(reason) ?? 0) + count);
  }

  /** @param point Negative where it belongs to no point: that is counted, and not told. */
  refuse(point: number, reason: string, message: () => string): void {
    this.drop(reason, 1);
    if (point < 0) return;
    // One point may be many samples, and one word for it is enough.
    if (!this.#rejected.has(point) && this.#messages.length < MAX_MESSAGES) this.#messages.push(message());
    this.#rejected.add(point);
  }

  /** Takes in an `OUTCOME` other than stored. */
  settle(point: number, outcome: number, name: () => string): void {
    const refusal = refusalOf(outcome);
    if (refusal !== undefined) {
      this.refuse(point, refusal.reason, () => `${name()}: ${refusal.why}`);
      return;
    }
    this.drop(deferralOf(outcome), 1);
    if (point >= 0) this.#deferred.add(point);
  }

  summary(): OtlpSummary {
    const lost = [...this.#dropped.values()].reduce((sum, count) => sum + count, 0);
    return {
      items: this.#stored + lost,
      stored: this.#stored,
      dropped: this.#dropped,
      rejectedPoints: this.#rejected.size,
      deferredPoints: this.#deferred.size,
      messages: this.#messages,
    };
  }
}
