import { CUSTOM_BUCKETS, type HistogramValue } from '../model/histogram-value.ts';
import { encodeLabels, type Labels, labelsKey, labelsOf, labelValue, METRIC_NAME } from '../model/labels.ts';
import { parseFloatLabel } from '../promql/format-float.ts';
import { compacted } from '../promql/histograms/scale.ts';
import { encodeHistogramValue } from '../rules/encode-histogram.ts';
import type { TenantStorage } from '../storage/storage.ts';
import { columnsOf, type LoadCommand, type ScriptSeries } from './promql-script.ts';

/** Whether a command loads native histograms, or makes some of classic ones. */
export function hasHistograms({ withCustomBuckets, series }: LoadCommand): boolean {
  return withCustomBuckets || series.some(({ values }) => values.some((value) => typeof value === 'object'));
}

/** What a command loads of a series, each in order of time. */
export interface ScriptSamples {
  readonly labels: Labels;
  readonly times: Float64Array;
  readonly values: Float64Array;
  /** Of each sample; 0: unset. Undefined where the command tells nothing of them. */
  readonly starts: Float64Array | undefined;
  readonly histograms: readonly { readonly time: number; readonly start: number; readonly bytes: Uint8Array }[];
}

/** Of equal label sets in one command, the last counts. */
export function samplesOf(command: LoadCommand): readonly ScriptSamples[] {
  const { stepMs } = command;
  const starts = new Map(command.starts.map(({ labels, offsets }) => [labelsKey(labels), offsets]));
  const series = new Map(command.series.map((one) => [labelsKey(one.labels), one]));
  const samples = [...series].map(([key, { labels, values }]): ScriptSamples => {
    const offsets = starts.get(key);
    const startOf = (time: number): number => {
      const offset = offsets?.[time / stepMs];
      return offset === undefined ? 0 : time + offset;
    };
    const columns = columnsOf(values, stepMs);
    const histograms = values.flatMap((value, i) => {
      if (typeof value !== 'object') return [];
      const time = i * stepMs;
      return [{ time, start: startOf(time), bytes: encodeHistogramValue(value.histogram) }];
    });
    return { labels, ...columns, starts: offsets && columns.times.map(startOf), histograms };
  });
  return command.withCustomBuckets ? [...samples, ...customSamples([...series.values()], stepMs)] : samples;
}

/** Stores what a command loads. */
export async function load(store: TenantStorage, command: LoadCommand): Promise<void> {
  for (const { labels, times, values, starts, histograms } of samplesOf(command)) {
    const [answer] = await store.ref([encodeLabels(labels)]);
    if (answer?.kind !== 'ref') throw new TypeError('memory refuses no series');
    const { ref } = answer;
    if (starts === undefined) await store.backfill([{ labels, times, values }]);
    else await store.write({ refs: new Uint32Array(times.length).fill(ref), times, values, starts });
    await store.attach({ exemplars: [], histograms: histograms.map((histogram) => ({ ref, ...histogram })) });
  }
  await store.commit();
}

/** A classic histogram at one time: counts up to each bound. */
interface Classic {
  readonly buckets: Map<number, number>;
  count: number | undefined;
  sum: number;
}

/** Makes a native histogram with custom buckets of every classic one, under the name without its suffix. */
function customSamples(series: readonly ScriptSeries[], stepMs: number): readonly ScriptSamples[] {
  const found = new Map<string, { readonly labels: Labels; readonly byStep: Map<number, Classic> }>();
  for (const { labels, values } of series) {
    const [, base, suffix] = /^(.*)_(bucket|sum|count)$/.exec(labelValue(labels, METRIC_NAME)) ?? [];
    if (base === undefined) continue;
    const upper = parseFloatLabel(labelValue(labels, 'le'));
    if (suffix === 'bucket' && (upper === undefined || Number.isNaN(upper))) continue;
    const own = labelsOf([...labels.filter(([name]) => name !== 'le'), [METRIC_NAME, base]]);
    const of = found.get(labelsKey(own)) ?? { labels: own, byStep: new Map<number, Classic>() };
    found.set(labelsKey(own), of);
    for (const [step, value] of values.entries()) {
      if (typeof value !== 'number') continue;
      const classic = of.byStep.get(step) ?? { buckets: new Map<number, number>(), count: undefined, sum: 0 };
      of.byStep.set(step, classic);
      if (suffix === 'bucket') classic.buckets.set(upper!, classic.buckets.get(upper!) ?? value);
      else classic[suffix as 'count' | 'sum'] = value;
    }
  }
  return [...found.values()].map(({ labels, byStep }) => {
    const histograms = [...byStep].map(([step, classic]) => {
      return { time: step * stepMs, start: 0, bytes: encodeHistogramValue(customOf(classic)) };
    });
    histograms.sort((a, b) => a.time - b.time);
    return { labels, times: new Float64Array(), values: new Float64Array(), starts: undefined, histograms };
  });
}

function customOf({ buckets, count, sum }: Classic): HistogramValue {
  const sorted = [...buckets].sort(([a], [b]) => a - b);
  const total = count ?? sorted.at(-1)?.[1] ?? 0;
  if (sorted.at(-1)?.[0] !== Number.POSITIVE_INFINITY) sorted.push([Number.POSITIVE_INFINITY, total]);
  if (sorted.at(-1)![1] !== total) throw new RangeError(`the last bucket has ${sorted.at(-1)![1]} of ${total}`);
  const counts = sorted.map(([, upTo], i) => upTo - (sorted[i - 1]?.[1] ?? 0));
  return compacted({
    ...{ hint: 'unknown', schema: CUSTOM_BUCKETS, zeroThreshold: 0, zeroCount: 0, count: total, sum },
    positive: { indices: sorted.map((_, i) => i), counts },
    negative: { indices: [], counts: [] },
    bounds: sorted.slice(0, -1).map(([upper]) => upper),
  });
}
