import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CodedError } from '../model/errors.ts';
import { nodeDisk } from './disk.ts';
import { DamagedSnapshotError, FolderNotEmptyError, RestoreUnfinishedError, StorageUnusableError } from './errors.ts';
import { readManifest, type SnapshotFile, type SnapshotManifest, sumFile } from './snapshot-manifest.ts';

/** In a data folder that is being restored: what else is there is not a whole store. */
const MARKER = 'restore-unfinished';
/** What a new file system has. */
const LOST_AND_FOUND = 'lost+found';

export interface RestoreOptions {
  /** The snapshot's folder. */
  readonly snapshot: string;
  readonly onBytes?: (done: number, total: number) => void;
}

/**
 * Looks at every file of a snapshot.
 * @throws {DamagedSnapshotError} If one is missing or is not what was written.
 */
export async function checkSnapshot({ snapshot, onBytes }: RestoreOptions): Promise<SnapshotManifest> {
  const manifest = await readManifest(snapshot);
  const tell = teller(manifest, onBytes);
  for (const file of manifest.files) await copyAndCheck(snapshot, file, (bytes) => tell(bytes.length));
  return manifest;
}

/**
 * Copies a snapshot to an empty folder, which a server can open then. Every file is checked as it is copied; until all
 * are durable the folder carries a mark, and a server refuses it. A restore that was interrupted begins anew.
 *
 * @param dir The data folder: new, or empty.
 * @throws {FolderNotEmptyError} If something is in it.
 * @throws {DamagedSnapshotError} If a file is missing or is not what was written. The folder is empty again then.
 * @throws {StorageFormatError} If a later release took it.
 * @throws {StorageUnusableError} If the folder cannot be written.
 */
export async function restoreSnapshot(dir: string, { snapshot, onBytes }: RestoreOptions): Promise<SnapshotManifest> {
  const manifest = await readManifest(snapshot);
  const tell = teller(manifest, onBytes);
  let isOurs = false;
  try {
    await nodeDisk.ensureFolder(dir);
    const there = (await readdir(dir)).filter((name) => name !== LOST_AND_FOUND);
    if (there.length > 0 && !there.includes(MARKER)) throw new FolderNotEmptyError(dir);
    isOurs = true;
    await empty(dir, MARKER);
    await writeWhole(join(dir, MARKER), 'foresail restore has not ended here: run it again\n');
    await nodeDisk.syncFolder(dir);
    const folders = new Set<string>();
    for (const file of manifest.files) {
      const path = join(dir, file.path);
      for (let folder = dirname(path); folder !== dir && !folders.has(folder); folder = dirname(folder)) {
        folders.add(folder);
      }
      await mkdir(dirname(path), { recursive: true });
      const copy = await nodeDisk.create(path);
      try {
        await copyAndCheck(snapshot, file, async (bytes) => {
          await copy.append(bytes);
          tell(bytes.length);
        });
        await copy.sync();
      } finally {
        await copy.close();
      }
    }
    for (const folder of folders) await nodeDisk.syncFolder(folder);
    await nodeDisk.syncFolder(dir);
    await nodeDisk.remove(join(dir, MARKER));
    await nodeDisk.syncFolder(dir);
    return manifest;
  } catch (error) {
    if (isOurs) await empty(dir).catch(() => undefined);
    throw error instanceof CodedError ? error : new StorageUnusableError(dir, error);
  }
}

/** @throws {RestoreUnfinishedError} If a restore into the folder has not ended. */
export async function refuseUnfinishedRestore(dir: string): Promise<void> {
  const isThere = await stat(join(dir, MARKER)).then(
    () => true,
    () => false,
  );
  if (isThere) throw new RestoreUnfinishedError(dir);
}

async function copyAndCheck(
  snapshot: string,
  { path, bytes, sha256 }: SnapshotFile,
  onBytes: (bytes: Uint8Array) => Promise<void> | void,
): Promise<void> {
  const source = join(snapshot, path);
  const { size } = await stat(source).catch((cause: NodeJS.ErrnoException) => {
    throw new DamagedSnapshotError(snapshot, `${path} cannot be read (${cause.code ?? cause.message})`, cause);
  });
  if (size !== bytes) throw new DamagedSnapshotError(snapshot, `${path} has ${size} bytes in place of ${bytes}`);
  const found = await sumFile(source, onBytes);
  if (found.sha256 !== sha256) throw new DamagedSnapshotError(snapshot, `${path} was changed`);
}

async function empty(dir: string, kept?: string): Promise<void> {
  for (const name of await readdir(dir)) {
    if (name !== LOST_AND_FOUND && name !== kept) await rm(join(dir, name), { recursive: true, force: true });
  }
}

async function writeWhole(path: string, text: string): Promise<void> {
  const file = await nodeDisk.create(path);
  try {
    await file.append(new TextEncoder().encode(text));
    await file.sync();
  } finally {
    await file.close();
  }
}

function teller({ files }: SnapshotManifest, onBytes: RestoreOptions['onBytes'] = () => {}): (bytes: number) => void {
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  return (bytes) => {
    done += bytes;
    onBytes(done, total);
  };
}
