import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CalendarFileError } from './errors.ts';

const MOST_BYTES = 4 * 1024 * 1024;

/**
 * A reader of iCal files by name: they stand beside the policies, in the folders named or next to the files named. The
 * first that has the name wins. A name with a folder in it is refused: a policy must not name other files of the host.
 */
export function calendarFiles(places: readonly string[]): (name: string) => Promise<string> {
  return async (name) => {
    if (/[/\\]|^\./.test(name)) throw new CalendarFileError(name, 0, 'expected a name without a folder');
    const folders = await Promise.all(places.map(folderOf));
    for (const folder of new Set(folders)) {
      const path = join(folder, name);
      const found = await stat(path).catch(() => undefined);
      if (found === undefined || !found.isFile()) continue;
      if (found.size > MOST_BYTES) throw new CalendarFileError(path, 0, `it is larger than ${MOST_BYTES} bytes`);
      return await readFile(path, 'utf8');
    }
    const where =
      folders.length === 0 ? 'there is no folder of policies' : `it is not in ${[...new Set(folders)].join(', ')}`;
    throw new CalendarFileError(name, 0, `${where}: put it beside the policy`);
  };
}

async function folderOf(place: string): Promise<string> {
  const found = await stat(place).catch(() => undefined);
  return found?.isDirectory() === true ? place : dirname(place);
}
