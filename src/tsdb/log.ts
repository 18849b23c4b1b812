import { StorageFullError } from '../storage/errors.ts';
import type { Disk, WritableFile } from './disk.ts';
import { createLogFile, HEADER_BYTES, logPath } from './log-files.ts';
import { type LogRecord, RecordBuffer } from './record.ts';

export interface LogOptions {
  readonly disk: Disk;
  readonly folder: string;
  /** The number of the first segment to write. */
  readonly segment: number;
  /** A segment that reached this is closed. */
  readonly segmentBytes: number;
  /**
   * Called when everything appended so far is about to be written. What it returns is called once those bytes are
   * synced: the moment from which readers may see them.
   */
  readonly onTake: () => () => void;
  /** Called after each sync that succeeded, with the time that the sync itself took. */
  readonly onSync?: (seconds: number) => void;
}

/** Records taken together, until they are synced. */
interface Taken {
  readonly buffer: RecordBuffer;
  readonly publish: () => void;
}

/**
 * The write-ahead log: segments of records, and group commit. However many wait for `commit`, one write and one
 * fdatasync at a time serve all of them.
 *
 * When writing or syncing fails, nothing of it counts as written, since after a failed fdatasync nobody knows what is
 * on the device: the segment is given up and all that was not synced goes into a new one with the next commit.
 */
export class Log implements AsyncDisposable {
  readonly #options: LogOptions;
  #filling = new RecordBuffer();
  #spare: RecordBuffer | undefined;
  #unsynced: Taken[] = [];
  #file: WritableFile | undefined;
  #segment: number;
  /** Bytes of the current segment that are synced. */
  #synced = 0;
  /** Bytes of the segments before the current one. */
  #olderBytes = 0;
  #chain: Promise<void> = Promise.resolve();
  #queued: Promise<void> | undefined;

  constructor(options: LogOptions, olderBytes: number) {
    this.#options = options;
    this.#segment = options.segment - 1;
    this.#olderBytes = olderBytes;
  }

  /** Synced bytes in all segments. */
  get sizeBytes(): number {
    return this.#olderBytes + this.#synced;
  }

  /** Bytes in memory that no commit has synced. */
  get backlogBytes(): number {
    return this.#filling.length + this.#unsynced.reduce((sum, { buffer }) => sum + buffer.length, 0);
  }

  append(record: LogRecord): void {
    this.#filling.append(record);
  }

  /**
   * Resolves once everything appended before is synced.
   * @throws {StorageFullError} If it cannot be written. It stays in memory, and the next commit tries again.
   */
  commit(): Promise<void> {
    this.#queued ??= this.#then(() => {
      this.#queued = undefined;
      return this.#flush();
    });
    return this.#queued;
  }

  /** Syncs, and begins a new segment. Everything appended before is in the segments below it, of `olderBytes` in all. */
  cut(): Promise<{ readonly segment: number; readonly olderBytes: number }> {
    return this.#then(async () => {
      await this.#flush();
      await this.#openSegment();
      return { segment: this.#segment, olderBytes: this.#olderBytes };
    });
  }

  /** Forgets the size of segments that were removed. */
  removed(bytes: number): void {
    this.#olderBytes -= bytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.commit();
    } finally {
      await this.#file?.close();
      this.#file = undefined;
    }
  }

  #then<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#chain.then(step);
    this.#chain = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  async #flush(): Promise<void> {
    if (this.#filling.length > 0) {
      this.#unsynced.push({ buffer: this.#filling, publish: this.#options.onTake() });
      this.#filling = this.#spare ?? new RecordBuffer();
      this.#spare = undefined;
    }
    if (this.#unsynced.length === 0) return;
    try {
      if (this.#file === undefined || this.#synced >= this.#options.segmentBytes) await this.#openSegment();
      const file = this.#file!;
      for (const { buffer } of this.#unsynced) await file.append(buffer.bytes);
      const began = performance.now();
      await file.sync();
      this.#options.onSync?.((performance.now() - began) / 1_000);
    } catch (cause) {
      await this.#giveUpSegment();
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new StorageFullError(`cannot write to the log: ${reason}`, { cause });
    }
    const written = this.#unsynced;
    this.#unsynced = [];
    for (const { buffer, publish } of written) {
      this.#synced += buffer.length;
      publish();
      buffer.clear();
      this.#spare = buffer;
    }
  }

  async #openSegment(): Promise<void> {
    const { disk, folder } = this.#options;
    const file = this.#file;
    this.#file = undefined;
    this.#olderBytes += this.#synced;
    this.#synced = 0;
    await file?.close();
    const next = this.#segment + 1;
    this.#file = await createLogFile(disk, logPath(folder, 'log', next), 'log');
    this.#segment = next;
    this.#synced = HEADER_BYTES;
    try {
      await disk.syncFolder(folder);
    } catch (error) {
      // Its name may be lost: nothing may be written there as if it were durable.
      await this.#giveUpSegment();
      throw error;
    }
  }

  async #giveUpSegment(): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    await file.close().catch(() => undefined);
    const { disk, folder } = this.#options;
    const path = logPath(folder, 'log', this.#segment);
    // What is behind the synced part is a torn tail; recovery cuts it off if this cannot.
    if (this.#synced > HEADER_BYTES) return await disk.truncate(path, this.#synced).catch(() => undefined);
    // Senders try again many times while a device is full: that must not leave a file each time.
    this.#synced = 0;
    await disk.remove(path).catch(() => undefined);
  }
}
