import type { HistogramValue } from '../model/histogram-value.ts';
import { type Matcher, matchersKey } from '../model/matcher.ts';
import { downsample } from '../model/points.ts';
import { decodeSamples, type SelectedSeries } from '../model/series.ts';
import { MINUTE, type TimeRange } from '../model/time.ts';
import type { Pacing } from '../model/work.ts';
import { type Evaluation, type Fold, type LoadedSelector, tooManySamples } from './evaluation.ts';
import { joinSelected, type LoadedSeries, type StoredHistograms, type StoredStarts } from './loaded-series.ts';
import type { Coverage } from './resolution.ts';
import type { SelectorNeed } from './selectors.ts';

/** Loads the series that match, with every chunk that touches the range (both ends included). */
export type Select = (
  matchers: readonly Matcher[],
  range: TimeRange,
  options?: {
    readonly maxSamples?: number;
    readonly signal?: AbortSignal;
    readonly pointsMs?: number;
    readonly pause?: (() => Promise<void> | undefined) | undefined;
    readonly newestAlone?: boolean;
    readonly mayDefer?: boolean;
  },
) => Promise<readonly SelectedSeries[]>;

/** What the engine reads. Without the last two, there are float samples alone. */
export interface SeriesSource {
  readonly select: Select;
  /** The same, one series at a time, as `SeriesReader` has it. */
  readonly selectEach?: (
    matchers: readonly Matcher[],
    range: TimeRange,
    take: (series: SelectedSeries) => void,
    options?: Parameters<Select>[2],
  ) => Promise<boolean>;
  readonly coverage?: () => Coverage;
  /** The native histograms of series that match, in the range. */
  readonly histograms?: (
    matchers: readonly Matcher[],
    range: TimeRange,
    options?: { readonly maxSamples?: number; readonly signal?: AbortSignal },
  ) => Promise<readonly StoredHistograms[]>;
  /** When series that match began to count: what is in force at the beginning of the range, and each change within it. */
  readonly starts?: (matchers: readonly Matcher[], range: TimeRange) => Promise<readonly StoredStarts[]>;
}

/** Is told what a query does, while it does it. What it throws ends the query. */
export interface QueryWatch {
  /** Before each selector is loaded; what it returns is told how much there was. */
  readonly selecting: (matchers: readonly Matcher[], range: TimeRange) => (series: number, samples: number) => void;
  /** All is loaded. */
  readonly evaluating: () => void;
}

/** A histogram so long before the range tells of the first one in it whether counting began anew. */
const HINT_MS = 5 * MINUTE;

/** Each distinct selector once, within one limit for all of them. */
export async function load(
  source: SeriesSource,
  needs: readonly (SelectorNeed & { readonly pointsMs: number | undefined })[],
  maxSamples: number,
  {
    signal,
    watch,
    pause,
    foldOf,
  }: {
    /** Begins the aggregation that can take a selector's series one by one, where there is one. */
    readonly foldOf?: (node: SelectorNeed['node'], range: TimeRange) => Fold | undefined;
    readonly signal?: AbortSignal | undefined;
    readonly watch?: QueryWatch | undefined;
    readonly pause?: (() => Promise<void> | undefined) | undefined;
  },
): Promise<{ readonly byNode: Evaluation['loaded']; readonly samples: number }> {
  const byNode = new Map<SelectorNeed['node'], LoadedSelector>();
  const byKey = new Map<string, readonly LoadedSeries[]>();
  let left = maxSamples;
  const keyOf = ({ matchers, range, pointsMs, usesStarts, countsAlone, newestAlone = false }: (typeof needs)[number]) =>
    `${range.start} ${range.end} ${pointsMs ?? ''} ${usesStarts} ${countsAlone} ${newestAlone} ${matchersKey(matchers)}`;
  const keys = needs.map(keyOf);
  /** Whether another selector looks at the same series. */
  const isShared = (key: string) => keys.indexOf(key) !== keys.lastIndexOf(key);
  for (const [
    i,
    { node, matchers, range, pointsMs, usesStarts, countsAlone, newestAlone = false },
  ] of needs.entries()) {
    signal?.throwIfAborted();
    const key = keys[i]!;
    let series = byKey.get(key);
    if (series === undefined) {
      const done = watch?.selecting(matchers, range);
      const options = {
        maxSamples: left,
        ...(signal && { signal }),
        ...(pause && { pause }),
        ...(pointsMs !== undefined && { pointsMs }),
        mayDefer: pointsMs === undefined,
      };
      const about = { matchers, range, usesStarts, countsAlone, again: newestAlone };
      const isRead = pointsMs === undefined && range.end >= range.start;
      const bounds = { maxSamples: left, signal };
      const mayFold = isRead && source.selectEach !== undefined && !isShared(key);
      const fold = mayFold ? foldOf?.(node, range) : undefined;
      let attached: Attachments | undefined;
      if (fold !== undefined) {
        attached = await attachmentsOf(source, about, bounds);
        const read = isEmpty(attached) && (await readFolded(source, fold, about, { ...options, newestAlone }));
        if (read) {
          left -= read.samples;
          done?.(read.series, read.samples);
          byNode.set(node, { series: [], range, ofPoints: false, mixed: false, fold });
          continue;
        }
      }
      series = range.end < range.start ? [] : await source.select(matchers, range, { ...options, newestAlone });
      if (pointsMs !== undefined) series = series.map((each) => withPoints(each, range, pointsMs));
      else if (isRead) {
        attached ??= await attachmentsOf(source, about, bounds);
        series = await withAttachments(source, series, attached, about, { maxSamples: left, signal, pause });
      }
      const samples = samplesIn(series);
      left -= samples;
      done?.(series.length, samples);
      if (left < 0) throw tooManySamples();
      byKey.set(key, series);
    }
    const mixed = series.some(({ histograms }) => histograms !== undefined);
    byNode.set(node, { series, range, ofPoints: pointsMs !== undefined, mixed });
  }
  return { byNode, samples: maxSamples - left };
}

interface Attached extends Pick<SelectorNeed, 'matchers' | 'range' | 'usesStarts' | 'countsAlone'> {
  /** Whether the samples are not all there. */
  readonly again: boolean;
}

interface Attachments {
  readonly histograms: readonly StoredHistograms[];
  /** Where they matter. */
  readonly starts: readonly StoredStarts[];
}

interface Bounds {
  readonly maxSamples: number;
  readonly signal: AbortSignal | undefined;
}

async function attachmentsOf(
  source: SeriesSource,
  { matchers, range, usesStarts }: Attached,
  { maxSamples, signal }: Bounds,
): Promise<Attachments> {
  const before = { start: range.start - HINT_MS, end: range.end };
  const histograms = (await source.histograms?.(matchers, before, { maxSamples, ...(signal && { signal }) })) ?? [];
  const starts = usesStarts ? ((await source.starts?.(matchers, range)) ?? []) : [];
  return { histograms, starts };
}

/** Then series are no more than their float samples. */
function isEmpty({ histograms, starts }: Attachments): boolean {
  return histograms.length === 0 && starts.length === 0;
}

/** How much an aggregation took; undefined where it was given what it must forget. */
async function readFolded(
  source: SeriesSource,
  fold: Fold,
  { matchers, range }: Attached,
  options: Parameters<Select>[2],
): Promise<{ readonly series: number; readonly samples: number } | undefined> {
  const read = { series: 0, samples: 0 };
  const take = (series: SelectedSeries): void => {
    read.series++;
    for (const { times } of series.chunks) read.samples += times.length;
    fold.take(series);
  };
  return (await source.selectEach!(matchers, range, take, options)) ? read : undefined;
}

/** With their histograms, those that have nothing else, and the starts of their samples where those matter. */
async function withAttachments(
  source: SeriesSource,
  series: readonly SelectedSeries[],
  { histograms, starts }: Attachments,
  { matchers, range, countsAlone, again }: Attached,
  { maxSamples, signal, pause }: { readonly maxSamples: number } & Pacing,
): Promise<readonly LoadedSeries[]> {
  // What floats stand between histograms tells whether those count on.
  const floats =
    again && histograms.length > 0
      ? await source.select(matchers, range, { maxSamples, ...(signal && { signal }) })
      : series;
  if (histograms.length + starts.length === 0) return floats;
  return joinSelected(await decoded(floats, { pause, signal }), histograms, starts, { range, countsAlone });
}

/** Each with its samples in memory. */
async function decoded(all: readonly SelectedSeries[], { pause, signal }: Pacing): Promise<readonly SelectedSeries[]> {
  const found: SelectedSeries[] = [];
  for (const { deferred, ...series } of all) {
    if (deferred === undefined) {
      found.push(series);
      continue;
    }
    const { times, values } = deferred.read();
    found.push({ ...series, chunks: [{ encoding: 'plain', times, values: values.slice() }] });
    const rest = pause?.();
    if (rest !== undefined) await rest;
    signal?.throwIfAborted();
  }
  return found;
}

/** Series that have samples alone, such as forecasts, are made points of here. */
function withPoints(series: SelectedSeries, range: TimeRange, stepMs: number): SelectedSeries {
  return series.points === undefined
    ? { ...series, chunks: [], points: downsample(decodeSamples(series.chunks, range), stepMs) }
    : series;
}

function samplesIn(series: readonly LoadedSeries[]): number {
  let count = 0;
  for (const { chunks, points, deferred, histograms } of series) {
    count += (points?.times.length ?? 0) + (deferred?.count ?? 0);
    for (const { times } of chunks) count += times.length;
    for (const histogram of histograms ?? []) if (histogram !== undefined) count += samplesOfHistogram(histogram);
  }
  return count;
}

/** A bucket takes as much memory as a sample, and so do the other numbers together by threes. */
function samplesOfHistogram({ positive, negative, bounds }: HistogramValue): number {
  return 4 + positive.indices.length + negative.indices.length + bounds.length;
}
