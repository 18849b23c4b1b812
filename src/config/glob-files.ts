import { existsSync, readdirSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';

/** Paths that a pattern with `*`, `?` and `[…]` names, in order; each part of it is of one folder's names. */
export function globFiles(pattern: string, folder: string): readonly string[] {
  const full = isAbsolute(pattern) ? pattern : join(folder, pattern);
  if (!/[*?[\\]/.test(full)) return existsSync(full) ? [full] : [];
  const parts = full.split('/');
  let found = [isAbsolute(full) ? '/' : '.'];
  for (const part of parts.filter((one) => one !== '')) {
    found = found.flatMap((base) => namesIn(base, part).map((name) => (base === '.' ? name : join(base, name))));
  }
  return found.sort();
}

function namesIn(base: string, part: string): readonly string[] {
  if (!/[*?[\\]/.test(part)) return existsSync(join(base, part)) ? [part] : [];
  const test = new RegExp(`^${expressionOf(part)}$`, 'su');
  try {
    return readdirSync(base).filter((name) => test.test(name));
  } catch {
    return [];
  }
}

function expressionOf(part: string): string {
  return part.replace(/\\(.)|(\[\^?)([^\]]+)\]|([*?])|(.)/gsu, (_, escaped, open, set, wild, plain) => {
    if (wild !== undefined) return wild === '*' ? '.*' : '.';
    if (open !== undefined) return `${open}${set.replace(/[[\]\\]/g, '\\$&')}]`;
    return (escaped ?? plain).replace(/[\\^$.*+?()[\]{}|/]/, '\\$&');
  });
}
