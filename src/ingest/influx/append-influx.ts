import { type Label, METRIC_NAME } from '../../model/labels.ts';
import type { Millis } from '../../model/time.ts';
import { type InfluxPoint, type InfluxPrecision, readInfluxLines } from '../../wire/influx-line.ts';
import type { SentSample } from '../append-samples.ts';
import type { SampleSink } from './sample-sink.ts';

export interface AppendInfluxOptions {
  readonly precision: InfluxPrecision;
  /** Of the request's `db` or `bucket`: the label `db`, where it is not empty and no tag has that name. */
  readonly database: string;
  /** The time of lines that have none. */
  readonly now: Millis;
  /** Waits until it may use the thread: before each part. */
  readonly turn: () => Promise<void>;
}

/** What became of a request. */
export interface InfluxSummary {
  /** Everything that it had, stored or not. */
  readonly items: number;
  /** Samples that are stored: now, or by an earlier attempt. Each field with a number is one. */
  readonly stored: number;
  /** What was not stored, by reason; `text_field` is nobody's mistake. */
  readonly dropped: ReadonlyMap<string, number>;
  /** Samples and lines that the sender must correct. */
  readonly refused: number;
  /** Samples that will be welcome later: the store is full. */
  readonly deferred: number;
  /** The first few refusals, with the lines that they are of. */
  readonly faults: readonly { readonly line: number; readonly why: string }[];
}

/** Samples that are held before they are written: memory and a turn stay bounded. */
const PART_SAMPLES = 4_096;
const MAX_FAULTS = 5;

/**
 * Appends line protocol, keeping what can be kept. Resolves once that is durable. A field is the series
 * `measurement_field`, as VictoriaMetrics has it; tags are its labels.
 * @throws {StorageFullError} If the log cannot be written.
 * @throws {RateLimitedError} If the tenant of some was over its rate: the others are durable.
 */
export async function appendInflux(
  text: string,
  sink: SampleSink,
  { precision, database, now, turn }: AppendInfluxOptions,
): Promise<InfluxSummary> {
  const summary = { stored: 0, refused: 0, deferred: 0, dropped: new Map<string, number>() };
  const faults: { line: number; why: string }[] = [];
  const drop = (reason: string, count = 1) => summary.dropped.set(reason, (summary.dropped.get(reason) ?? 0) + count);
  const refuse = (line: number, reason: string, why: string) => {
    summary.refused++;
    drop(reason);
    if (faults.length < MAX_FAULTS) faults.push({ line, why });
  };
  const write = async (samples: readonly SentSample[]) => {
    await turn();
    const losses = await sink.append(samples);
    summary.stored += samples.length - losses.length;
    for (const loss of losses) {
      if (loss.kind === 'refused') refuse(loss.line, loss.reason, loss.message);
      else if (loss.kind === 'deferred') {
        summary.deferred++;
        drop(loss.reason);
      }
    }
  };
  let part: SentSample[] = [];
  let unwritten = 0;
  for (const read of readInfluxLines(text, precision)) {
    // Lines without samples, which make no part full, take their time as well.
    if (++unwritten % PART_SAMPLES === 0) await turn();
    if ('why' in read) {
      refuse(read.line, 'malformed_line', read.why);
      continue;
    }
    if (read.texts > 0) drop('text_field', read.texts);
    for (const sample of samplesOf(read, database, now)) {
      part.push(sample);
      if (part.length < PART_SAMPLES) continue;
      await write(part);
      part = [];
    }
  }
  await write(part);
  await sink.commit();
  const lost = [...summary.dropped.values()].reduce((sum, count) => sum + count, 0);
  return { ...summary, items: summary.stored + lost, faults };
}

function* samplesOf(
  { measurement, tags, fields, time, line }: InfluxPoint,
  database: string,
  now: Millis,
): Generator<SentSample> {
  const shared: Label[] = [...tags];
  if (database !== '' && !tags.some(([key]) => key === 'db')) shared.push(['db', database]);
  for (const [field, value] of fields) {
    yield { labels: [...shared, [METRIC_NAME, `${measurement}_${field}`]], time: time ?? now, value, line };
  }
}
