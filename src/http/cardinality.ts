import { type Labels, METRIC_NAME } from '../model/labels.ts';
import type { Millis } from '../model/time.ts';

/** How many series have each label. */
export interface LabelTally {
  readonly series: number;
  /** Series by value, by name. */
  readonly byName: ReadonlyMap<string, ReadonlyMap<string, number>>;
}

/** Series that are counted before requests and timers get a turn: a millisecond or two. */
const SERIES_A_TURN = 2_000;

/** Counts labels, giving way to other work. */
export async function tallyLabels(series: readonly Labels[]): Promise<LabelTally> {
  const byName = new Map<string, Map<string, number>>();
  for (const [i, labels] of series.entries()) {
    if (i > 0 && i % SERIES_A_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
    for (const [name, value] of labels) {
      let values = byName.get(name);
      if (values === undefined) {
        values = new Map();
        byName.set(name, values);
      }
      values.set(value, (values.get(value) ?? 0) + 1);
    }
  }
  return { series: series.length, byName };
}

/** Mimir's answer of `/api/v1/cardinality/label_names`: the names with the most values. */
export function labelNamesCardinality({ byName }: LabelTally, limit: number) {
  const counts = [...byName].map(([name, values]): Count => [name, values.size]);
  return {
    label_values_count_total: counts.reduce((sum, [, count]) => sum + count, 0),
    label_names_count: counts.length,
    cardinality: largest(counts, limit).map(([label_name, label_values_count]) => ({ label_name, label_values_count })),
  };
}

/** Mimir's answer of `/api/v1/cardinality/label_values`: the values with the most series, of the names asked for. */
export function labelValuesCardinality({ series, byName }: LabelTally, names: readonly string[], limit: number) {
  const labels = names.map((label_name) => {
    const values = [...(byName.get(label_name) ?? [])];
    return {
      label_name,
      label_values_count: values.length,
      series_count: values.reduce((sum, [, count]) => sum + count, 0),
      cardinality: largest(values, limit).map(([label_value, series_count]) => ({ label_value, series_count })),
    };
  });
  labels.sort((a, b) => b.series_count - a.series_count || (a.label_name < b.label_name ? -1 : 1));
  return { series_count_total: series, labels };
}

/** What a tenant has in memory beside labels. Times in milliseconds, 0 where there are no samples. */
export interface HeadChunks {
  readonly chunks: number;
  readonly minTime: Millis;
  readonly maxTime: Millis;
}

/** Prometheus's answer of `/api/v1/status/tsdb`, of one tenant. */
export function tsdbStatus({ series, byName }: LabelTally, { chunks, minTime, maxTime }: HeadChunks, limit: number) {
  const names = [...byName];
  const bytes = ([name, values]: (typeof names)[number]): Count => {
    return [name, [...values.keys()].reduce((sum, value) => sum + name.length + value.length, 0)];
  };
  const pairs = names.flatMap(([name, values]) => [...values].map(([value, n]): Count => [`${name}=${value}`, n]));
  const stats = (counts: readonly Count[]) => largest(counts, limit).map(([name, value]) => ({ name, value }));
  return {
    headStats: { numSeries: series, numLabelPairs: pairs.length, chunkCount: chunks, minTime, maxTime },
    seriesCountByMetricName: stats([...(byName.get(METRIC_NAME) ?? [])]),
    labelValueCountByLabelName: stats(names.map(([name, values]) => [name, values.size])),
    memoryInBytesByLabelName: stats(names.map(bytes)),
    seriesCountByLabelValuePair: stats(pairs),
  };
}

type Count = readonly [name: string, count: number];

function largest(counts: readonly Count[], limit: number): readonly Count[] {
  return [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).slice(0, limit);
}
