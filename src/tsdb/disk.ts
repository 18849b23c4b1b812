import { copyFile, type FileHandle, mkdir, open, readdir, rename, rm, stat, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Every file that the store writes goes through here, so that a test can drop what was not synced. */
export interface Disk {
  ensureFolder(path: string): Promise<void>;
  /** Names of the files in a folder, in no particular order. */
  list(folder: string): Promise<readonly string[]>;
  /** A new, empty file; one of that name is emptied. Its name is durable only after `syncFolder`. */
  create(path: string): Promise<WritableFile>;
  openToRead(path: string): Promise<ReadableFile>;
  /** Replaces `to` atomically. Durable only after `syncFolder`. */
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Cuts a file under this name alone, and syncs it. */
  truncate(path: string, length: number): Promise<void>;
  /** Syncs a file that another process wrote. */
  sync(path: string): Promise<void>;
  syncFolder(path: string): Promise<void>;
}

export interface WritableFile {
  /** Writes all bytes at the end, or throws. */
  append(bytes: Uint8Array): Promise<void>;
  /** Resolves once everything appended is on the device. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface ReadableFile {
  readonly size: number;
  /** Fills `into` from `offset`; fewer bytes only at the end of the file. */
  read(into: Uint8Array, offset: number): Promise<number>;
  close(): Promise<void>;
}

/** The file system of this machine. */
export const nodeDisk: Disk = {
  async ensureFolder(path) {
    // Each new folder's name is durable once the folder above it is synced.
    for (const folder of await makeFolders(path)) await syncPath(dirname(folder));
  },
  list: (folder) => readdir(folder),
  async create(path) {
    const handle = await open(path, 'w');
    return {
      append: (bytes) => writeAll(handle, bytes),
      sync: () => handle.datasync(),
      close: () => handle.close(),
    };
  },
  async openToRead(path) {
    const handle = await open(path, 'r');
    const { size } = await handle.stat();
    return {
      size,
      read: async (into, offset) => (await handle.read(into, 0, into.length, offset)).bytesRead,
      close: () => handle.close(),
    };
  },
  rename,
  remove: (path) => rm(path, { force: true }),
  async truncate(path, length) {
    // What another name shows, as in a snapshot of the store, stays as it is.
    if ((await stat(path)).nlink > 1) await replaceByCopy(path);
    await truncate(path, length);
    await syncPath(path);
  },
  sync: syncPath,
  syncFolder: syncPath,
};

/**
 * Bytes of the files in a folder and the folders in it. A file that has several names there counts once; one that goes
 * meanwhile counts nothing.
 */
export async function folderBytes(folder: string, counted = new Set<string>()): Promise<number> {
  // Not readdir's own recursion, which ends where a folder goes meanwhile: partitions do.
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const sizes = await Promise.all(
    entries.map((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return folderBytes(path, counted);
      return stat(path).then(
        ({ size, nlink, dev, ino }) => {
          if (nlink === 1) return size;
          const file = `${dev} ${ino}`;
          if (counted.has(file)) return 0;
          counted.add(file);
          return size;
        },
        () => 0,
      );
    }),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Nobody else reads or writes it meanwhile. */
async function replaceByCopy(path: string): Promise<void> {
  const copy = `${path}.tmp`;
  await copyFile(path, copy);
  await syncPath(copy);
  await rename(copy, path);
  await syncPath(dirname(path));
}

async function syncPath(path: string): Promise<void> {
  await syncAndClose(await open(path, 'r'));
}

/**
 * Makes a folder and those above it that are missing. Node's own recursive form never ends where the system answers
 * "no such folder" for a name that can never be made, as under /proc.
 * @returns The folders that are new, the lowest first.
 */
async function makeFolders(path: string): Promise<readonly string[]> {
  try {
    await mkdir(path);
    return [path];
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return [];
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
  }
  const above = await makeFolders(dirname(path));
  await mkdir(path);
  return [path, ...above];
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  let at = 0;
  while (at < bytes.length) at += (await handle.write(bytes, at, bytes.length - at)).bytesWritten;
}

async function syncAndClose(handle: FileHandle): Promise<void> {
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
