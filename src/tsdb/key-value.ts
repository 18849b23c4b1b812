import { ClassicLevel } from 'classic-level';
import type { KeyChange, KeyRange, KeyValue } from '../storage/key-value.ts';
import { StorageInUseError, StorageUnusableError } from './errors.ts';

/** A `KeyValue` in a LevelDB. LevelDB locks its folder: a second process is refused. */
export class LevelKeyValue implements KeyValue, AsyncDisposable {
  readonly #level: ClassicLevel<string, Uint8Array>;

  private constructor(level: ClassicLevel<string, Uint8Array>) {
    this.#level = level;
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
    return new LevelKeyValue(level);
  }

  async read(key: string): Promise<Uint8Array | undefined> {
    return this.#level.get(key);
  }

  async write(changes: readonly KeyChange[]): Promise<void> {
    await this.#level.batch(
      changes.map(({ key, value }) => (value === undefined ? { type: 'del', key } : { type: 'put', key, value })),
      { sync: true },
    );
  }

  async *list(range: KeyRange): AsyncIterable<readonly [key: string, value: Uint8Array]> {
    const { gte, lt, reverse = false, limit = -1 } = range;
    for await (const entry of this.#level.iterator({ gte, lt, reverse, limit })) yield entry;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#level.close();
  }
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
