import type { Labels } from '../model/labels.ts';
import { lowerBound } from '../model/series.ts';
import type { TenantId } from '../model/tenant.ts';
import { DAY, type Millis } from '../model/time.ts';
import { PointsLostError } from './errors.ts';
import type { StoreFaults } from './faults.ts';
import type { Head } from './head.ts';
import { formatPartitionName, type PartitionName } from './partition-key.ts';
import type { Floors, Partitions } from './partitions.ts';

/** Takes out of a partition what is to outlive it. May be called more than once for one partition. */
export type Keeper = (name: PartitionName) => Promise<void>;

/** What is to be taken out of a partition that cannot be read is not waited for longer. */
const PATIENCE_MS = DAY;

export interface ExpirySteps {
  readonly keepers?: readonly Keeper[];
  /** Whether a day of raw samples may go already. Rejects where it will not as long as the fault lasts. */
  readonly mayGo?: (day: Millis) => Promise<boolean>;
}

/**
 * Deletes days that their tenants keep no longer, and partitions of which nobody keeps anything. What the keepers do
 * for one comes first, as soon as the first of its samples expires: where that fails, it is tried again for a day.
 */
export class Expiry {
  readonly #partitions: Expiring;
  readonly #faults: StoreFaults;
  readonly #keepers: readonly Keeper[];
  readonly #mayGo: NonNullable<ExpirySteps['mayGo']>;
  /** Partitions that the keepers have seen. */
  readonly #kept = new Set<string>();
  /** For how many tenants each partition was swept: it is opened again when more of them keep it no longer. */
  readonly #swept = new Map<string, number>();
  /** Days that are due and could not be let go: the floor when that began. */
  readonly #heldSince = new Map<string, Millis>();

  constructor(partitions: Expiring, faults: StoreFaults, { keepers = [], mayGo = async () => true }: ExpirySteps = {}) {
    this.#partitions = partitions;
    this.#faults = faults;
    this.#keepers = keepers;
    this.#mayGo = mayGo;
  }

  /** @param tenants Those that there may be: one at least. */
  async run(floorsOf: (tenant: TenantId) => Floors, tenants: readonly TenantId[]): Promise<void> {
    const all = tenants.map(floorsOf);
    const sorted = {
      raw: Float64Array.from(all, ({ raw }) => raw).sort(),
      demand: Float64Array.from(all, ({ demand }) => demand).sort(),
    };
    for (const name of this.#partitions.names) {
      const floors = sorted[name.retention];
      const floor = floors.at(-1)!;
      if (name.day >= floor) continue;
      const text = formatPartitionName(name);
      const end = name.day + DAY;
      const expired = floors.length - lowerBound(floors, end);
      const isDue = expired > 0 && this.#swept.get(text) !== expired && (await this.#canGo(name, text, floor));
      // Once more before it goes: series may have become dear meanwhile.
      const isKept = (this.#kept.has(text) && !isDue) || (await this.#keep(name, text));
      // The last one that keeps it no longer.
      const latest = floors[lowerBound(floors, end)]!;
      if (!isDue || (!isKept && end + PATIENCE_MS > latest)) continue;
      await this.#faults.attempt('drop', text, async () => {
        const isKeptBy = (tenant: TenantId) => end > floorsOf(tenant)[name.retention];
        const byNobody = expired === floors.length;
        if (await this.#partitions.sweep(name, { isKept: isKeptBy, byNobody })) {
          this.#swept.set(text, expired);
          return;
        }
        for (const each of [this.#swept, this.#kept, this.#heldSince]) each.delete(text);
        this.#faults.clearPartition(text);
      });
    }
  }

  /** @param floor What tells how time goes on: the clock less a retention. */
  async #canGo({ retention, day }: PartitionName, text: string, floor: Millis): Promise<boolean> {
    if (retention !== 'raw') return true;
    try {
      const mayGo = await this.#mayGo(day);
      this.#heldSince.delete(text);
      return mayGo;
    } catch (error) {
      this.#faults.report('drop', text, error);
      const since = this.#heldSince.get(text) ?? floor;
      this.#heldSince.set(text, since);
      if (floor - since < PATIENCE_MS) return false;
      this.#faults.report('drop', text, new PointsLostError(text, { cause: error }));
      return true;
    }
  }

  async #keep(name: PartitionName, text: string): Promise<boolean> {
    const isKept = await this.#faults.attempt('keep', text, async () => {
      for (const keep of this.#keepers) await keep(name);
    });
    if (isKept) this.#kept.add(text);
    return isKept;
  }
}

type Expiring = Pick<Partitions, 'names' | 'sweep'>;

/** Copies what a raw partition has of series that are kept as demand by now to the demand partition of its day. */
export function demandKeeper(head: Head, partitions: Pick<Partitions, 'copyTo' | 'recentSeries'>): Keeper {
  return async (name) => {
    if (name.retention !== 'raw') return;
    const target = { ...name, retention: 'demand' } as const;
    for (const { id, series: all } of head.tenants.values()) {
      const wanted: Labels[] = [...(await partitions.recentSeries(id, 'demand'))];
      for (const series of all.values()) if (series.retention === 'demand') wanted.push(series.labels);
      if (wanted.length > 0) await partitions.copyTo(target, name, id, wanted);
    }
  };
}
