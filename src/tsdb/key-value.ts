import { statfs } from 'node:fs/promises';
import { ClassicLevel } from 'classic-level';
import { StorageFullError } from '../storage/errors.ts';
import type { KeyChange, KeyRange, KeyValue } from '../storage/key-value.ts';
import { StorageInUseError, StorageUnusableError } from './errors.ts';

/** What LevelDB writes when it opens: its log as a table (4 MiB at most), a new log and a new manifest, with room to spare. */
const REOPEN_BYTES = 16 << 20;

/** Waits for the next batch. */
interface Waiting {
  readonly changes: readonly KeyChange[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A `KeyValue` in a LevelDB. LevelDB locks its folder: a second process is refused.
 *
 * A write that fails may leave half a record in LevelDB's log, and what it appends behind that, successfully as it
 * seems, is skipped by the next start. So one batch is written at a time, for all who wait, and after a failure the
 * database is opened anew, which ends that log, before anything else is written.
 */
export class LevelKeyValue implements KeyValue, AsyncDisposable {
  readonly #level: ClassicLevel<string, Uint8Array>;
  readonly #folder: string;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #torn = false;
  /** Settles when the database is open again. */
  #reopening: Promise<void> | undefined;

  private constructor(level: ClassicLevel<string, Uint8Array>, folder: string) {
    this.#level = level;
    this.#folder = folder;
  }

  /**
   * @param folder The database's own folder.
   * @param dataFolder The folder to name where it is in use.
   * @throws {StorageInUseError} If another process has it open.
   * @throws {StorageUnusableError} If it cannot be read or written.
   */
  static async open(folder: string, dataFolder: string): Promise<LevelKeyValue> {
    const level = new ClassicLevel<string, Uint8Array>(folder, { keyEncoding: 'utf8', valueEncoding: 'view' });
    try {
      await level.open();
    } catch (error) {
      if (isLocked(error)) throw new StorageInUseError(dataFolder, { cause: error });
      throw new StorageUnusableError(dataFolder, new Error(messageOf(error), { cause: error }));
    }
    return new LevelKeyValue(level, folder);
  }

  async read(key: string): Promise<Uint8Array | undefined> {
    await this.#reopening;
    return this.#level.get(key);
  }

  /** @throws {StorageFullError} If it cannot be written. */
  write(changes: readonly KeyChange[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ changes, resolve, reject });
      this.#writing ??= this.#writeAll();
    });
  }

  async *list(range: KeyRange): AsyncIterable<readonly [key: string, value: Uint8Array]> {
    const { gte, lt, reverse = false, limit = -1 } = range;
    await this.#reopening;
    for await (const entry of this.#level.iterator({ gte, lt, reverse, limit })) yield entry;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
    await this.#level.close();
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
          batch.flatMap(({ changes }) => changes.map(operationOf)),
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
    const opened = this.#level.close().then(() => this.#level.open());
    this.#reopening = opened.catch(() => undefined);
    await opened;
    this.#torn = false;
  }
}

function operationOf({ key, value }: KeyChange) {
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
