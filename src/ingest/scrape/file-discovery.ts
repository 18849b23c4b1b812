import { type FSWatcher, watch } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { parse } from 'yaml';
import type { Discovery, TargetGroup } from '../../model/scrape-job.ts';
import type { DiscoveryDeps } from './discovery-deps.ts';
import { DiscoveryError } from './errors.ts';
import { parseGroups } from './target-groups.ts';

/** Editors write a file in several steps. */
const SETTLE_MS = 100;

/** Reads files of targets, whenever they change and at every interval. A file that cannot be read stays as it was. */
export async function runFileDiscovery(
  { files, refreshMs }: Extract<Discovery, { kind: 'file' }>,
  { clock, onGroups, onFailure }: DiscoveryDeps,
  signal: AbortSignal,
): Promise<void> {
  let known = new Map<string, readonly TargetGroup[]>();
  let wake = new AbortController();
  const watchers = watchFolders(files, () => wake.abort());
  try {
    while (!signal.aborted) {
      wake = new AbortController();
      known = await readAll(files, known, onFailure);
      onGroups([...known.values()].flat());
      await clock.sleep(refreshMs, AbortSignal.any([signal, wake.signal])).catch(() => {});
      if (!signal.aborted && wake.signal.aborted) await clock.sleep(SETTLE_MS, signal).catch(() => {});
    }
  } finally {
    for (const watcher of watchers) watcher.close();
  }
}

function watchFolders(files: readonly string[], onChange: () => void): readonly FSWatcher[] {
  return [...new Set(files.map((file) => dirname(file)))].flatMap((folder) => {
    try {
      // A folder that goes away ends its watch; the interval finds what comes after.
      return [watch(folder, onChange).on('error', () => {})];
    } catch {
      return [];
    }
  });
}

async function readAll(
  patterns: readonly string[],
  known: ReadonlyMap<string, readonly TargetGroup[]>,
  onFailure: DiscoveryDeps['onFailure'],
): Promise<Map<string, readonly TargetGroup[]>> {
  const found = new Map<string, readonly TargetGroup[]>();
  for (const pattern of patterns) {
    for (const file of await matching(pattern)) {
      try {
        found.set(file, await readGroups(file));
      } catch (error) {
        onFailure(
          new DiscoveryError(`cannot use the targets in ${file}: ${(error as Error).message}`, { cause: error }),
        );
        const before = known.get(file);
        if (before !== undefined) found.set(file, before);
      }
    }
  }
  return found;
}

async function matching(pattern: string): Promise<readonly string[]> {
  const folder = dirname(pattern);
  const name = basename(pattern);
  if (!name.includes('*')) return [pattern];
  const regex = new RegExp(`^${name.split('*').map(escaped).join('.*')}$`);
  const names = await readdir(folder).catch(() => []);
  return names
    .filter((each) => regex.test(each))
    .sort()
    .map((each) => join(folder, each));
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

async function readGroups(file: string): Promise<readonly TargetGroup[]> {
  const text = await readFile(file, 'utf8');
  const document: unknown = /\.json$/i.test(file) ? JSON.parse(text) : parse(text);
  return parseGroups(document, (i) => `${file}:${i}`, { __meta_filepath: file });
}
