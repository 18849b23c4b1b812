import type { ActiveTarget, TargetMetadata, TargetsView } from '../http/routes/targets.ts';
import { labelLimitsOf } from '../ingest/check-labels.ts';
import { openScraper } from '../ingest/scrape/scraper.ts';
import type { TargetLoop } from '../ingest/scrape/target-loop.ts';
import { ownerOfTarget } from '../ingest/scrape/target-owner.ts';
import { kubernetesFinder } from '../kube/scrape-targets.ts';
import type { Labels } from '../model/labels.ts';
import type { TenantId } from '../model/tenant.ts';
import { formatDuration, SECOND } from '../model/time.ts';
import { VERSION } from '../version.ts';
import { kubeAccess } from './kube-access.ts';
import type { Parts } from './parts.ts';
import { tenantRuleOf } from './tenant-rule.ts';

const GAUGE_EVERY_MS = 15 * SECOND;

export type Scraping = ReturnType<typeof openScraping>;

/** Ties the scraper to the store and to the cluster. Nothing moves before `run`. */
export function openScraping(parts: Parts) {
  const { settings, clock, log, metrics, samples, tsdb, intake, coordination } = parts;
  const rule = tenantRuleOf(settings.tenancy);
  const { jobs, passedOver } = settings.scrape;
  for (const what of passedOver) log.warn({ what }, 'a part of the scrape configuration is not used here');
  // Replicas with stores of their own need all samples each; where they share an engine, one scrapes each target.
  const membership = samples.engine === undefined ? undefined : coordination.membership;
  const scraper = openScraper(jobs, {
    clock,
    monotonic: () => performance.now(),
    userAgent: `Foresail/${VERSION}`,
    memory: tsdb.labels.memory,
    writerOf: samples.receiver.tenant,
    seriesLimitsOf: (tenant) => labelLimitsOf(intake.limitsOf(tenant)),
    charge: intake.take,
    ownerOf: (labels, tenant) => ownerOfTarget(labels, tenant, rule),
    runKubernetes: kubernetesFinder({
      clock,
      random: Math.random,
      access: settings.kubernetes.kind === 'off' ? undefined : kubeAccess(settings.kubernetes),
    }),
    acts: (key) => membership === undefined || membership.tenureOf({ namespace: 'scrape', name: key }) !== undefined,
    onScrape(id, outcome, { kept, stored }) {
      const tenant = parts.tenantNames(id);
      metrics.scrapes.inc({ outcome });
      if (outcome === 'rate_limit') metrics.tenantRefusals.inc({ tenant, reason: 'rate_limited' });
      if (kept > 0) metrics.tenantSamples.inc({ tenant }, kept);
      if (stored > 0) metrics.ingestSamples.inc(stored);
    },
    onDropped: (id, reason, count) => metrics.droppedSamples.inc({ reason, tenant: parts.tenantNames(id) }, count),
    onDiscoveryFailure(job, error) {
      metrics.scrapeFailures.inc({ job });
      log.warn({ err: error, job }, 'targets cannot be discovered, or one of them cannot be used');
    },
    onError: (url, error) => log.error({ err: error, url }, 'cannot store what a target exposes'),
  });
  return {
    targets(tenant: TenantId): TargetsView {
      const pools = scraper.pools(tenant);
      return {
        activeTargets: pools.flatMap(({ job, loops }) => loops.map((loop) => activeTarget(job.name, loop))),
        droppedTargets: pools.flatMap(({ job, dropped }) => {
          const shown = job.keepDroppedTargets === 0 ? dropped : dropped.slice(0, job.keepDroppedTargets);
          return shown.map((labels) => ({ discoveredLabels: recordOf(labels), scrapePool: job.name }));
        }),
        droppedTargetCounts: Object.fromEntries(pools.map(({ job, dropped }) => [job.name, dropped.length])),
      };
    },
    targetMetadata: (tenant: TenantId, metric: string | undefined): readonly TargetMetadata[] =>
      scraper.pools(tenant).flatMap(({ loops }) =>
        loops.flatMap(({ target, metadata }) =>
          metadata()
            .filter((each) => metric === undefined || each.metric === metric)
            .map((each) => ({ target: recordOf(target.labels), ...each })),
        ),
      ),
    async run(signal: AbortSignal): Promise<void> {
      if (jobs.length === 0) return;
      const gauge = async () => {
        while (!signal.aborted) {
          metrics.scrapeTargets.set(scraper.targets());
          await clock.sleep(GAUGE_EVERY_MS, signal).catch(() => {});
        }
      };
      await Promise.all([scraper.run(signal), gauge()]);
    },
  };
}

function activeTarget(job: string, { target, health }: TargetLoop): ActiveTarget {
  const { health: state, lastError, lastScrape, lastSeconds } = health();
  return {
    discoveredLabels: recordOf(target.discovered),
    labels: recordOf(target.labels),
    scrapePool: job,
    scrapeUrl: target.url,
    globalUrl: target.url,
    lastError,
    // Go's zero time stands for never.
    lastScrape: lastScrape === undefined ? '0001-01-01T00:00:00Z' : new Date(lastScrape).toISOString(),
    lastScrapeDuration: lastSeconds,
    health: state,
    scrapeInterval: formatDuration(target.intervalMs),
    scrapeTimeout: formatDuration(target.timeoutMs),
  };
}

function recordOf(labels: Labels): Readonly<Record<string, string>> {
  return Object.fromEntries(labels);
}
