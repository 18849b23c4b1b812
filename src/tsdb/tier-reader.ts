import { compareLabels, type Labels, labelsKey } from '../model/labels.ts';
import type { Matcher } from '../model/matcher.ts';
import type { Points } from '../model/point-columns.ts';
import { downsample, fullerPoints, pointsWithin } from '../model/points.ts';
import { decodeSamples, type SelectedSeries } from '../model/series.ts';
import type { TenantId } from '../model/tenant.ts';
import { DAY, type Millis, type TimeRange } from '../model/time.ts';
import type { SelectOptions, SeriesReader, TierCoverage } from '../storage/storage.ts';
import type { TierLimits } from './limits.ts';
import { namesOf, readerOfBoth, valuesOf } from './partition-reader.ts';
import type { Floors, Partitions } from './partitions.ts';

export interface TierReaderDeps {
  readonly tenant: TenantId;
  readonly limits: readonly TierLimits[];
  readonly floors: () => Floors;
  readonly inMemory: SeriesReader;
  readonly partitions: Pick<Partitions, 'find' | 'series' | 'tiers'>;
  /** The midnight up to which all points of a length are made. */
  readonly madeTo: (stepMs: number) => Promise<Millis>;
  /** Before when the tenant has no points of a length. */
  readonly pointsSince: (stepMs: number) => Millis;
}

/** A tenant's series, as points too where those are asked for. */
export function readerWithTiers(reader: SeriesReader, deps: TierReaderDeps): SeriesReader {
  const { limits, floors, pointsSince, partitions, tenant } = deps;

  /** Those of points alone, where samples are gone. */
  async function seriesOfPoints(matcherSets: readonly (readonly Matcher[])[], { start, end }: TimeRange) {
    const found = new Map<string, Labels>();
    for (const { stepMs } of limits) {
      // A point has what came before its time.
      const range = {
        start: Math.max(start, pointsSince(stepMs) + stepMs),
        end: Math.min(end, floors().raw) + stepMs - 1,
      };
      if (range.start > range.end) continue;
      for (const [key, labels] of await partitions.tiers.series(tenant, stepMs, { matcherSets, range })) {
        found.set(key, labels);
      }
    }
    return found;
  }

  const reachesBack = ({ start }: TimeRange) => start < floors().raw;
  const series: SeriesReader['series'] = async (matcherSets, range, options) => {
    const ofSamples = await reader.series(matcherSets, range, options);
    if (!reachesBack(range)) return ofSamples;
    const found = new Map([...(await seriesOfPoints(matcherSets, range))]);
    for (const labels of ofSamples) found.set(labelsKey(labels), labels);
    return [...found.values()].sort(compareLabels);
  };

  return {
    ...reader,
    select(matchers, range, options = {}) {
      const { pointsMs } = options;
      return pointsMs === undefined
        ? reader.select(matchers, range, options)
        : selectPoints(deps, matchers, { range, stepMs: pointsMs }, options);
    },
    series,
    async labelNames(matcherSets, range, options) {
      return reachesBack(range)
        ? namesOf(await series(matcherSets, range, options))
        : reader.labelNames(matcherSets, range, options);
    },
    async labelValues(wanted, matcherSets, range, options) {
      return reachesBack(range)
        ? valuesOf(wanted, await series(matcherSets, range, options))
        : reader.labelValues(wanted, matcherSets, range, options);
    },
    coverage(): TierCoverage {
      const tiers = limits.map(({ stepMs }) => ({ stepMs, since: pointsSince(stepMs) }));
      return { samplesSince: floors().raw, tiers: tiers.sort((a, b) => a.stepMs - b.stepMs) };
    },
  };
}

/** Points as they are stored up to a midnight, and those of the samples behind it. */
async function selectPoints(
  { tenant, floors, inMemory, partitions, madeTo, pointsSince }: TierReaderDeps,
  matchers: readonly Matcher[],
  { range, stepMs }: { readonly range: TimeRange; readonly stepMs: number },
  options: SelectOptions,
): Promise<readonly SelectedSeries[]> {
  const { raw, demand } = floors();
  const first = Math.ceil(range.start / stepMs) * stepMs;
  const last = Math.floor(range.end / stepMs) * stepMs;
  // Stored points where samples are gone; of a day that is made and has its samples still, these, which may be newer.
  const since = Math.min(Math.ceil(raw / DAY) * DAY, await madeTo(stepMs));
  const wanted = { start: Math.max(first, pointsSince(stepMs) + stepMs), end: last };
  const found = new Map<string, { readonly labels: SelectedSeries['labels']; points: Points }>();
  const stored = await partitions.tiers.select(
    tenant,
    stepMs,
    { matchers, range: { start: wanted.start, end: Math.min(last, since) } },
    options,
  );
  for (const { labels, points } of stored) found.set(labelsKey(labels), { labels, points });
  const samples = readerOfBoth(inMemory, partitions, {
    tenant,
    // What waits for its points to be made is past its retention, and still there.
    floors: () => ({ raw: Math.min(raw, since), demand }),
  });
  const behind = { start: first - stepMs, end: last };
  for (const { labels, chunks } of await samples.select(matchers, behind, { ...options, mayDefer: false })) {
    const points = pointsWithin(downsample(decodeSamples(chunks, behind), stepMs), { start: first, end: last });
    const key = labelsKey(labels);
    const known = found.get(key);
    found.set(key, { labels, points: known === undefined ? points : fullerPoints(known.points, points) });
  }
  return [...found.values()]
    .filter(({ points }) => points.times.length > 0)
    .map(({ labels, points }) => ({ labels, chunks: [], points }))
    .sort((a, b) => compareLabels(a.labels, b.labels));
}
