import { copyFile, link, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { nodeDisk } from './disk.ts';

/**
 * Copies the files of a LevelDB that is closed. Tables never change once they are written, so a second name is as good
 * as a copy; all else is copied. A folder that is not there has none.
 */
export async function linkFiles(from: string, to: string): Promise<void> {
  const names = await readdir(from).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  for (const name of names) {
    if (name === 'LOCK' || name.startsWith('LOG')) continue;
    const [source, copy] = [join(from, name), join(to, name)];
    await (/\.(ldb|sst)$/.test(name) ? linkOrCopy(source, copy) : copyAndSync(source, copy));
  }
}

/** A second name for a durable file that nobody changes any more, or a copy where there can be none. */
export async function linkOrCopy(from: string, to: string): Promise<void> {
  const isLinked = await link(from, to).then(
    () => true,
    () => false,
  );
  if (!isLinked) await copyAndSync(from, to);
}

async function copyAndSync(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  await nodeDisk.sync(to);
}
