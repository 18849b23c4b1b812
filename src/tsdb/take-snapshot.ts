import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError } from '../model/errors.ts';
import type { Millis } from '../model/time.ts';
import { StorageFullError } from '../storage/errors.ts';
import { folderBytes, nodeDisk } from './disk.ts';
import { SnapshotRunningError } from './errors.ts';
import { linkOrCopy } from './link-files.ts';
import { listLogFiles } from './log-files.ts';
import { filesWithSums, formatManifest, MANIFEST, MANIFEST_FORMAT } from './snapshot-manifest.ts';

/** Where snapshots of the whole store are, in the data folder. */
const SNAPSHOTS = 'snapshots';
/** What a snapshot's folder is called until all of it is durable. */
const UNFINISHED = '.unfinished';
/** Folders whose files are written beside and renamed: each is whole at any time. */
const PLAIN_FOLDERS: readonly string[] = ['models'];

export interface SnapshotSources {
  /** The data folder. */
  readonly dir: string;
  readonly release: string;
  readonly now: () => Millis;
  readonly samples: {
    readonly chores: { whileStill(copy: (cutLog: () => Promise<number>) => Promise<void>): Promise<void> };
    readonly partitions: { checkpoint(into: string): Promise<void> } | undefined;
  };
  readonly keyValue: { copyTo(folder: string): Promise<void> };
}

export interface TakenSnapshot {
  /** Of its folder in `snapshots/`. */
  readonly name: string;
  readonly files: number;
  readonly bytes: number;
}

/** What those who wait for a snapshot are told. */
export interface SnapshotState {
  /** The one that is being taken: bytes of what it has so far, and those of them that were summed. */
  readonly running?: { readonly name: string; readonly bytes: number; readonly summedBytes: number };
  /** The one that ended last since the start. With an error where it could not be taken. */
  readonly last?: { readonly name: string; readonly error?: string };
}

/**
 * Takes snapshots of a store that runs, one at a time. Everything that was acknowledged before is in it; writes go on
 * meanwhile. Files that never change get a second name, others are copied.
 */
export class Snapshots {
  readonly #sources: SnapshotSources;
  #running: { readonly name: string; summedBytes: number } | undefined;
  #last: SnapshotState['last'];

  constructor(sources: SnapshotSources) {
    this.#sources = sources;
  }

  /** Removes what a process that ended meanwhile had begun. To be called before anything is taken. */
  async removeUnfinished(): Promise<void> {
    const folder = join(this.#sources.dir, SNAPSHOTS);
    const names = await readdir(folder).catch(() => []);
    for (const name of names.filter((each) => each.endsWith(UNFINISHED))) {
      await rm(join(folder, name), { recursive: true, force: true });
    }
  }

  async state(): Promise<SnapshotState> {
    const running = this.#running;
    const last = this.#last;
    if (running === undefined) return last === undefined ? {} : { last };
    const bytes = await folderBytes(join(this.#sources.dir, SNAPSHOTS, running.name + UNFINISHED));
    return { running: { ...running, bytes }, ...(last !== undefined && { last }) };
  }

  /**
   * Durable when it resolves.
   * @throws {SnapshotRunningError} If another one is being taken.
   * @throws {StorageFullError} If it cannot be written. Nothing of it is left then.
   */
  async take(): Promise<TakenSnapshot> {
    if (this.#running !== undefined) throw new SnapshotRunningError();
    const folder = join(this.#sources.dir, SNAPSHOTS);
    const name = nameOf(this.#sources.now());
    this.#running = { name, summedBytes: 0 };
    try {
      const taken = await this.#take(folder, name);
      this.#last = { name };
      return taken;
    } catch (error) {
      this.#last = { name, error: error instanceof Error ? error.message : String(error) };
      throw error;
    } finally {
      this.#running = undefined;
    }
  }

  async #take(folder: string, name: string): Promise<TakenSnapshot> {
    const unfinished = join(folder, name + UNFINISHED);
    try {
      await nodeDisk.ensureFolder(unfinished);
      const taken = await this.#write(unfinished);
      await nodeDisk.rename(unfinished, join(folder, name));
      await nodeDisk.syncFolder(folder);
      return { name, ...taken };
    } catch (cause) {
      await rm(unfinished, { recursive: true, force: true }).catch(() => undefined);
      if (cause instanceof CodedError) throw cause;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new StorageFullError(`cannot take a snapshot: ${why}`, { cause });
    }
  }

  async #write(into: string): Promise<Omit<TakenSnapshot, 'name'>> {
    const { dir, samples, keyValue, now, release } = this.#sources;
    const takenAt = now();
    await samples.chores.whileStill(async (cutLog) => {
      // First: a tenant that partitions know is in the log.
      await samples.partitions?.checkpoint(join(into, 'partitions'));
      await linkLog(join(dir, 'log'), join(into, 'log'), await cutLog());
    });
    await keyValue.copyTo(join(into, 'state'));
    for (const name of PLAIN_FOLDERS) await copyFolder(join(dir, name), join(into, name));
    const running = this.#running;
    const files = await filesWithSums(into, (bytes) => {
      if (running !== undefined) running.summedBytes += bytes;
    });
    const manifest = await nodeDisk.create(join(into, MANIFEST));
    try {
      const text = formatManifest({ format: MANIFEST_FORMAT, release, takenAt, files });
      await manifest.append(new TextEncoder().encode(text));
      await manifest.sync();
    } finally {
      await manifest.close();
    }
    await nodeDisk.syncFolder(into);
    return { files: files.length, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) };
  }
}

/** As Prometheus names them: when, and something that no other has. */
function nameOf(now: Millis): string {
  const time = new Date(now).toISOString().replace(/[-:]|\.\d+/g, '');
  return `${time}-${randomBytes(8).toString('hex')}`;
}

/** What the log has below a segment, which nobody writes any more. */
async function linkLog(from: string, to: string, below: number): Promise<void> {
  await nodeDisk.ensureFolder(to);
  for (const { number, kind, path } of await listLogFiles(nodeDisk, from)) {
    if (number < below || kind === 'snapshot') await linkOrCopy(path, join(to, path.slice(from.length + 1)));
  }
  await nodeDisk.syncFolder(to);
}

/** Files before folders: a pointer names what is there already. What goes meanwhile is left out. */
async function copyFolder(from: string, to: string): Promise<void> {
  const entries = await readdir(from, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (entries === undefined) return;
  await mkdir(to);
  const folders: string[] = [];
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    if (entry.isDirectory()) folders.push(entry.name);
    else await copyIfThere(join(from, entry.name), join(to, entry.name));
  }
  for (const name of folders) await copyFolder(join(from, name), join(to, name));
  await nodeDisk.syncFolder(to);
}

async function copyIfThere(from: string, to: string): Promise<void> {
  try {
    await copyFile(from, to);
    await nodeDisk.sync(to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
