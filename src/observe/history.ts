import { setImmediate as yieldTurn } from 'node:timers/promises';
import { compareLabels, type Labels, labelsKey } from '../model/labels.ts';
import type { StepRange } from '../model/query-result.ts';
import type { RegularSeries, SampledSeries } from '../model/series.ts';
import type { Evaluator } from '../storage/storage.ts';

/** One series of an expression over a range. Steps without a value are gaps. */
export interface HistorySeries extends RegularSeries {
  readonly labels: Labels;
}

export interface HistoryOptions {
  readonly maxSamples?: number;
  readonly signal: AbortSignal;
  /** Is told how many series there are as soon as there are more. May throw. */
  readonly onSeries?: (count: number) => void;
}

/** Steps that one evaluation covers: about a day of minutes, so that no turn holds the thread for long. */
const SLICE_STEPS = 1440;
/** A slice that loads too many samples is halved, down to this. */
const LEAST_SLICE_STEPS = 15;

/** Evaluates an expression over a long range, slice by slice, each of its series on its own. In the order of `compareLabels`. */
export async function evaluateHistory(
  storage: Pick<Evaluator, 'range'>,
  query: string,
  range: StepRange,
  options: HistoryOptions,
): Promise<{ readonly series: readonly HistorySeries[]; readonly warnings: readonly string[] }> {
  const { start, end, stepMs } = range;
  const length = Math.floor((end - start) / stepMs) + 1;
  const found = new Map<string, HistorySeries>();
  const warnings = await eachSlice(storage, query, range, options, (slice) => {
    for (const { labels, times, values } of slice) {
      const key = labelsKey(labels);
      let series = found.get(key);
      if (series === undefined) {
        series = { labels, start, stepMs, values: new Float64Array(length).fill(Number.NaN) };
        found.set(key, series);
        options.onSeries?.(found.size);
      }
      for (let k = 0; k < times.length; k++) series.values[Math.round((times[k]! - start) / stepMs)] = values[k]!;
    }
  });
  const series = [...found.values()].sort((a, b) => compareLabels(a.labels, b.labels));
  return { series, warnings };
}

/** Evaluates an expression over a long range and shows its series a slice at a time, in order of time: nothing is kept. */
export async function eachSlice(
  storage: Pick<Evaluator, 'range'>,
  query: string,
  { start, end, stepMs }: StepRange,
  { maxSamples, signal }: Omit<HistoryOptions, 'onSeries'>,
  onSlice: (series: readonly SampledSeries[]) => void,
): Promise<readonly string[]> {
  const length = Math.floor((end - start) / stepMs) + 1;
  const warnings = new Set<string>();
  let steps = SLICE_STEPS;
  for (let i = 0; i < length; ) {
    const count = Math.min(steps, length - i);
    const slice = { start: start + i * stepMs, end: start + (i + count - 1) * stepMs, stepMs };
    try {
      const result = await storage.range(query, slice, { signal, ...(maxSamples !== undefined && { maxSamples }) });
      for (const warning of result.warnings) warnings.add(warning);
      onSlice(result.value.kind === 'matrix' ? result.value.series : []);
      i += count;
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'too_many_samples' || count <= LEAST_SLICE_STEPS) throw error;
      steps = Math.max(LEAST_SLICE_STEPS, count >> 1);
    }
    await yieldTurn();
    signal.throwIfAborted();
  }
  return [...warnings];
}
