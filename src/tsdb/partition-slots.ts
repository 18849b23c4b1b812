import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Millis, TimeRange } from '../model/time.ts';
import { nodeDisk } from './disk.ts';
import { MAX_CHUNK_BYTES, Partition, type PartitionPlace } from './partition.ts';
import { DAYS, type Naming, type PartitionName } from './partition-key.ts';

/** The partitions that are open together: a policy's history of four weeks, in both classes. */
const MAX_OPEN = 64;
/** Those that were used last keep what was read of their series, and others while it is no more than this in all. */
const MAX_INDEXED = 8;
const MAX_INDEXED_SERIES = 100_000;
/** What a partition's folder is called while it is removed. */
const DROPPED = '.dropped';

interface Slot {
  readonly partition: Promise<Partition>;
  /** Once it is open. */
  opened: Partition | undefined;
  users: number;
  onIdle: (() => void) | undefined;
}

/** The folder of partitions: opens them when they are used and closes those that were not used for longest. */
export class PartitionSlots<N = PartitionName> implements AsyncDisposable {
  readonly #folder: string;
  readonly #place: PartitionPlace;
  readonly #names: Map<string, N>;
  readonly #naming: Naming<N>;
  /** In order of use. */
  readonly #slots = new Map<string, Slot>();
  /** Of those that were opened: no sample is newer. */
  readonly #newest = new Map<string, Millis>();
  /** The newest of all; `undefined` where it is to be found anew. */
  #newestOfAll: Millis | undefined;
  /** Partitions that nobody may open for now. */
  readonly #closed = new Map<string, Promise<void>>();

  private constructor(place: PartitionPlace, naming: Naming<N>, names: Map<string, N>) {
    this.#folder = place.folder;
    this.#naming = naming;
    this.#place = place;
    this.#names = names;
  }

  /** @param place The folder of all partitions. */
  static async open(place: PartitionPlace): Promise<PartitionSlots>;
  static async open<N>(place: PartitionPlace, naming: Naming<N>): Promise<PartitionSlots<N>>;
  static async open(place: PartitionPlace, naming: Naming<unknown> = DAYS as Naming<unknown>) {
    const { folder } = place;
    await nodeDisk.ensureFolder(folder);
    const names = new Map<string, unknown>();
    for (const text of await readdir(folder)) {
      const name = naming.parse(text);
      if (name !== undefined) names.set(text, name);
      else if (text.endsWith(DROPPED)) await rm(join(folder, text), { recursive: true, force: true });
    }
    return new PartitionSlots(place, naming, names);
  }

  /** Those that are there, in order of their days. */
  get names(): readonly N[] {
    return [...this.#names]
      .map(([text, name]) => ({ text, name, start: this.#naming.spanOf(name).start }))
      .sort((a, b) => a.start - b.start || (a.text < b.text ? -1 : 1))
      .map(({ name }) => name);
  }

  /** No sample is newer. What was never opened since the start may have samples up to midnight. */
  get newest(): Millis {
    this.#newestOfAll ??= [...this.#names].reduce((newest, [text, name]) => {
      return Math.max(newest, this.#newest.get(text) ?? this.#naming.spanOf(name).end);
    }, Number.NEGATIVE_INFINITY);
    return this.#newestOfAll;
  }

  /** Those that may have samples in the range. What was never opened since the start may. */
  touching({ start, end }: TimeRange): readonly N[] {
    return this.names.filter((name) => {
      const newest = this.#newest.get(this.#naming.format(name)) ?? Number.POSITIVE_INFINITY;
      const span = this.#naming.spanOf(name);
      return span.start <= end && span.end > start && newest >= start;
    });
  }

  /** Runs with the partition open. `undefined` where there is none: it may have been dropped meanwhile. */
  async with<T>(name: N, run: (partition: Partition) => Promise<T>): Promise<T | undefined> {
    const text = this.#naming.format(name);
    while (this.#closed.has(text)) await this.#closed.get(text);
    return this.#names.has(text) ? await this.#use(text, run) : undefined;
  }

  /** The same, and makes the partition where there is none. */
  async withNew<T>(name: N, run: (partition: Partition) => Promise<T>): Promise<T> {
    const text = this.#naming.format(name);
    while (this.#closed.has(text)) await this.#closed.get(text);
    if (!this.#names.has(text)) this.#newest.set(text, Number.NEGATIVE_INFINITY);
    this.#names.set(text, name);
    return await this.#use(text, run);
  }

  /** Opens a partition that will be used, and does not wait for it. Whoever uses it is told where it cannot be opened. */
  openAhead(name: N): void {
    const text = this.#naming.format(name);
    if (this.#slots.has(text) || this.#closed.has(text) || !this.#names.has(text)) return;
    this.#use(text, async () => undefined).catch(() => undefined);
  }

  /** Runs with the partition closed, once all who use it are done; whoever comes meanwhile waits. */
  async withClosed<T>(name: N, run: (folder: string) => Promise<T>): Promise<T> {
    const text = this.#naming.format(name);
    while (this.#closed.has(text)) await this.#closed.get(text);
    let release = () => {};
    this.#closed.set(
      text,
      new Promise((resolve) => {
        release = resolve;
      }),
    );
    try {
      await this.#close(text);
      return await run(join(this.#folder, text));
    } finally {
      this.#closed.delete(text);
      release();
    }
  }

  /** Removes a partition. A crash in between leaves it whole, or gone with the next start. */
  async drop(name: N): Promise<void> {
    await this.withClosed(name, async (folder) => {
      // One of this name that could not be removed as a whole: nothing is renamed to what is not empty.
      await rm(folder + DROPPED, { recursive: true, force: true });
      await nodeDisk.rename(folder, folder + DROPPED).catch((error: NodeJS.ErrnoException) => {
        // One that was to be made, and could not be.
        if (error.code !== 'ENOENT') throw error;
      });
      this.#names.delete(this.#naming.format(name));
      this.#newest.delete(this.#naming.format(name));
      this.#newestOfAll = undefined;
      await nodeDisk.syncFolder(this.#folder);
      await rm(folder + DROPPED, { recursive: true, force: true });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const text of [...this.#slots.keys()]) await this.#close(text);
  }

  async #use<T>(text: string, run: (partition: Partition) => Promise<T>): Promise<T> {
    let slot = this.#slots.get(text);
    if (slot === undefined) {
      slot = {
        partition: Partition.open({ ...this.#place, folder: join(this.#folder, text) }),
        opened: undefined,
        users: 0,
        onIdle: undefined,
      };
    }
    this.#slots.delete(text);
    this.#slots.set(text, slot);
    slot.users++;
    try {
      const partition = await slot.partition.catch((error: unknown) => {
        if (this.#slots.get(text) === slot) this.#slots.delete(text);
        throw error;
      });
      slot.opened = partition;
      try {
        return await run(partition);
      } finally {
        this.#forget();
        if (this.#newest.get(text) !== partition.newest) {
          this.#newest.set(text, partition.newest);
          this.#newestOfAll = undefined;
        }
      }
    } finally {
      slot.users--;
      if (slot.users === 0) slot.onIdle?.();
      await this.#shrink();
    }
  }

  /** Takes memory from those that were not used for longest. */
  #forget(): void {
    let series = 0;
    let bytes = 0;
    let indexed = 0;
    for (const { opened } of [...this.#slots.values()].reverse()) {
      if (opened === undefined) continue;
      series += opened.indexedSeries;
      if (++indexed > MAX_INDEXED && series > MAX_INDEXED_SERIES) opened.forgetIndexes();
      bytes += opened.chunkBytes;
      if (bytes > MAX_CHUNK_BYTES) opened.forgetChunks();
    }
  }

  async #shrink(): Promise<void> {
    while (this.#slots.size > MAX_OPEN) {
      const idle = [...this.#slots].find(([text, { users }]) => users === 0 && !this.#closed.has(text));
      if (idle === undefined) return;
      await this.withClosed(this.#names.get(idle[0])!, async () => {});
    }
  }

  async #close(text: string): Promise<void> {
    const slot = this.#slots.get(text);
    if (slot === undefined) return;
    if (slot.users > 0) {
      await new Promise<void>((resolve) => {
        slot.onIdle = resolve;
      });
    }
    this.#slots.delete(text);
    // One that could not be opened: who asked for it was told.
    const partition = await slot.partition.catch(() => undefined);
    await partition?.[Symbol.asyncDispose]();
  }
}
