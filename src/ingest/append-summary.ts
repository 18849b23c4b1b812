/** What a request carries. */
export type Item = 'samples' | 'histograms' | 'exemplars';

const MAX_MESSAGES = 3;

/** What became of a request. */
export class AppendSummary {
  /** What is stored: now, or by an earlier attempt. */
  readonly stored: Record<Item, number> = { samples: 0, histograms: 0, exemplars: 0 };
  /** What the sender must correct; sending it again cannot help. */
  readonly refused: Record<Item, number> = { samples: 0, histograms: 0, exemplars: 0 };
  /** Items that will be welcome later: the store is full. */
  deferred = 0;
  /** What was not stored, by reason: the refused and deferred ones, and what nobody has to correct. */
  readonly dropped = new Map<string, number>();
  /** Samples, histograms, exemplars and metadata that the request had, whatever became of them. */
  items = 0;
  /** The first few refusals, in words. */
  readonly messages: string[] = [];
  /** Refusals in all; some are of series that carry nothing. */
  refusals = 0;

  drop(reason: string, count: number): void {
    if (count > 0) this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + count);
  }

  defer(reason: string, count: number): void {
    this.deferred += count;
    this.drop(reason, count);
  }

  /** @param message Called where another one is still of use. */
  refuse(item: Item, reason: string, count: number, message: () => string): void {
    this.refused[item] += count;
    this.refusals++;
    this.drop(reason, count);
    if (this.messages.length < MAX_MESSAGES) this.messages.push(message());
  }

  /** Items of series that belong to no tenant of the sender's: counted elsewhere. */
  turnAway(items: number, message: string): void {
    this.refused.samples += items;
    this.refusals++;
    if (this.messages.length < MAX_MESSAGES) this.messages.push(message);
  }

  /** Adds what became of another part of the request. */
  add(other: AppendSummary): void {
    for (const item of ['samples', 'histograms', 'exemplars'] as const) {
      this.stored[item] += other.stored[item];
      this.refused[item] += other.refused[item];
    }
    this.deferred += other.deferred;
    this.refusals += other.refusals;
    this.items += other.items;
    for (const [reason, count] of other.dropped) this.drop(reason, count);
    this.messages.push(...other.messages.slice(0, MAX_MESSAGES - this.messages.length));
  }

  get totals() {
    const sum = (of: Readonly<Record<Item, number>>) => of.samples + of.histograms + of.exemplars;
    const { items, deferred, messages } = this;
    return { items, deferred, messages, stored: sum(this.stored), refused: sum(this.refused) };
  }

  /** Why the sender gets a 400, in a sentence. */
  get complaint(): string {
    const items = (['samples', 'histograms', 'exemplars'] as const).filter(
      (item) => item === 'samples' || this.refused[item] + this.stored[item] > 0,
    );
    const counts = items.map((item) => `${this.refused[item]} ${item} were not stored, ${this.stored[item]} were`);
    const more = this.refusals > this.messages.length ? '; …' : '';
    return `${counts.join('; ')}: ${this.messages.join('; ')}${more}`;
  }
}
