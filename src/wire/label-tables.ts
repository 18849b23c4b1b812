import { CoreMemory } from './core-memory.ts';
import type { WireCore } from './wire-core.ts';

/** What the labels of senders may take in all, and for one tenant: they are a shortcut and can be learnt again. */
const MAX_BYTES = 512 << 20;
const MAX_TENANT_BYTES = 256 << 20;

/** A label set as a sender wrote it, and the reference that it turned out to have. */
export interface LearntLabels {
  readonly start: number;
  readonly length: number;
  readonly ref: number;
  /** Stands for the metadata that came with it. */
  readonly note: number;
}

/** The label tables of all tenants, within one bound. */
export class LabelTables {
  readonly memory: CoreMemory;
  readonly #maxBytes: number;
  /** Those that hold something. */
  readonly #tables = new Map<string, TenantLabels>();
  /** What they hold in all. */
  #sizeBytes = 0;

  /** @param seed Four numbers of 32 bits that attackers cannot know. */
  constructor(core: WireCore, seed: readonly [number, number, number, number], maxBytes = MAX_BYTES) {
    core.seedHashes(...seed);
    this.memory = new CoreMemory(core);
    this.#maxBytes = maxBytes;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** A tenant's tables. They cost nothing before they learn. */
  of(tenant: string): TenantLabels {
    return (
      this.#tables.get(tenant) ??
      new TenantLabels(this.memory, {
        onGrow: (labels) => this.#grown(tenant, labels),
        onResize: (bytes) => {
          this.#sizeBytes += bytes;
        },
      })
    );
  }

  #grown(tenant: string, labels: TenantLabels): void {
    const known = this.#tables.get(tenant);
    // Another request of a new tenant learnt first: what this one knows is learnt again.
    if (known !== undefined && known !== labels) {
      labels.clear();
      return;
    }
    this.#tables.set(tenant, labels);
    while (this.sizeBytes > this.#maxBytes) this.#dropLargest();
  }

  /** A tenant with ever new spellings costs the others nothing. */
  #dropLargest(): void {
    const [tenant, labels] = [...this.#tables].reduce((a, b) => (b[1].sizeBytes > a[1].sizeBytes ? b : a));
    labels.clear();
    this.#tables.delete(tenant);
  }
}

interface TableHooks {
  onGrow(labels: TenantLabels): void;
  /** By how many bytes it is larger than it was. */
  onResize(bytes: number): void;
}

/**
 * A tenant's label sets as its senders write them, to references: label bytes for 1.0, sequences of symbols for 2.0.
 * Unsorted or otherwise unusual spellings of one label set are aliases of one series.
 */
export class TenantLabels {
  readonly #memory: CoreMemory;
  readonly #hooks: TableHooks;
  #byBytes = 0;
  #bySymbols = 0;
  #symbols = 0;
  /** What `onResize` was told in all. */
  #told = 0;

  constructor(memory: CoreMemory, hooks: TableHooks) {
    this.#memory = memory;
    this.#hooks = hooks;
  }

  /** The table of 1.0; 0 where nothing is known. */
  get byBytes(): number {
    return this.#byBytes;
  }

  /** The table of 2.0. Its keys are entries of `symbols`. */
  get bySymbols(): number {
    return this.#bySymbols;
  }

  get symbols(): number {
    return this.#symbols;
  }

  get sizeBytes(): number {
    const { core } = this.#memory;
    const sizeOf = (table: number) => (table === 0 ? 0 : core.tableBytes(table) >>> 0);
    return sizeOf(this.#byBytes) + sizeOf(this.#bySymbols) + sizeOf(this.#symbols);
  }

  /** @param base The address that `start` of each counts from: label bytes as a 1.0 sender writes them. */
  learnBytes(base: number, all: readonly LearntLabels[]): void {
    const { core } = this.#memory;
    if (this.#byBytes === 0) this.#byBytes = core.newTable();
    for (const { start, length, ref } of all) core.learnLabels(this.#byBytes, base + start, length, ref);
    this.#grown();
  }

  /** @param text Where `start` of each counts from: texts as `encodeLabels` writes them, in the order of the sender. */
  learnSymbols(text: Uint8Array, all: readonly LearntLabels[]): void {
    const { core } = this.#memory;
    if (this.#bySymbols === 0) {
      // Both or none, where memory is used up: a table at 0 is none.
      if (this.#symbols === 0) this.#symbols = core.newTable();
      this.#bySymbols = core.newTable();
    }
    const base = this.#memory.allocate(text.length);
    this.#memory.bytes.set(text, base);
    core.beginMessage();
    try {
      for (const { start, length, ref, note } of all) {
        core.learnSymbols(this.#bySymbols, this.#symbols, base + start, length, ref, note);
      }
    } finally {
      core.release(base);
    }
    this.#grown();
  }

  /** Lets 2.0 senders' metadata be handed out again: what was handed out may not have been kept. */
  forgetMetadata(): void {
    if (this.#bySymbols !== 0) this.#memory.core.forgetMetadata(this.#bySymbols);
  }

  /** Forgets all of them. */
  clear(): void {
    const { core } = this.#memory;
    for (const table of [this.#byBytes, this.#bySymbols, this.#symbols]) if (table !== 0) core.dropTable(table);
    this.#byBytes = 0;
    this.#bySymbols = 0;
    this.#symbols = 0;
    this.#tell();
  }

  #grown(): void {
    this.#tell();
    if (this.#told > MAX_TENANT_BYTES) this.clear();
    this.#hooks.onGrow(this);
  }

  #tell(): void {
    const { sizeBytes } = this;
    this.#hooks.onResize(sizeBytes - this.#told);
    this.#told = sizeBytes;
  }
}
