import { readFile, rename, writeFile } from 'node:fs/promises';
import type { Millis } from '../model/time.ts';
import type { SavedCluster } from './cluster.ts';

/** What the demo keeps beside the store, so that a second start continues. */
export interface DemoState {
  readonly version: 1;
  readonly firstStart: Millis;
  readonly cluster?: SavedCluster;
}

/** Reads the state, or undefined where the demo never ran here. @throws {Error} If the file is something else. */
export async function loadDemoState(path: string): Promise<DemoState | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const state = JSON.parse(text) as DemoState;
    if (state.version === 1) return state;
  } catch (cause) {
    throw new Error(`cannot read ${path}: it is not the demo's state; delete it to start the demo anew`, { cause });
  }
  throw new Error(`cannot read ${path}: another version of the demo wrote it; delete it to start the demo anew`);
}

/** Replaces the file in one step: a reader sees the old state or the new one. */
export async function saveDemoState(path: string, state: DemoState): Promise<void> {
  await writeFile(`${path}.tmp`, `${JSON.stringify(state, null, 1)}\n`);
  await rename(`${path}.tmp`, path);
}
