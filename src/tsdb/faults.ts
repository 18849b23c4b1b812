import type { TenantId } from '../model/tenant.ts';

/** What is done beside writing and reading: moving samples to disk, making points of them, removing those that expired. */
export type Chore = 'flush' | 'import' | 'drop' | 'keep' | 'points' | 'clock';

/** A chore that failed, and is tried again. */
export interface StoreFault {
  readonly chore: Chore;
  /** A partition, a series or what else it failed at. */
  readonly place: string;
  readonly message: string;
  /** Of the error, where it has one: `storage_full`, `storage_unusable`, `EIO`. */
  readonly reason: string;
  /** Whose series it is; left out where it concerns all. */
  readonly tenant?: TenantId;
}

/** What stands in the way of chores. A fault stands until the same chore succeeds at the same place. */
export class StoreFaults {
  readonly #standing = new Map<string, StoreFault>();
  readonly #onFault: ((fault: StoreFault) => void) | undefined;

  constructor(onFault?: (fault: StoreFault) => void) {
    this.#onFault = onFault;
  }

  get standing(): readonly StoreFault[] {
    return [...this.#standing.values()];
  }

  /** Runs a step that others must not depend on. @returns Whether it succeeded. */
  async attempt(chore: Chore, place: string, step: () => Promise<unknown>, tenant?: TenantId): Promise<boolean> {
    try {
      await step();
    } catch (error) {
      this.report(chore, place, error, tenant);
      return false;
    }
    this.clear(chore, place);
    return true;
  }

  report(chore: Chore, place: string, error: unknown, tenant?: TenantId): void {
    const what = { chore, place, message: wordsOf(error), reason: reasonOf(error) };
    const fault = tenant === undefined ? what : { ...what, tenant };
    this.#standing.set(`${chore} ${place}`, fault);
    this.#onFault?.(fault);
  }

  clear(chore: Chore, place: string): void {
    this.#standing.delete(`${chore} ${place}`);
  }

  /** A partition is gone: nothing of it or of its series can fail any more. */
  clearPartition(text: string): void {
    for (const [key, { place }] of this.#standing) {
      if (place === text || place.startsWith(`${text} `)) this.#standing.delete(key);
    }
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function reasonOf(error: unknown): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ('code' in cause && typeof cause.code === 'string') return cause.code;
  }
  return error instanceof RangeError ? 'damaged' : 'other';
}
