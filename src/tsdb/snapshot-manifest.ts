import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Millis } from '../model/time.ts';
import { DamagedSnapshotError, StorageFormatError } from './errors.ts';

/** A file of a snapshot. `path` is relative to the snapshot's folder, with `/` between its parts. */
export interface SnapshotFile {
  readonly path: string;
  readonly bytes: number;
  /** In hexadecimal digits. */
  readonly sha256: string;
}

export interface SnapshotManifest {
  readonly format: number;
  /** The release that took it. */
  readonly release: string;
  readonly takenAt: Millis;
  readonly files: readonly SnapshotFile[];
}

export const MANIFEST = 'manifest.json';
export const MANIFEST_FORMAT = 1;
const Manifest: z.ZodType<SnapshotManifest> = z.object({
  format: z.literal(MANIFEST_FORMAT),
  release: z.string(),
  takenAt: z.number(),
  files: z.array(z.object({ path: z.string(), bytes: z.number(), sha256: z.string() })),
});
/** Between two reads other work gets its turn. */
const READ_BYTES = 256 << 10;

/** The manifest as text: its last field is the SHA-256 of the rest. */
export function formatManifest(manifest: SnapshotManifest): string {
  return `${JSON.stringify({ ...manifest, sha256: sumOf(JSON.stringify(manifest)) }, null, 1)}\n`;
}

/**
 * @throws {DamagedSnapshotError} If there is none, or it is not what was written.
 * @throws {StorageFormatError} If a later release wrote it in a form of its own.
 */
export async function readManifest(snapshot: string): Promise<SnapshotManifest> {
  const path = join(snapshot, MANIFEST);
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new DamagedSnapshotError(snapshot, `its ${MANIFEST} cannot be read (${cause.code ?? cause.message})`, cause);
  });
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch (cause) {
    throw new DamagedSnapshotError(snapshot, `its ${MANIFEST} is no JSON`, cause);
  }
  if (typeof found !== 'object' || found === null) throw new DamagedSnapshotError(snapshot, `its ${MANIFEST} is none`);
  const { sha256, ...manifest } = found as { readonly sha256?: unknown; readonly format?: unknown };
  if (sha256 !== sumOf(JSON.stringify(manifest))) {
    throw new DamagedSnapshotError(snapshot, `its ${MANIFEST} was changed`);
  }
  if (typeof manifest.format === 'number' && manifest.format !== MANIFEST_FORMAT) {
    throw new StorageFormatError(path, manifest.format, MANIFEST_FORMAT);
  }
  const parsed = Manifest.safeParse(manifest);
  if (!parsed.success) throw new DamagedSnapshotError(snapshot, `its ${MANIFEST} is none`, parsed.error);
  for (const file of parsed.data.files) {
    const parts = file.path.split('/');
    if (parts.some((part) => part === '' || part === '.' || part === '..')) {
      throw new DamagedSnapshotError(snapshot, `its ${MANIFEST} names ${file.path}`);
    }
  }
  return parsed.data;
}

/**
 * All files in a folder and the folders in it, with their sums, in order of their paths.
 * @param onBytes How many were read, piece by piece.
 */
export async function filesWithSums(
  folder: string,
  onBytes: (bytes: number) => void = () => {},
): Promise<readonly SnapshotFile[]> {
  const files: SnapshotFile[] = [];
  for (const path of await filesIn(folder)) {
    files.push({ path, ...(await sumFile(join(folder, path), ({ length }) => onBytes(length))) });
  }
  return files;
}

/** Length and sum of a file. @param onBytes What was read, piece by piece. */
export async function sumFile(
  path: string,
  onBytes: (bytes: Uint8Array) => Promise<void> | void = () => {},
): Promise<Omit<SnapshotFile, 'path'>> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const piece of createReadStream(path, { highWaterMark: READ_BYTES })) {
    hash.update(piece as Uint8Array);
    bytes += (piece as Uint8Array).length;
    await onBytes(piece as Uint8Array);
  }
  return { bytes, sha256: hash.digest('hex') };
}

async function filesIn(folder: string): Promise<readonly string[]> {
  const paths: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) paths.push(entry.name);
    else for (const path of await filesIn(join(folder, entry.name))) paths.push(`${entry.name}/${path}`);
  }
  return paths.sort();
}

function sumOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
