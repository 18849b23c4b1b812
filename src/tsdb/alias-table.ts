import { BytesTable } from './bytes-table.ts';

/** What aliases may take in all, and for one tenant: they are a shortcut and cost one decoding each to learn again. */
const MAX_BYTES = 256 << 20;
const MAX_TENANT_BYTES = 128 << 20;

/** The alias tables of all tenants, within one bound. */
export class AliasTables {
  readonly #seed: number;
  readonly #maxBytes: number;
  readonly #tables: AliasTable[] = [];
  #bytes = 0;

  constructor(seed: number, maxBytes = MAX_BYTES) {
    this.#seed = seed;
    this.#maxBytes = maxBytes;
  }

  get sizeBytes(): number {
    return this.#bytes;
  }

  create(): AliasTable {
    const table = new AliasTable(this.#seed, (bytes) => this.#grow(bytes));
    this.#tables.push(table);
    return table;
  }

  /** Beyond the bound the largest table goes: a tenant with ever new spellings costs the others nothing. */
  #grow(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes <= this.#maxBytes) return;
    this.#tables.reduce((a, b) => (b.sizeBytes > a.sizeBytes ? b : a)).clear();
  }
}

/**
 * A tenant's label bytes as its senders write them, to references. Unsorted or otherwise unusual bytes of one label
 * set are aliases of one series.
 */
export class AliasTable {
  readonly #seed: number;
  readonly #onGrow: (bytes: number) => void;
  #table: BytesTable;

  /** @param onGrow Called with what was added, or with what was given back as a number below zero. */
  constructor(seed: number, onGrow: (bytes: number) => void) {
    this.#seed = seed;
    this.#onGrow = onGrow;
    this.#table = new BytesTable(seed);
  }

  get sizeBytes(): number {
    return this.#table.sizeBytes;
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
    if (this.#table.sizeBytes + bytes.length > MAX_TENANT_BYTES) this.clear();
    const before = this.#table.sizeBytes;
    this.#table.set(bytes, ref);
    this.#onGrow(this.#table.sizeBytes - before);
  }

  clear(): void {
    const before = this.#table.sizeBytes;
    this.#table = new BytesTable(this.#seed);
    this.#onGrow(-before);
  }
}
