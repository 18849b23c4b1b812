import { setImmediate as yieldTurn } from 'node:timers/promises';
import { encodeLabels, type Labels, labelsOf, METRIC_NAME } from '../model/labels.ts';
import { decodeSamples, type RegularSeries } from '../model/series.ts';
import type { Millis, TimeRange } from '../model/time.ts';
import { sumOver } from '../observe/sum.ts';
import type { DemandSpec, ScalingPolicy } from '../scaling/policy.ts';
import type { Backfiller, Evaluator, SeriesReader } from '../storage/storage.ts';
import { OUTCOME, type SeriesWriter } from '../storage/write.ts';

/** One tenant's store, as far as demand series need it. */
export interface DemandStorage
  extends Pick<Evaluator, 'range'>,
    Pick<SeriesReader, 'select'>,
    Backfiller,
    SeriesWriter {}

/** Steps that one evaluation covers: about a day of minutes, so that no turn holds the thread for long. */
const SLICE_STEPS = 1440;
/** A slice that loads too many samples is halved, down to this. */
const LEAST_SLICE_STEPS = 15;
const JOINED_STEPS = 60;
/** A live sample older than this goes through the second writer: the first takes the recent past only. */
const LIVE_MS = 5 * 60_000;

/**
 * The label set under which a demand is recorded. The revision changes with the query and the step: values of another
 * query are another quantity, and must not be taken for this one's past.
 */
export function demandLabels(
  { namespace, name, target }: ScalingPolicy,
  { name: metric, query, stepMs }: DemandSpec,
): Labels {
  return labelsOf({
    [METRIC_NAME]: metric,
    namespace,
    policy: name,
    workload: target.name,
    revision: revisionOf(`${stepMs} ${query}`),
  });
}

/** FNV-1a, 32 bits: enough to tell the few queries that one policy ever has apart. */
function revisionOf(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}

/** The last instant on the grid of `stepMs` that samples had time to arrive for. */
export function lastStepBefore(now: Millis, stepMs: number): Millis {
  const delayMs = Math.min(stepMs / 4, 15_000);
  return Math.floor((now - delayMs) / stepMs) * stepMs;
}

/**
 * The demand over the whole range: as recorded, and where nothing is recorded as the query answers now. What the query
 * adds is recorded, so that the next time, and after the raw samples are gone, it is there.
 */
export async function completeDemand(
  storage: DemandStorage,
  labels: Labels,
  spec: DemandSpec,
  range: TimeRange,
  signal: AbortSignal,
): Promise<RegularSeries> {
  const { stepMs } = spec;
  const series = await readRecorded(storage, labels, range, stepMs);
  for (const gap of gapsOf(series)) {
    const added = await evaluateDemand(storage, spec, gap, signal);
    const first = Math.round((gap.start - series.start) / stepMs);
    for (let i = 0; i < added.values.length; i++) {
      // What is recorded stays as it was recorded.
      if (Number.isNaN(series.values[first + i]!)) series.values[first + i] = added.values[i]!;
      else added.values[i] = Number.NaN;
    }
    await backfillDemand(storage, labels, added);
  }
  return series;
}

/** Evaluates a demand over a range, slice by slice; steps without a value are gaps. */
export async function evaluateDemand(
  storage: Pick<DemandStorage, 'range'>,
  { query, stepMs }: DemandSpec,
  range: TimeRange,
  signal: AbortSignal,
): Promise<RegularSeries> {
  const values = new Float64Array(Math.floor((range.end - range.start) / stepMs) + 1);
  let steps = SLICE_STEPS;
  for (let i = 0; i < values.length; ) {
    const start = range.start + i * stepMs;
    const end = Math.min(range.end, start + (steps - 1) * stepMs);
    try {
      const { value } = await storage.range(query, { start, end, stepMs }, { signal });
      const slice = sumOver(value, { start, end }, stepMs).values;
      values.set(slice, i);
      i += slice.length;
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'too_many_samples' || steps <= LEAST_SLICE_STEPS) throw error;
      steps = Math.max(LEAST_SLICE_STEPS, steps >> 1);
    }
    await yieldTurn();
    signal.throwIfAborted();
  }
  return { start: range.start, stepMs, values };
}

/** Records live values; gaps are left out. @returns Samples that the store did not take, by outcome. */
export async function appendDemand(
  storage: DemandStorage,
  labels: Labels,
  series: RegularSeries,
  now: Millis,
): Promise<ReadonlyMap<string, number>> {
  const refused = new Map<string, number>();
  if (series.start < now - LIVE_MS) {
    await backfillDemand(storage, labels, series);
    return refused;
  }
  const { times, values } = knownSamples(series);
  if (times.length === 0) return refused;
  for (let attempt = 0; attempt < 2; attempt++) {
    const [answer] = await storage.ref([encodeLabels(labels)], 'demand');
    if (answer?.kind !== 'ref') return refused.set(answer?.id ?? 'refused', times.length);
    const outcomes = await storage.write({ refs: new Uint32Array(times.length).fill(answer.ref), times, values });
    await storage.commit();
    if (attempt === 0 && outcomes.includes(OUTCOME.gone)) continue;
    if (outcomes.some((outcome) => outcome === OUTCOME.outOfOrder || outcome === OUTCOME.tooOld)) {
      await backfillDemand(storage, labels, series);
      return refused;
    }
    for (const [name, code] of Object.entries(OUTCOME)) {
      const count = outcomes.filter((outcome) => outcome === code).length;
      if (count > 0 && code !== OUTCOME.appended && code !== OUTCOME.duplicate) refused.set(name, count);
    }
    break;
  }
  return refused;
}

/** The demand as it is recorded; steps without a value are gaps. */
export async function readRecorded(
  storage: Pick<DemandStorage, 'select'>,
  labels: Labels,
  range: TimeRange,
  stepMs: number,
): Promise<RegularSeries> {
  const values = new Float64Array(Math.floor((range.end - range.start) / stepMs) + 1).fill(Number.NaN);
  const matchers = labels.map(([name, value]) => ({ name, op: '=' as const, value }));
  for (const { chunks } of await storage.select(matchers, range)) {
    const samples = decodeSamples(chunks, range);
    for (let i = 0; i < samples.times.length; i++) {
      values[Math.round((samples.times[i]! - range.start) / stepMs)] = samples.values[i]!;
    }
  }
  return { start: range.start, stepMs, values };
}

/** Runs of steps without a value, joined where less than `JOINED_STEPS` lie between: many short queries cost more. */
function gapsOf({ start, stepMs, values }: RegularSeries): readonly TimeRange[] {
  const gaps: TimeRange[] = [];
  for (let i = 0; i < values.length; i++) {
    if (!Number.isNaN(values[i]!)) continue;
    const from = i;
    while (i + 1 < values.length && Number.isNaN(values[i + 1]!)) i++;
    const end = start + i * stepMs;
    const last = gaps.at(-1);
    if (last !== undefined && from - Math.round((last.end - start) / stepMs) < JOINED_STEPS) {
      gaps[gaps.length - 1] = { start: last.start, end };
    } else gaps.push({ start: start + from * stepMs, end });
  }
  return gaps;
}

async function backfillDemand(storage: Backfiller, labels: Labels, series: RegularSeries): Promise<void> {
  const { times, values } = knownSamples(series);
  if (times.length > 0) await storage.backfill([{ labels, times, values }], 'demand');
}

function knownSamples({ start, stepMs, values }: RegularSeries): { times: Float64Array; values: Float64Array } {
  const known = [...values.keys()].filter((i) => Number.isFinite(values[i]!));
  return {
    times: Float64Array.from(known, (i) => start + i * stepMs),
    values: Float64Array.from(known, (i) => values[i]!),
  };
}
