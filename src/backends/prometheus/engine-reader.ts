import { compareLabels, type Label, type Labels, labelsKey, labelsOf, METRIC_NAME } from '../../model/labels.ts';
import type { Matcher } from '../../model/matcher.ts';
import {
  joinSamples,
  lowerBound,
  type SampledSeries,
  type Samples,
  type SelectedSeries,
  upperBound,
} from '../../model/series.ts';
import { DAY, SECOND, type TimeRange } from '../../model/time.ts';
import type { VectorSelector } from '../../promql/ast.ts';
import { formatExpr } from '../../promql/print.ts';
import { TooManySamplesError } from '../../storage/errors.ts';
import type { AttachmentReader, SelectOptions, SeriesReader } from '../../storage/storage.ts';
import { resultOf, withoutTenant } from './engine-evaluator.ts';
import { type AskApi, secondsText } from './query-api.ts';

/** So much of the past is asked for at once: 28 days at a minute's step are four questions. */
const SLICE_MS = 7 * DAY;

/** Reads samples as they were stored: a range of a selector, as an instant query, is not put on any grid. */
export function engineReader(ask: AskApi, enforced: Label | undefined): SeriesReader & AttachmentReader {
  const selectorOf = (matchers: readonly Matcher[]) => formatExpr(selecting(withTenant(matchers, enforced)));
  /** Any of the matcher lists; of one tenant's series where none is given. */
  const matching = (matcherSets: readonly (readonly Matcher[])[], { start, end }: TimeRange) => {
    const sets = matcherSets.length === 0 && enforced !== undefined ? [[]] : matcherSets;
    return [
      ...sets.map((matchers) => ['match[]', selectorOf(matchers)] as const),
      ['start', secondsText(start)] as const,
      ['end', secondsText(end)] as const,
    ];
  };

  return {
    async select(matchers, range, options = {}) {
      const found = new Map<string, { readonly labels: Labels; readonly parts: Samples[] }>();
      let held = 0;
      for (const slice of slicesOf(range)) {
        const { maxSamples = Number.POSITIVE_INFINITY } = options;
        for (const series of await selectSlice(ask, selectorOf(matchers), slice, options, enforced)) {
          held += series.times.length;
          if (held > maxSamples) throw new TooManySamplesError(maxSamples);
          const key = labelsKey(series.labels);
          const known = found.get(key) ?? { labels: series.labels, parts: [] };
          known.parts.push(series);
          found.set(key, known);
        }
      }
      return [...found.values()]
        .map(
          ({ labels, parts }): SelectedSeries => ({ labels, chunks: [{ encoding: 'plain', ...joinSamples(parts) }] }),
        )
        .sort((a, b) => compareLabels(a.labels, b.labels));
    },
    async series(matcherSets, range) {
      // Prometheus wants to be told what is looked for.
      const sets = matcherSets.length === 0 ? [ALL] : matcherSets;
      const { data } = await ask('/api/v1/series', matching(sets, range));
      return (data as readonly Readonly<Record<string, string>>[])
        .map((metric) => withoutTenant(metric, enforced))
        .sort(compareLabels);
    },
    async labelNames(matcherSets, range) {
      const { data } = await ask('/api/v1/labels', matching(matcherSets, range));
      return (data as readonly string[]).filter((name) => name !== enforced?.[0]).sort();
    },
    async labelValues(name, matcherSets, range) {
      if (name === enforced?.[0]) return [];
      const path = `/api/v1/label/${encodeURIComponent(name)}/values`;
      const { data } = await ask(path, matching(matcherSets, range), { method: 'GET' });
      return [...(data as readonly string[])].sort();
    },
    async exemplars(matcherSets, { start, end }) {
      if (matcherSets.length === 0) return [];
      const { data } = await ask('/api/v1/query_exemplars', [
        ['query', matcherSets.map(selectorOf).join(' or ')],
        ['start', secondsText(start)],
        ['end', secondsText(end)],
      ]);
      return ((data ?? []) as readonly EngineExemplars[])
        .map(({ seriesLabels, exemplars }) => ({
          labels: withoutTenant(seriesLabels, enforced),
          exemplars: exemplars.map(({ labels, value, timestamp }) => {
            return { time: Math.round(timestamp * SECOND), value: Number(value), labels: labelsOf(labels) };
          }),
        }))
        .sort((a, b) => compareLabels(a.labels, b.labels));
    },
    // An engine answers whole expressions itself: nothing asks for these one by one.
    histograms: async () => [],
    starts: async () => [],
    async metadata() {
      const { data } = await ask('/api/v1/metadata', [], { method: 'GET' });
      return Object.entries((data ?? {}) as Readonly<Record<string, readonly Described[]>>)
        .flatMap(([metric, [first]]) =>
          first === undefined ? [] : [{ metric, type: first.type, help: first.help ?? '', unit: first.unit ?? '' }],
        )
        .sort((a, b) => (a.metric < b.metric ? -1 : 1));
    },
  };
}

interface EngineExemplars {
  readonly seriesLabels: Readonly<Record<string, string>>;
  readonly exemplars: readonly {
    readonly labels: Readonly<Record<string, string>>;
    readonly value: string;
    readonly timestamp: number;
  }[];
}

interface Described {
  readonly type: string;
  readonly help?: string;
  readonly unit?: string;
}

const ALL: readonly Matcher[] = [{ name: METRIC_NAME, op: '!=', value: '' }];

async function selectSlice(
  ask: AskApi,
  selector: string,
  { start, end }: TimeRange,
  { signal, maxSamples }: SelectOptions,
  enforced: Label | undefined,
): Promise<readonly SampledSeries[]> {
  // A range leaves its first millisecond out, and in earlier releases of Prometheus it does not.
  const query = `${selector}[${end - start + 1}ms]`;
  const answer = await ask(
    '/api/v1/query',
    [
      ['query', query],
      ['time', secondsText(end)],
    ],
    { signal },
  );
  const { value } = resultOf(answer, enforced, maxSamples);
  // Those of histograms alone have nothing to read here.
  const series = value.kind === 'matrix' ? value.series.filter(({ times }) => times.length > 0) : [];
  return series.map(({ labels, times, values }) => {
    const [from, to] = [lowerBound(times, start), upperBound(times, end)];
    return { labels, ...withoutRepeats({ times: times.subarray(from, to), values: values.subarray(from, to) }) };
  });
}

/** What was sent twice is stored twice by some engines. */
function withoutRepeats({ times, values }: Samples): Samples {
  const kept = times.findIndex((time, i) => i > 0 && time === times[i - 1]);
  if (kept === -1) return { times, values };
  const at = [...times.keys()].filter((i) => times[i] !== times[i + 1]);
  return { times: Float64Array.from(at, (i) => times[i]!), values: Float64Array.from(at, (i) => values[i]!) };
}

function slicesOf({ start, end }: TimeRange): readonly TimeRange[] {
  const slices: TimeRange[] = [];
  for (let from = Math.max(0, Math.ceil(start)); from <= end; from += SLICE_MS) {
    slices.push({ start: from, end: Math.min(Math.floor(end), from + SLICE_MS - 1) });
  }
  return slices;
}

function withTenant(matchers: readonly Matcher[], enforced: Label | undefined): readonly Matcher[] {
  return enforced === undefined ? matchers : [...matchers, { name: enforced[0], op: '=', value: enforced[1] }];
}

function selecting(matchers: readonly Matcher[]): VectorSelector {
  const span = { start: 0, end: 0 };
  return { kind: 'selector', name: '', matchers, offset: undefined, at: undefined, modifier: undefined, span };
}
