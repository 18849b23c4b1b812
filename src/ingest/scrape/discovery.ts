import type { Discovery } from '../../model/scrape-job.ts';
import type { DiscoveryDeps } from './discovery-deps.ts';
import { runFileDiscovery } from './file-discovery.ts';
import { runHttpDiscovery } from './http-discovery.ts';

/** Finds targets until aborted. */
export async function runDiscovery(discovery: Discovery, deps: DiscoveryDeps, signal: AbortSignal): Promise<void> {
  switch (discovery.kind) {
    case 'static':
      deps.onGroups(discovery.groups);
      return;
    case 'file':
      return await runFileDiscovery(discovery, deps, signal);
    case 'http':
      return await runHttpDiscovery(discovery, deps, signal);
    case 'kubernetes':
      return await deps.runKubernetes(discovery, deps, signal);
  }
}
