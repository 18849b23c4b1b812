import { readFileSync, statSync } from 'node:fs';
import { globFiles } from '../config/glob-files.ts';
import type { TenantFiles } from '../config/rules-settings.ts';
import type { TenantId } from '../model/tenant.ts';
import type { RuleGroup } from '../rules/rule-file.ts';

/** A file's rules, the last right ones where it is broken now. */
export interface KnownRuleFile<T> {
  readonly tenant: TenantId;
  /** Absolute. */
  readonly file: string;
  readonly content: T;
}

export interface RuleFilesInForce<T> {
  readonly files: readonly KnownRuleFile<T>[];
  readonly problems: readonly RuleFileProblem[];
}

export interface RuleFileProblem {
  readonly tenant: TenantId;
  /** File, line, column, what is wrong. */
  readonly text: string;
}

/** What a text holds, or what is wrong with it. */
export type ParsedFile<T> =
  | { readonly kind: 'right'; readonly content: T }
  | {
      readonly kind: 'wrong';
      readonly problems: readonly { readonly line: number; readonly column: number; readonly message: string }[];
    };

const MAX_FILE_BYTES = 16 * 1024 * 1024;

/**
 * A reader of files that looks at the disk at each call, and parses a file again only when it changed. A file that
 * breaks keeps what it held when it was last right; a file that is deleted is gone.
 */
export function ruleFileReader<T>(
  entries: readonly TenantFiles[],
  parse: (text: string, file: string) => ParsedFile<T>,
): () => RuleFilesInForce<T> {
  interface Known {
    readonly stamp: string;
    readonly content: T | undefined;
    readonly problems: readonly string[];
  }
  const known = new Map<string, Known>();

  function read(file: string): Known {
    const before = known.get(file);
    try {
      const { mtimeMs, size, ino } = statSync(file);
      const stamp = `${ino}/${mtimeMs}/${size}`;
      if (before?.stamp === stamp) return before;
      if (size > MAX_FILE_BYTES) throw new RangeError(`larger than ${MAX_FILE_BYTES} bytes`);
      const text = readFileSync(file, 'utf8');
      // A write that was cut off leaves this behind. Who means it deletes the file.
      const parsed: ParsedFile<T> =
        text.trim() === ''
          ? {
              kind: 'wrong',
              problems: [{ line: 1, column: 1, message: 'it is empty: to remove its rules, delete it' }],
            }
          : parse(text, file);
      const now: Known =
        parsed.kind === 'right'
          ? { stamp, content: parsed.content, problems: [] }
          : {
              stamp,
              content: before?.content,
              problems: parsed.problems.map(({ line, column, message }) => `${file}:${line}:${column}: ${message}`),
            };
      known.set(file, now);
      return now;
    } catch (error) {
      const why = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
      return { stamp: '', content: before?.content, problems: [`${file}: cannot be read: ${why}`] };
    }
  }

  return () => {
    const files: KnownRuleFile<T>[] = [];
    const problems: RuleFileProblem[] = [];
    const seen = new Set<string>();
    for (const { tenant, patterns } of entries) {
      const found = patterns.flatMap((pattern) => {
        const named = globFiles(pattern, '/');
        if (named.length > 0 || /[*?[]/.test(pattern)) return named;
        problems.push({ tenant, text: `${pattern}: there is no such file` });
        return [];
      });
      for (const file of [...new Set(found)]) {
        seen.add(file);
        const { content, problems: own } = read(file);
        if (content !== undefined) files.push({ tenant, file, content });
        problems.push(...own.map((text) => ({ tenant, text })));
      }
    }
    for (const file of [...known.keys()].filter((one) => !seen.has(one))) known.delete(file);
    return { files, problems };
  };
}

/** Equal for groups that say the same, wherever in a file they stand. */
export function definitionOf(group: RuleGroup): string {
  return JSON.stringify(group, (key, value) => {
    if (key === 'place') return undefined;
    return value instanceof Map ? [...value] : value;
  });
}
