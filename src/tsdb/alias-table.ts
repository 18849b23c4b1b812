import { BytesTable } from './bytes-table.ts';

/** Above this the aliases of a tenant start anew: they are a shortcut and cost one decoding each to learn again. */
const MAX_BYTES = 128 << 20;

/**
 * A tenant's label bytes as its senders write them, to references. Unsorted or otherwise unusual bytes of one label
 * set are aliases of one series.
 */
export class AliasTable {
  readonly #seed: number;
  #table: BytesTable;

  constructor(seed: number) {
    this.#seed = seed;
    this.#table = new BytesTable(seed);
  }

  find(bytes: DataView, start: number, end: number): number {
    return this.#table.find(bytes, start, end);
  }

  expectedLength(bytes: DataView, start: number, limit: number): number {
    return this.#table.expectedLength(bytes, start, limit);
  }

  takeExpected(): number {
    return this.#table.takeExpected();
  }

  learn(bytes: Uint8Array, ref: number): void {
    if (this.#table.sizeBytes + bytes.length > MAX_BYTES) this.clear();
    this.#table.set(bytes, ref);
  }

  clear(): void {
    this.#table = new BytesTable(this.#seed);
  }
}
