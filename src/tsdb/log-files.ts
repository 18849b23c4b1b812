import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Disk, WritableFile } from './disk.ts';
import { StorageFormatError } from './errors.ts';
import { type LogRecord, type ReadReport, readRecords } from './record.ts';

export type FileKind = 'log' | 'snapshot';

/** A file of records. `number` is a segment's own, or the first segment that a snapshot does not cover. */
export interface LogFile {
  readonly kind: FileKind;
  readonly number: number;
  readonly path: string;
}

const SIGNATURE: Readonly<Record<FileKind, string>> = { log: 'FSAILLOG', snapshot: 'FSAILSNP' };
/** Files of version 1 have records of fewer kinds. */
const VERSION = 2;
const OLDEST_VERSION = 1;
/** Signature, version, CRC-32 of both. */
export const HEADER_BYTES = 16;
const NAME = /^(\d{8,})\.(log|snapshot)$/;

export function logPath(folder: string, kind: FileKind, number: number): string {
  return join(folder, `${String(number).padStart(8, '0')}.${kind}`);
}

/** The record files of a folder by number. Unfinished snapshots are removed. */
export async function listLogFiles(disk: Disk, folder: string): Promise<readonly LogFile[]> {
  const files: LogFile[] = [];
  for (const name of await disk.list(folder)) {
    const found = NAME.exec(name);
    if (found !== null) files.push({ kind: found[2] as FileKind, number: Number(found[1]), path: join(folder, name) });
    else if (name.endsWith('.tmp')) await disk.remove(join(folder, name));
  }
  return files.sort((a, b) => a.number - b.number);
}

/** Creates a file with its header, not yet synced. Leaves nothing behind, no open file either, where it cannot. */
export async function createLogFile(disk: Disk, path: string, kind: FileKind): Promise<WritableFile> {
  const file = await disk.create(path);
  const header = new Uint8Array(HEADER_BYTES);
  header.set(new TextEncoder().encode(SIGNATURE[kind]));
  const view = new DataView(header.buffer);
  view.setUint32(8, VERSION, true);
  view.setUint32(12, crc32(header.subarray(0, 12)), true);
  try {
    await file.append(header);
  } catch (error) {
    await file.close().catch(() => undefined);
    await disk.remove(path).catch(() => undefined);
    throw error;
  }
  return file;
}

/**
 * Reads all records of a file. A damaged header does not hide the records behind it.
 * @throws {StorageFormatError} If another release wrote the file in a format of its own.
 */
export async function readLogFile(
  disk: Disk,
  { path }: LogFile,
  visit: (record: LogRecord) => void,
): Promise<ReadReport> {
  const file = await disk.openToRead(path);
  try {
    const header = new Uint8Array(HEADER_BYTES);
    const got = await file.read(header, 0);
    const view = new DataView(header.buffer);
    const sound = got === HEADER_BYTES && view.getUint32(12, true) === crc32(header.subarray(0, 12));
    const version = view.getUint32(8, true);
    if (sound && (version < OLDEST_VERSION || version > VERSION)) throw new StorageFormatError(path, version, VERSION);
    return await readRecords(file, sound ? HEADER_BYTES : 0, visit);
  } finally {
    await file.close();
  }
}
