import { type Labels, labelsOf } from '../../model/labels.ts';
import type { Relabel } from '../../model/relabel.ts';
import type { ScrapeJob, TargetGroup } from '../../model/scrape-job.ts';
import { formatDuration, parseDuration } from '../../model/time.ts';

/** One address that is scraped. */
export interface Target {
  /** Equal for targets that are the same. */
  readonly key: string;
  readonly url: string;
  /** What its samples get. */
  readonly labels: Labels;
  /** All that was known of it before relabelling. */
  readonly discovered: Labels;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** What became of discovered addresses. */
export interface TargetSet {
  readonly active: readonly Target[];
  /** Labels before relabelling, of those that relabelling dropped. */
  readonly dropped: readonly Labels[];
  /** Of those that cannot be scraped: why. */
  readonly faults: readonly string[];
}

/** Applies a job's relabelling to what was discovered. Targets that come out the same are one. */
export function targetsOf(job: ScrapeJob, groups: readonly TargetGroup[], relabel: Relabel): TargetSet {
  const active = new Map<string, Target>();
  const dropped: Labels[] = [];
  const faults: string[] = [];
  for (const group of groups) {
    for (const own of group.targets) {
      const discovered = discoveredLabels(job, group, own);
      const labels = new Map(discovered);
      if (!relabel(labels)) {
        dropped.push(discovered);
        continue;
      }
      const target = targetOf(job, labels, discovered);
      if (typeof target === 'string') faults.push(`a target of ${job.name} cannot be scraped: ${target}`);
      else if (!active.has(target.key)) active.set(target.key, target);
    }
  }
  return { active: [...active.values()], dropped, faults };
}

function discoveredLabels(job: ScrapeJob, group: TargetGroup, own: Readonly<Record<string, string>>): Labels {
  const all = new Map<string, string>();
  const given = labelsOf({ ...group.labels, ...own });
  all.set('job', job.name);
  all.set('__scrape_interval__', formatDuration(job.intervalMs));
  all.set('__scrape_timeout__', formatDuration(job.timeoutMs));
  all.set('__metrics_path__', job.metricsPath);
  all.set('__scheme__', job.scheme);
  for (const [name, value] of given) all.set(name, value);
  for (const [name, values] of Object.entries(job.params)) {
    if (values.length > 0) all.set(`__param_${name}`, values[0]!);
  }
  return labelsOf(all);
}

/** The target, or why there is none. */
function targetOf(job: ScrapeJob, labels: Map<string, string>, discovered: Labels): Target | string {
  const address = labels.get('__address__') ?? '';
  if (address === '') return 'it has no address';
  if (/[\s/]/.test(address)) return `${JSON.stringify(address)} is not a host and a port`;
  const scheme = labels.get('__scheme__') ?? 'http';
  if (scheme !== 'http' && scheme !== 'https') return `the scheme ${JSON.stringify(scheme)} is neither http nor https`;
  const times = timesOf(labels);
  if (typeof times === 'string') return times;
  if (!labels.has('instance')) labels.set('instance', address);
  const url = urlOf(job, labels, { scheme, address });
  if (url === undefined) return `${JSON.stringify(address)} is not a host and a port`;
  const kept = labelsOf([...labels].filter(([name]) => !name.startsWith('__')));
  return { key: `${url} ${JSON.stringify(kept)}`, url, labels: kept, discovered, ...times };
}

function timesOf(labels: ReadonlyMap<string, string>) {
  const interval = labels.get('__scrape_interval__') ?? '';
  const timeout = labels.get('__scrape_timeout__') ?? '';
  try {
    const [intervalMs, timeoutMs] = [parseDuration(interval), parseDuration(timeout)];
    if (intervalMs === 0 || timeoutMs === 0) return 'its scrape interval or timeout is 0';
    if (timeoutMs > intervalMs) return `its scrape timeout ${timeout} is longer than its interval ${interval}`;
    return { intervalMs, timeoutMs };
  } catch {
    return `its scrape interval ${JSON.stringify(interval)} or timeout ${JSON.stringify(timeout)} is not a duration`;
  }
}

function urlOf(
  job: ScrapeJob,
  labels: ReadonlyMap<string, string>,
  { scheme, address }: { readonly scheme: string; readonly address: string },
): string | undefined {
  const params = new Map(Object.entries(job.params).map(([name, values]) => [name, [...values]]));
  for (const [name, value] of labels) {
    if (!name.startsWith('__param_')) continue;
    const key = name.slice('__param_'.length);
    const [, ...rest] = params.get(key) ?? [];
    params.set(key, [value, ...rest]);
  }
  const query = new URLSearchParams();
  for (const key of [...params.keys()].sort()) for (const value of params.get(key)!) query.append(key, value);
  const path = labels.get('__metrics_path__') ?? '';
  const text = `${scheme}://${address}${path === '' || path.startsWith('/') ? '' : '/'}${path}`;
  if (!URL.canParse(text)) return undefined;
  return query.size === 0 ? text : `${text}?${query}`;
}
