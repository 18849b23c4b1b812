import {
  compareLabels,
  type Label,
  type Labels,
  labelsKey,
  labelsOf,
  labelValue,
  METRIC_NAME,
} from '../../model/labels.ts';
import { compileMatcher, type Matcher } from '../../model/matcher.ts';
import { joinSamples, type Samples, type SelectedSeries } from '../../model/series.ts';
import type { TimeRange } from '../../model/time.ts';
import { TooManySamplesError } from '../../storage/errors.ts';
import type { AttachmentReader, SeriesReader } from '../../storage/storage.ts';
import { EngineTooManySamplesError } from '../errors.ts';
import type { InfluxClient, InfluxSeries } from './influx-client.ts';
import { FIELD, type Row, samplesOf } from './influx-points.ts';
import { type From, findsNothing, fromOf } from './influx-query.ts';
import { decodeText } from './influx-text.ts';

/** Rows that are asked for together: some ten megabytes of JSON. */
const ROWS_AT_ONCE = 200_000;

/** Reads one tenant's part of a database. There are no exemplars, histograms, starts or descriptions in it. */
export function influxReader(
  client: Pick<InfluxClient, 'query'>,
  database: string,
  tenant: Label | undefined,
): SeriesReader & AttachmentReader {
  const { value, special } = FIELD;
  const ask = (what: string, { clause, placeholders }: From, signal?: AbortSignal) =>
    client.query(database, { text: `SELECT ${what} ${clause} GROUP BY *`, placeholders }, signal);
  const matching = (matchers: readonly Matcher[]) => {
    const tests = matchers.map((matcher) => ({ name: matcher.name, matches: compileMatcher(matcher) }));
    return (labels: Labels) => tests.every(({ name, matches }) => matches(labelValue(labels, name)));
  };

  async function labelSets(matchers: readonly Matcher[], range: TimeRange): Promise<readonly Labels[]> {
    if (findsNothing(matchers, range)) return [];
    const found = await ask(`first("${value}"), first("${special}")`, fromOf(matchers, range, tenant));
    return found.map((each) => labelsIn(each, tenant)).filter(matching(matchers));
  }

  async function series(matcherSets: readonly (readonly Matcher[])[], range: TimeRange): Promise<readonly Labels[]> {
    const sets = matcherSets.length === 0 ? [[]] : matcherSets;
    const all = (await Promise.all(sets.map((matchers) => labelSets(matchers, range)))).flat();
    return [...new Map(all.map((labels) => [labelsKey(labels), labels])).values()].sort(compareLabels);
  }

  return {
    series,
    async select(matchers, range, { maxSamples = Number.POSITIVE_INFINITY, signal } = {}) {
      if (findsNothing(matchers, range)) return [];
      const matches = matching(matchers);
      // How much it is comes first: an answer is held in memory whole.
      const counts = await ask(`count("${value}"), count("${special}")`, fromOf(matchers, range, tenant), signal);
      let rows = 0;
      let wanted = 0;
      for (const counted of counts) {
        const count = countIn(counted);
        rows += count;
        if (matches(labelsIn(counted, tenant))) wanted += count;
      }
      if (wanted > maxSamples) throw new TooManySamplesError(maxSamples);
      if (wanted === 0) return [];
      let read = 0;
      const found = new Map<string, { readonly labels: Labels; readonly parts: Samples[] }>();
      for (const slice of slicesOf(range, Math.ceil(rows / ROWS_AT_ONCE))) {
        for (const answered of await ask(`"${value}", "${special}"`, fromOf(matchers, slice, tenant), signal)) {
          const labels = labelsIn(answered, tenant);
          if (!matches(labels)) continue;
          const answeredRows = answered.values as unknown as readonly Row[];
          for (const [, number, word] of answeredRows) read += (number === null ? 0 : 1) + (word === null ? 0 : 1);
          const key = labelsKey(labels);
          const known = found.get(key) ?? { labels, parts: [] };
          known.parts.push(samplesOf(answeredRows));
          found.set(key, known);
        }
      }
      if (read < wanted) {
        const why = `it counts ${wanted} values and answers ${read}; see its setting max-row-limit`;
        throw new EngineTooManySamplesError(`cannot read all from the InfluxDB: ${why}`);
      }
      return [...found.values()]
        .map(
          ({ labels, parts }): SelectedSeries => ({ labels, chunks: [{ encoding: 'plain', ...joinSamples(parts) }] }),
        )
        .sort((a, b) => compareLabels(a.labels, b.labels));
    },
    async labelNames(matcherSets, range) {
      const names = (await series(matcherSets, range)).flatMap((labels) => labels.map(([name]) => name));
      return [...new Set(names)].sort();
    },
    async labelValues(name, matcherSets, range) {
      const values = (await series(matcherSets, range)).map((labels) => labelValue(labels, name));
      return [...new Set(values.filter((each) => each !== ''))].sort();
    },
    metadata: async () => [],
    exemplars: async () => [],
    histograms: async () => [],
    starts: async () => [],
  };
}

function labelsIn({ name, tags = {} }: InfluxSeries, tenant: Label | undefined): Labels {
  const entries = Object.entries(tags).map(([key, value]) => [decodeText(key), decodeText(value)] as const);
  return labelsOf([[METRIC_NAME, decodeText(name)], ...entries.filter(([key]) => key !== tenant?.[0])]);
}

/** Rows of a series: more than its samples where both fields stand at one time. */
function countIn({ values }: InfluxSeries): number {
  const [, value, special] = (values[0] ?? []) as readonly (number | null)[];
  return (value ?? 0) + (special ?? 0);
}

function slicesOf({ start, end }: TimeRange, pieces: number): readonly TimeRange[] {
  if (pieces <= 1) return [{ start, end }];
  const [first, last] = [Math.ceil(start), Math.floor(end)];
  const length = Math.max(1, Math.ceil((last - first + 1) / pieces));
  const slices: TimeRange[] = [];
  for (let from = first; from <= last; from += length) {
    slices.push({ start: from, end: Math.min(last, from + length - 1) });
  }
  return slices;
}
