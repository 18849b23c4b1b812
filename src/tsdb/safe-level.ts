import { readdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { StorageFullError } from '../storage/errors.ts';
import { nodeDisk } from './disk.ts';
import { StorageInUseError, StorageUnusableError } from './errors.ts';

/** What LevelDB writes when it opens: its log as a table (4 MiB at most), a new log and a new manifest, with room to spare. */
const REOPEN_BYTES = 16 << 20;
/** Entries that are read at once, and how many of their bytes: each time is a way to another thread and back. */
const BLOCK_ENTRIES = 1_000;
const BLOCK_BYTES = 256 << 10;

/** `undefined` deletes. */
export interface LevelChange<K> {
  readonly key: K;
  readonly value: Uint8Array | undefined;
}

/** Keys with `gte <= key < lt`. */
export interface LevelRange<K> {
  readonly gte: K;
  readonly lt: K;
  readonly reverse?: boolean;
  readonly limit?: number;
}

export interface LevelOptions {
  /** LevelDB's own, which sorts all keys by their bytes. */
  readonly keyEncoding: 'utf8' | 'view';
  /** The database's own folder. */
  readonly folder: string;
  /** The folder to name where it is in use. */
  readonly dataFolder: string;
}

/** Waits for the next batch. */
interface Waiting<K> {
  readonly changes: readonly LevelChange<K>[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A LevelDB whose writes are synced. LevelDB locks its folder: a second process is refused.
 *
 * A write that fails may leave half a record in LevelDB's log, and what it appends behind that, successfully as it
 * seems, is skipped by the next start. So one batch is written at a time, for all who wait, and after a failure the
 * database is opened anew, which ends that log, before anything else is written.
 */
export class SafeLevel<K extends string | Uint8Array> implements AsyncDisposable {
  readonly #level: ClassicLevel<K, Uint8Array>;
  readonly #folder: string;
  #waiting: Waiting<K>[] = [];
  #writing: Promise<void> | undefined;
  #torn = false;
  /** Settles when the database is open again, or could not be opened. */
  #reopening: Promise<void> | undefined;
  #isDisposed = false;

  private constructor(level: ClassicLevel<K, Uint8Array>, folder: string) {
    this.#level = level;
    this.#folder = folder;
  }

  /**
   * @throws {StorageInUseError} If another process has it open.
   * @throws {StorageUnusableError} If it cannot be read or written.
   */
  static async open<K extends string | Uint8Array>(options: LevelOptions): Promise<SafeLevel<K>> {
    const { keyEncoding, folder, dataFolder } = options;
    const level = new ClassicLevel<K, Uint8Array>(folder, { keyEncoding, valueEncoding: 'view' });
    try {
      await level.open();
    } catch (error) {
      if (isLocked(error)) throw new StorageInUseError(dataFolder, { cause: error });
      throw new StorageUnusableError(dataFolder, new Error(messageOf(error), { cause: error }));
    }
    return new SafeLevel(level, folder);
  }

  async read(key: K): Promise<Uint8Array | undefined> {
    await this.#readable();
    return this.#level.get(key);
  }

  async readMany(keys: readonly K[]): Promise<readonly (Uint8Array | undefined)[]> {
    await this.#readable();
    return this.#level.getMany([...keys]);
  }

  /**
   * All or nothing, synced when it resolves.
   * @throws {StorageFullError} If it cannot be written.
   */
  write(changes: readonly LevelChange<K>[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ changes, resolve, reject });
      this.#writing ??= this.#writeAll();
    });
  }

  /** In order of keys, as of one moment. */
  async *list(range: LevelRange<K>): AsyncGenerator<readonly [key: K, value: Uint8Array]> {
    for await (const block of this.blocks(range)) yield* block;
  }

  /** The same, some hundreds of entries at a time. */
  async *blocks({
    gte,
    lt,
    reverse = false,
    limit = -1,
  }: LevelRange<K>): AsyncGenerator<readonly (readonly [key: K, value: Uint8Array])[]> {
    await this.#readable();
    const iterator = this.#level.iterator({ gte, lt, reverse, limit, highWaterMarkBytes: BLOCK_BYTES });
    try {
      for (;;) {
        const block = await iterator.nextv(BLOCK_ENTRIES);
        if (block.length === 0) return;
        yield block;
      }
    } finally {
      await iterator.close();
    }
  }

  /** Puts all entries, as of one moment, into a database of their own, while this one is read and written. Durable when it resolves. */
  async copyTo(folder: string): Promise<void> {
    await this.#reopening;
    const copy = new ClassicLevel<Uint8Array, Uint8Array>(folder, { keyEncoding: 'view', valueEncoding: 'view' });
    await copy.open({ errorIfExists: true });
    try {
      const iterator = this.#level.iterator<Uint8Array, Uint8Array>({ keyEncoding: 'view', valueEncoding: 'view' });
      try {
        for (;;) {
          const block = await iterator.nextv(BLOCK_ENTRIES);
          if (block.length === 0) break;
          await copy.batch(block.map(([key, value]) => ({ type: 'put', key, value })));
        }
      } finally {
        await iterator.close();
      }
    } finally {
      await copy.close();
    }
    for (const name of await readdir(folder)) {
      if (name === 'LOCK' || name.startsWith('LOG')) await nodeDisk.remove(join(folder, name));
      else await nodeDisk.sync(join(folder, name));
    }
    await nodeDisk.syncFolder(folder);
  }

  /** Deletes a range, in batches that are synced one by one, and gives its room back. To be repeated where it fails. */
  async clear(range: Pick<LevelRange<K>, 'gte' | 'lt'>): Promise<void> {
    await this.#reopening;
    const keys = this.#level.keys(range);
    try {
      for (;;) {
        const block = await keys.nextv(BLOCK_ENTRIES);
        if (block.length === 0) break;
        await this.write(block.map((key) => ({ key, value: undefined })));
      }
    } finally {
      await keys.close();
    }
    // What is never written to again would not be compacted by itself.
    await this.#level.compactRange(range.gte, range.lt);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    await this.#writing;
    await this.#reopening?.catch(() => undefined);
    await this.#level.close();
  }

  /** Where opening it anew failed it is closed: who reads next tries again. */
  async #readable(): Promise<void> {
    await this.#reopening?.catch(() => undefined);
    if (this.#level.status !== 'closed' || this.#isDisposed) return;
    await this.#openAgain();
  }

  /** Once for all who wait. */
  #openAgain(): Promise<void> {
    this.#reopening ??= this.#level
      .close()
      .then(() => this.#level.open())
      .then(() => {
        this.#torn = false;
      })
      .finally(() => {
        this.#reopening = undefined;
      });
    return this.#reopening;
  }

  async #writeAll(): Promise<void> {
    // All who write in one turn share a batch.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        if (this.#torn) await this.#reopen();
        await this.#level.batch(
          batch.flatMap(({ changes }) => changes.map((change) => operationOf(change))),
          { sync: true },
        );
      } catch (cause) {
        this.#torn = true;
        const error = new StorageFullError(`cannot write to the database: ${messageOf(cause)}`, { cause });
        for (const { reject } of batch) reject(error);
        continue;
      }
      for (const { resolve } of batch) resolve();
    }
    this.#writing = undefined;
  }

  async #reopen(): Promise<void> {
    // Closed without the room to open again it could not even be read.
    const { bavail, bsize } = await statfs(this.#folder);
    if (bavail * bsize < REOPEN_BYTES) {
      throw new Error(`${REOPEN_BYTES} bytes must be free to open it again, and ${bavail * bsize} are`);
    }
    await this.#openAgain();
  }
}

function operationOf<K>({ key, value }: LevelChange<K>) {
  return value === undefined ? ({ type: 'del', key } as const) : ({ type: 'put', key, value } as const);
}

function isLocked(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ('code' in cause && cause.code === 'LEVEL_LOCKED') return true;
  }
  return false;
}

/** LevelDB tells what is wrong in the cause of the error that it throws. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
