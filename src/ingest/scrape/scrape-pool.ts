import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { Clock } from '../../model/clock.ts';
import type { Labels } from '../../model/labels.ts';
import { compileRelabel } from '../../model/relabel.ts';
import type { ScrapeJob, TargetGroup } from '../../model/scrape-job.ts';
import type { TenantId } from '../../model/tenant.ts';
import type { Millis } from '../../model/time.ts';
import type { CoreMemory } from '../../wire/core-memory.ts';
import type { LabelLimits } from '../check-labels.ts';
import { runDiscovery } from './discovery.ts';
import type { DiscoveryDeps } from './discovery-deps.ts';
import { DiscoveryError, ScrapeError } from './errors.ts';
import { openAccess } from './http-access.ts';
import { httpGet } from './http-get.ts';
import { acceptHeader } from './negotiation.ts';
import type { ScrapeCounts } from './scrape-reading.ts';
import { type Target, type TargetSet, targetsOf } from './target.ts';
import { openTargetLoop, type ScrapeOutcome, type TargetLoop } from './target-loop.ts';
import type { TargetOwner } from './target-owner.ts';
import { type ScrapeWriter, TargetSeries } from './target-series.ts';

export interface ScrapePoolDeps {
  readonly clock: Clock;
  readonly monotonic: () => Millis;
  readonly userAgent: string;
  readonly writerOf: (tenant: TenantId) => ScrapeWriter;
  readonly memory: CoreMemory;
  readonly seriesLimitsOf: (tenant: TenantId) => LabelLimits;
  /** Takes samples from a tenant's rate. */
  readonly charge: (tenant: TenantId, samples: number) => void;
  readonly ownerOf: (labels: Labels, tenant: TenantId) => TargetOwner;
  readonly runKubernetes: DiscoveryDeps['runKubernetes'];
  /** Whether this process scrapes the target of this key, of those that share them. */
  readonly acts: (key: string) => boolean;
  readonly onScrape: (tenant: TenantId, outcome: ScrapeOutcome, counts: ScrapeCounts) => void;
  readonly onDropped: (tenant: TenantId, reason: string, count: number) => void;
  /** Targets cannot be found, or one of them cannot be used. */
  readonly onDiscoveryFailure: (job: string, error: Error) => void;
  /** What should not happen, and concerns a target. */
  readonly onError: (url: string, error: unknown) => void;
}

interface Running {
  readonly loop: TargetLoop;
  readonly stop: AbortController;
  readonly tenant: TenantId;
}

export type ScrapePool = ReturnType<typeof openScrapePool>;

/** Changes of targets are taken in at most so often. */
const SYNC_EVERY_MS = 1_000;

/** The targets of one job: finds them, and scrapes each. */
export function openScrapePool(job: ScrapeJob, deps: ScrapePoolDeps) {
  const { clock } = deps;
  const md5 = (text: string) => createHash('md5').update(text).digest();
  const relabel = compileRelabel(job.relabelRules, md5);
  const metricRelabel = compileRelabel(job.metricRelabelRules, md5);
  const running = new Map<string, Running>();
  const groupsOf = job.discoveries.map((): readonly TargetGroup[] => []);
  const ending = new Set<Promise<void>>();
  let dropped: TargetSet['dropped'] = [];
  let fault: string | undefined;
  let changed = () => {};

  const access = openAccess(job.access);
  const headers = {
    accept: acceptHeader(job.protocols),
    'accept-encoding': job.compression ? 'gzip' : 'identity',
    'user-agent': deps.userAgent,
  };
  const get = (target: Target, signal: AbortSignal) =>
    httpGet(
      target.url,
      {
        access,
        headers: { ...headers, 'x-prometheus-scrape-timeout-seconds': String(target.timeoutMs / 1000) },
        followRedirects: job.access.followRedirects,
        timeoutMs: target.timeoutMs,
        maxBytes: job.limits.bodyBytes,
      },
      signal,
    );

  function start(target: Target, signal: AbortSignal): void {
    const stop = new AbortController();
    const { tenant, labels, fault: ownerFault } = deps.ownerOf(target.labels, job.tenant);
    const series = new TargetSeries({
      writer: deps.writerOf(tenant),
      memory: deps.memory,
      seriesLimits: deps.seriesLimitsOf(tenant),
      charge: (samples) => deps.charge(tenant, samples),
      labels,
      honorLabels: job.honorLabels,
      relabel: metricRelabel,
      limits: job.limits,
      honorTimestamps: job.honorTimestamps,
      trackTimestampsStaleness: job.trackTimestampsStaleness,
      sampleLimit: job.limits.samples,
      onDropped: (reason, count) => deps.onDropped(tenant, reason, count),
    });
    const loop = openTargetLoop({
      job,
      target: { ...target, labels },
      series,
      clock,
      monotonic: deps.monotonic,
      phase: phaseOf(target.key),
      get,
      acts: () => deps.acts(target.key),
      jobFault: () => {
        if (fault !== undefined) return new ScrapeError('target_limit', fault);
        return ownerFault === undefined ? undefined : new ScrapeError('tenant', ownerFault);
      },
      onScrape: (outcome, counts) => deps.onScrape(tenant, outcome, counts),
      onError: (error) => deps.onError(target.url, error),
    });
    const aborted = () => stop.abort();
    signal.addEventListener('abort', aborted, { once: true });
    running.set(target.key, { loop, stop, tenant });
    const run = loop
      .run(stop.signal)
      // The series of a target that is gone end; those of a program that ends go on with its successor.
      .then(() => (signal.aborted ? undefined : loop.end(signal)))
      .catch((error: unknown) => deps.onError(target.url, error))
      .finally(() => {
        signal.removeEventListener('abort', aborted);
        series.leave();
        ending.delete(run);
      });
    ending.add(run);
  }

  function sync(signal: AbortSignal): void {
    const found = targetsOf(job, groupsOf.flat(), relabel);
    for (const message of found.faults) deps.onDiscoveryFailure(job.name, new DiscoveryError(message));
    dropped = found.dropped;
    const { targets: limit } = job.limits;
    const many = found.active.length;
    fault =
      limit > 0 && many > limit ? `target_limit exceeded (number of targets: ${many}, limit: ${limit})` : undefined;
    const wanted = new Set(found.active.map(({ key }) => key));
    for (const [key, { stop }] of running) {
      if (wanted.has(key)) continue;
      running.delete(key);
      stop.abort();
    }
    for (const target of found.active) if (!running.has(target.key)) start(target, signal);
  }

  return {
    job,
    /** Those of one tenant, or all. */
    loops: (tenant?: TenantId): readonly TargetLoop[] =>
      [...running.values()].flatMap((each) => (tenant === undefined || each.tenant === tenant ? [each.loop] : [])),
    dropped: () => dropped,
    /** Until aborted. */
    async run(signal: AbortSignal): Promise<void> {
      // One listener for each target: Node takes more than ten for a leak.
      setMaxListeners(0, signal);
      let dirty = false;
      changed = () => {
        dirty = true;
      };
      const finding = job.discoveries.map((discovery, i) =>
        runDiscovery(
          discovery,
          {
            clock,
            userAgent: deps.userAgent,
            runKubernetes: deps.runKubernetes,
            onGroups: (groups) => {
              groupsOf[i] = groups;
              changed();
            },
            onFailure: (error) => deps.onDiscoveryFailure(job.name, error),
          },
          signal,
        ).catch((error: Error) => deps.onDiscoveryFailure(job.name, error)),
      );
      while (!signal.aborted) {
        if (dirty) {
          dirty = false;
          sync(signal);
        }
        await clock.sleep(SYNC_EVERY_MS, signal).catch(() => {});
      }
      await Promise.all([...finding, ...ending]);
      access[Symbol.dispose]();
    },
  };
}

/** Where in its interval a target is scraped: the same on every replica and after every start. */
function phaseOf(key: string): number {
  return createHash('md5').update(key).digest().readUIntBE(0, 6) / 2 ** 48;
}
