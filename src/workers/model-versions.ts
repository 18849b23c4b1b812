import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ModelBytes, UnusableModelError, WEIGHTS_FILE } from '../forecast/regressor/model-file.ts';
import { type ModelVersion, SHIPPED_VERSION, type VersionScores } from '../forecast/regressor/model-version.ts';
import type { TenantId } from '../model/tenant.ts';
import { readModelBytes, SHIPPED_MODEL } from './load-regressor.ts';

/** One tenant's networks: `versions/NAME/{model.json,weights.bin,scores.json}` and the name of the one in force in `current`. */
export interface ModelVersions {
  /** Oldest first; the shipped network comes before all. */
  list(): Promise<readonly ModelVersion[]>;
  current(): Promise<string>;
  /** @throws {UnusableModelError} If there is no such version, or its files cannot be read. */
  read(name: string): Promise<ModelBytes>;
  /** Keeps a version under the next free number, in force or not. */
  add(bytes: ModelBytes, scores: VersionScores, makeCurrent: boolean): Promise<string>;
  /**
   * Puts a version in force: the named one, or the one before the current.
   * @returns Its name.
   * @throws {UnusableModelError} If there is no such version.
   */
  rollback(name?: string): Promise<string>;
}

/** Where a tenant's networks are kept. Tenant ids hold no slash; `.` and `..` are none of them. */
export function versionsFolder(dataFolder: string, tenant: TenantId): string {
  return join(dataFolder, 'models', encodeURIComponent(tenant));
}

export function openModelVersions(folder: string, shipped: string = SHIPPED_MODEL): ModelVersions {
  const versions = join(folder, 'versions');
  const pointer = join(folder, 'current');
  const folderOf = (name: string) => (name === SHIPPED_VERSION ? shipped : join(versions, name));

  async function names(): Promise<string[]> {
    const found = await orElse(readdir(versions), []);
    const numbered = found.filter((name) => /^v\d+$/.test(name));
    return numbered.sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)));
  }

  async function current(): Promise<string> {
    const named = (await orElse(readFile(pointer, 'utf8'), SHIPPED_VERSION)).trim();
    // A pointer to what is not there any more must not stop forecasts.
    return named === SHIPPED_VERSION || (await names()).includes(named) ? named : SHIPPED_VERSION;
  }

  async function point(name: string): Promise<void> {
    await mkdir(folder, { recursive: true });
    await writeWhole(pointer, `${name}\n`);
  }

  return {
    current,
    async list() {
      const inForce = await current();
      const listed = [{ name: SHIPPED_VERSION, isCurrent: inForce === SHIPPED_VERSION, scores: undefined }];
      const own = (await names()).map(async (name) => ({
        name,
        isCurrent: name === inForce,
        scores: await readScores(join(versions, name, 'scores.json')),
      }));
      return [...listed, ...(await Promise.all(own))];
    },
    read: (name) => readModelBytes(folderOf(name)),
    async add(bytes, scores, makeCurrent) {
      const last = (await names()).at(-1);
      const name = `v${last === undefined ? 1 : Number(last.slice(1)) + 1}`;
      // Written beside and renamed: a version is there whole, or not at all.
      const half = join(versions, `.${name}`);
      await rm(half, { recursive: true, force: true });
      await mkdir(half, { recursive: true });
      await writeFile(join(half, 'model.json'), bytes.model);
      await writeFile(join(half, WEIGHTS_FILE), bytes.weights);
      await writeFile(join(half, 'scores.json'), `${JSON.stringify(scores, null, 2)}\n`);
      await rename(half, join(versions, name));
      if (makeCurrent) await point(name);
      return name;
    },
    async rollback(wanted) {
      const all = [SHIPPED_VERSION, ...(await names())];
      const name = wanted ?? all[Math.max(0, all.indexOf(await current()) - 1)]!;
      if (!all.includes(name))
        throw new UnusableModelError(`there is no version ${name} (there are ${all.join(', ')})`);
      await point(name);
      return name;
    },
  };
}

async function readScores(path: string): Promise<VersionScores | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as VersionScores;
  } catch {
    return undefined;
  }
}

async function writeWhole(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

/** What is not there is not read; any other trouble is told. */
async function orElse<T>(reading: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return otherwise;
    throw error;
  }
}
