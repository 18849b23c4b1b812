import { readFileSync } from 'node:fs';
import { UsageError } from './usage-error.ts';

/** Reads a file that the command line names. @throws {UsageError} If it cannot be read. */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`cannot read ${path}: ${fileTrouble(error)}`, { cause: error });
  }
}

/** What is wrong with a file, in words for what happens often. */
export function fileTrouble(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  switch ('code' in error ? error.code : undefined) {
    case 'ENOENT':
      return 'there is no such file or folder';
    case 'EISDIR':
      return 'it is a folder';
    case 'EACCES':
      return 'it may not be read or written';
    case 'Z_DATA_ERROR':
      return 'it is named .gz, but is not gzip';
    default:
      return error.message;
  }
}
