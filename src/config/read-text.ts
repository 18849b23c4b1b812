import { readFileSync } from 'node:fs';
import { SettingsError } from './errors.ts';

/** The text of a file that the settings need. @throws {SettingsError} If it cannot be read. */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const message = `cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown reason'}`;
    throw new SettingsError([{ file, line: 1, column: 1, path: [], message }], { cause: error });
  }
}
