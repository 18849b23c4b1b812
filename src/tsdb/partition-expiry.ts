import { lowerBound } from '../model/series.ts';
import type { TenantId } from '../model/tenant.ts';
import type { Millis } from '../model/time.ts';
import type { StoreFaults } from './faults.ts';
import type { Naming } from './partition-key.ts';
import type { PartitionSlots } from './partition-slots.ts';

export interface ExpiryOptions {
  /** A tenant keeps nothing that is older. */
  readonly floorOf: (tenant: TenantId) => Millis;
  /** Tenants that there may be. */
  readonly tenants: readonly TenantId[];
  readonly serially: (step: () => Promise<void>) => Promise<void>;
  readonly faults: StoreFaults;
}

/** Deletes what tenants keep no longer: their keys, or whole partitions of which nobody keeps anything. */
export class PartitionExpiry<N> {
  readonly #slots: PartitionSlots<N>;
  readonly #naming: Naming<N>;
  /**
   * For how many tenants each partition was swept: it is opened again when more of them keep it no longer. It may be
   * forgotten, since to sweep twice deletes nothing more.
   */
  readonly #swept = new Map<string, number>();

  constructor(slots: PartitionSlots<N>, naming: Naming<N>) {
    this.#slots = slots;
    this.#naming = naming;
  }

  /** What fails is reported, and tried again by the next run. */
  async run(names: readonly N[], options: ExpiryOptions): Promise<void> {
    const { tenants, floorOf, serially, faults } = options;
    const floors = Float64Array.from(tenants, floorOf).sort();
    for (const name of names) {
      const text = this.#naming.format(name);
      const expired = floors.length - lowerBound(floors, this.#naming.spanOf(name).end);
      if (expired === 0 || this.#swept.get(text) === expired) continue;
      await serially(async () => {
        await faults.attempt('drop', text, async () => {
          const { end } = this.#naming.spanOf(name);
          const isKept = (tenant: TenantId) => end > floorOf(tenant);
          const isLeft = await sweepPartition(this.#slots, name, { isKept, byNobody: expired === floors.length });
          if (isLeft) this.#swept.set(text, expired);
          else this.#swept.delete(text);
        });
      });
    }
  }
}

/** What is kept of a partition. */
export interface Sweep {
  readonly isKept: (tenant: TenantId) => boolean;
  /** Whether no tenant that is known keeps any of it: what cannot be opened is then removed. */
  readonly byNobody: boolean;
}

/** Deletes what tenants keep no longer. @returns Whether anything is left. */
export async function sweepPartition<N>(
  slots: PartitionSlots<N>,
  name: N,
  { isKept, byNobody }: Sweep,
): Promise<boolean> {
  let isEmpty: boolean | undefined;
  try {
    isEmpty = await slots.with(name, async (partition) => {
      const tenants = await partition.tenants();
      if (!tenants.some(isKept)) return true;
      for (const tenant of tenants) if (!isKept(tenant)) await partition.clear(tenant);
      return false;
    });
  } catch (error) {
    if (!byNobody) throw error;
    isEmpty = true;
  }
  if (isEmpty === true) await slots.drop(name);
  return isEmpty === false;
}
