import type { KeyChange, KeyRange, KeyValue } from '../storage/key-value.ts';
import { SafeLevel } from './safe-level.ts';

/** A `KeyValue` in a LevelDB, whose keys are UTF-8. */
export class LevelKeyValue implements KeyValue, AsyncDisposable {
  readonly #level: SafeLevel<string>;

  private constructor(level: SafeLevel<string>) {
    this.#level = level;
  }

  /**
   * @param folder The database's own folder.
   * @param dataFolder The folder to name where it is in use.
   * @throws {StorageInUseError} If another process has it open.
   * @throws {StorageUnusableError} If it cannot be read or written.
   */
  static async open(folder: string, dataFolder: string): Promise<LevelKeyValue> {
    return new LevelKeyValue(await SafeLevel.open<string>({ keyEncoding: 'utf8', folder, dataFolder }));
  }

  read(key: string): Promise<Uint8Array | undefined> {
    return this.#level.read(key);
  }

  /** @throws {StorageFullError} If it cannot be written. */
  write(changes: readonly KeyChange[]): Promise<void> {
    return this.#level.write(changes);
  }

  list(range: KeyRange): AsyncIterable<readonly [key: string, value: Uint8Array]> {
    return this.#level.list(range);
  }

  /** Puts all of it, as of one moment, into a folder that is not there yet. Durable when it resolves. */
  copyTo(folder: string): Promise<void> {
    return this.#level.copyTo(folder);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#level[Symbol.asyncDispose]();
  }
}
