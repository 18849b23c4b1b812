import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Network } from '../forecast/forecaster-options.ts';
import { type ModelBytes, parseModel, UnusableModelError } from '../forecast/regressor/model-file.ts';
import { type OwnModel, SHIPPED_VERSION } from '../forecast/regressor/model-version.ts';
import { loadRegressor, readModelBytes, SHIPPED_MODEL } from './load-regressor.ts';
import { openModelVersions } from './model-versions.ts';

/** The networks that forecasts are made with. Plain data: threads are started with it. */
export interface TenantModels {
  /** For tenants without one of their own; undefined where its files cannot be used. */
  readonly shipped: ModelBytes | undefined;
  /** The versions in force, by tenant. */
  readonly own: ReadonlyMap<string, OwnModel>;
}

/** A model that cannot be used, and what it was for: `shipped`, or a tenant. */
export type OnUnusable = (whose: string, error: UnusableModelError) => void;

/**
 * Reads the shipped network and each tenant's own from the data folder, and checks them. What cannot be used is told and
 * left out: a tenant then has the shipped network, and without that forecasts are made without one.
 */
export async function readTenantModels(
  dataFolder: string,
  onUnusable: OnUnusable,
  shippedFolder: string = SHIPPED_MODEL,
): Promise<TenantModels> {
  const shipped = await usable(SHIPPED_VERSION, () => readModelBytes(shippedFolder), onUnusable);
  const own = new Map<string, OwnModel>();
  for (const folder of await foldersIn(join(dataFolder, 'models'))) {
    const tenant = decodeURIComponent(folder);
    const versions = openModelVersions(join(dataFolder, 'models', folder), shippedFolder);
    const version = await versions.current();
    if (version === SHIPPED_VERSION) continue;
    const bytes = await usable(tenant, () => versions.read(version), onUnusable);
    if (bytes !== undefined) own.set(tenant, { version, bytes });
  }
  return { shipped, own };
}

/** The networks of one thread. */
export interface OpenNetworks {
  /** A forecaster's key starts with its tenant and a slash. */
  of(key: string): Network;
  /** From now on this is the tenant's own; undefined: it has the shipped one. */
  takeUp(tenant: string, own: OwnModel | undefined): Promise<void>;
}

/** Opens all of them on the calling thread. */
export async function openNetworks(
  { shipped, own }: TenantModels,
  onTrouble: (trouble: { readonly code: string; readonly message: string }) => void,
): Promise<OpenNetworks> {
  const open = async (bytes: ModelBytes): Promise<Network> => {
    const loaded = await loadRegressor(bytes);
    if (loaded.kind === 'unusable') {
      onTrouble(loaded);
      return {};
    }
    if (loaded.note !== undefined) onTrouble({ code: 'slow_backend', message: loaded.note });
    return { regressor: loaded.regressor };
  };
  const common = shipped === undefined ? {} : await open(shipped);
  const byTenant = new Map<string, Network>();
  async function takeUp(tenant: string, model: OwnModel | undefined): Promise<void> {
    const network = model === undefined ? {} : await open(model.bytes);
    if (network.regressor === undefined) byTenant.delete(tenant);
    else byTenant.set(tenant, network);
  }
  for (const [tenant, model] of own) await takeUp(tenant, model);
  return {
    of: (key) => byTenant.get(key.slice(0, Math.max(0, key.indexOf('/')))) ?? common,
    takeUp,
  };
}

async function usable(
  whose: string,
  read: () => Promise<ModelBytes>,
  onUnusable: OnUnusable,
): Promise<ModelBytes | undefined> {
  try {
    const bytes = await read();
    parseModel(bytes);
    return bytes;
  } catch (error) {
    if (!(error instanceof UnusableModelError)) throw error;
    onUnusable(whose, error);
    return undefined;
  }
}

async function foldersIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
