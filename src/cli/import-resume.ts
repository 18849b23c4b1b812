import { existsSync, renameSync, writeFileSync } from 'node:fs';
import type { Millis } from '../model/time.ts';
import { fileTrouble, readText } from './read-text.ts';
import { UsageError } from './usage-error.ts';

/** How far an import came, kept in a file, so that the next one goes on there. */
export interface ResumePoint {
  /** Up to when everything since `start` is stored; undefined where that is not known. */
  doneUntil(selector: string, start: Millis): Millis | undefined;
  /** Everything from `start` up to `until` is stored. */
  done(selector: string, start: Millis, until: Millis): void;
}

/** Where it is imported from and to: of another one nothing can be told. */
export interface ResumeOf {
  readonly from: string;
  readonly to: string;
  readonly tenant: string;
}

interface Saved extends ResumeOf {
  readonly done: Record<string, Done>;
}

/** Everything between is stored, both ends included. */
interface Done {
  readonly from: Millis;
  readonly until: Millis;
}

/**
 * @param settled What is newer may still come to where it is imported from, and is read again the next time.
 * @throws {UsageError} If the file is of another import, or cannot be used.
 */
export function openResume(path: string | undefined, of: ResumeOf, settled: Millis): ResumePoint {
  if (path === undefined) return { doneUntil: () => undefined, done: () => {} };
  const saved = existsSync(path) ? read(path) : { ...of, done: {} };
  for (const key of ['from', 'to', 'tenant'] as const) {
    if (saved[key] === of[key]) continue;
    throw new UsageError(
      `--resume: ${path} is of an import ${key} "${saved[key]}", not "${of[key]}"; name another file`,
    );
  }
  /** What is stored from before `start` on without a gap. */
  const known = (selector: string, start: Millis): Done | undefined => {
    const done = Object.hasOwn(saved.done, selector) ? saved.done[selector] : undefined;
    return done !== undefined && done.from <= start && start <= done.until + 1 ? done : undefined;
  };
  return {
    doneUntil: (selector, start) => known(selector, start)?.until,
    done(selector, start, end) {
      const until = Math.min(end, settled);
      if (until < start) return;
      saved.done[selector] = { from: known(selector, start)?.from ?? start, until };
      try {
        writeFileSync(`${path}.part`, `${JSON.stringify(saved, null, 2)}\n`);
        renameSync(`${path}.part`, path);
      } catch (error) {
        throw new UsageError(`cannot write ${path}: ${fileTrouble(error)}`, { cause: error });
      }
    },
  };
}

function read(path: string): Saved {
  try {
    const saved = JSON.parse(readText(path)) as Saved;
    if (typeof saved.done === 'object' && saved.done !== null) return saved;
  } catch (error) {
    if (error instanceof UsageError) throw error;
  }
  throw new UsageError(`--resume: ${path} is not what an import wrote`);
}
