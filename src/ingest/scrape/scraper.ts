import type { ScrapeJob } from '../../model/scrape-job.ts';
import type { TenantId } from '../../model/tenant.ts';
import { openScrapePool, type ScrapePoolDeps } from './scrape-pool.ts';
import { sharedCommit } from './shared-commit.ts';
import type { ScrapeWriter } from './target-series.ts';

/** What is scraped may be asked for so much later. */
const COMMIT_WAIT_MS = 250;

export type Scraper = ReturnType<typeof openScraper>;

/** Scrapes what the settings name. Nothing moves before `run`. */
export function openScraper(jobs: readonly ScrapeJob[], deps: ScrapePoolDeps) {
  const writers = new Map<TenantId, ScrapeWriter>();
  const writerOf = (tenant: TenantId) => {
    const known = writers.get(tenant) ?? sharedCommit(deps.writerOf(tenant), deps.clock, COMMIT_WAIT_MS);
    writers.set(tenant, known);
    return known;
  };
  const pools = jobs.map((job) => openScrapePool(job, { ...deps, writerOf }));
  return {
    /** A tenant's jobs, and its targets of the others. */
    pools: (tenant: TenantId) =>
      pools
        .map(({ job, loops, dropped }) => ({
          job,
          loops: loops(tenant),
          dropped: job.tenant === tenant ? dropped() : [],
          isOwn: job.tenant === tenant,
        }))
        .filter(({ loops, isOwn }) => isOwn || loops.length > 0),
    targets: () => pools.reduce((sum, pool) => sum + pool.loops().length, 0),
    async run(signal: AbortSignal): Promise<void> {
      await Promise.all(pools.map((pool) => pool.run(signal)));
    },
  };
}
