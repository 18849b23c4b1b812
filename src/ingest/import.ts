import type { ImportReport } from '../model/import-report.ts';
import { isStaleMarker, type SampledSeries, setStaleMarker } from '../model/series.ts';
import type { BackfillOutcome } from '../storage/storage.ts';
import { checkLabels, DEFAULT_LABEL_LIMITS, type LabelLimits } from './check-labels.ts';

/** One line of VictoriaMetrics' JSON line form: a label set, values, and times in milliseconds. */
export interface ImportLine {
  readonly run: SampledSeries;
  /** Samples left out, since the line has another one at the same time. */
  readonly duplicates: number;
  readonly conflicts: number;
}

export interface ImportDeps {
  readonly backfill: (runs: readonly SampledSeries[]) => Promise<BackfillOutcome>;
  /** Default: those of the largest tier. */
  readonly limits?: LabelLimits;
}

/** Samples that are held before they are written: 16 bytes each. */
const FLUSH_SAMPLES = 200_000;
const MAX_ERRORS = 20;
/** A body with more lines that cannot be used is something else than an export: reading ends there. */
const MAX_BAD_LINES = 1000;
/** Characters of what was sent that an error shows. */
const SHOWN = 100;

/**
 * Imports lines through the second writer. A line that cannot be used is reported and the others go on.
 * Memory is bounded by one flush and the longest line.
 */
export async function importLines(
  lines: AsyncIterable<string>,
  { backfill, limits }: ImportDeps,
): Promise<ImportReport> {
  const report = { lines: 0, series: 0, appended: 0, duplicates: 0, conflicts: 0, outOfBounds: 0, badLines: 0 };
  const errors: { line: number; message: string }[] = [];
  let runs: SampledSeries[] = [];
  let held = 0;

  const flush = async () => {
    if (runs.length === 0) return;
    const outcome = await backfill(runs);
    report.appended += outcome.appended;
    report.duplicates += outcome.duplicates;
    report.conflicts += outcome.conflicts;
    report.outOfBounds += outcome.outOfBounds;
    runs = [];
    held = 0;
  };

  for await (const text of lines) {
    report.lines++;
    if (text.trim() === '') continue;
    let line: ImportLine;
    try {
      line = parseImportLine(text, limits);
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof SyntaxError)) throw error;
      report.badLines++;
      if (errors.length < MAX_ERRORS) errors.push({ line: report.lines, message: error.message });
      if (report.badLines === MAX_BAD_LINES) break;
      continue;
    }
    report.series++;
    report.duplicates += line.duplicates;
    report.conflicts += line.conflicts;
    runs.push(line.run);
    // A series takes memory also where it has no sample.
    held += 1 + line.run.times.length;
    if (held >= FLUSH_SAMPLES) await flush();
  }
  await flush();
  return { ...report, errors };
}

/**
 * Parses `{"metric":{"__name__":"up","job":"a"},"values":[1,null],"timestamps":[1700000000000,1700000015000]}`.
 * Null is a NaN and `"Infinity"` a text, as VictoriaMetrics exports them; `"stale"` is a staleness marker. Times may stand in any order.
 * @throws {RangeError | SyntaxError} If the line is something else; says what was expected.
 */
export function parseImportLine(text: string, limits = DEFAULT_LABEL_LIMITS): ImportLine {
  const line: unknown = JSON.parse(text);
  if (!isRecord(line)) throw new RangeError('expected an object with metric, values and timestamps');
  const { metric, values, timestamps } = line;
  if (!isRecord(metric)) throw new RangeError('metric: expected an object of labels');
  if (!Array.isArray(values)) throw new RangeError('values: expected a list of numbers');
  if (!Array.isArray(timestamps)) throw new RangeError('timestamps: expected a list of milliseconds');
  if (values.length !== timestamps.length) {
    throw new RangeError(`expected as many values as timestamps, got ${values.length} and ${timestamps.length}`);
  }
  const entries = Object.entries(metric).map(([name, value]): [string, string] => {
    if (typeof value !== 'string')
      throw new RangeError(`metric.${name.slice(0, SHOWN)}: expected a text, got ${shown(value)}`);
    if (LONE_SURROGATE.test(name) || LONE_SURROGATE.test(value)) {
      throw new RangeError(`metric: ${shown(name)} or its value is not valid Unicode`);
    }
    return [name, value];
  });
  const checked = checkLabels(entries, limits);
  if (checked.kind === 'refused') throw new RangeError(`metric: ${checked.message}`);
  const samples = values.map((value, i): ImportSample => {
    const isStale = value === STALE;
    return { time: parseTime(timestamps[i], i), value: isStale ? Number.NaN : parseValue(value, i), isStale };
  });
  samples.sort((a, b) => a.time - b.time);
  return columnsOf(samples, checked.labels);
}

/** JSON can say half of a character. UTF-8 cannot: two such names would become one. */
const LONE_SURROGATE = /\p{Surrogate}/u;

interface ImportSample {
  readonly time: number;
  readonly value: number;
  readonly isStale: boolean;
}

function columnsOf(samples: readonly ImportSample[], labels: SampledSeries['labels']): ImportLine {
  const times = new Float64Array(samples.length);
  const values = new Float64Array(samples.length);
  let kept = 0;
  let duplicates = 0;
  let conflicts = 0;
  for (const { time, value, isStale } of samples) {
    if (kept > 0 && times[kept - 1] === time) {
      if (Object.is(values[kept - 1], value) && isStaleMarker(values, kept - 1) === isStale) duplicates++;
      else conflicts++;
      continue;
    }
    times[kept] = time;
    values[kept] = value;
    if (isStale) setStaleMarker(values, kept);
    kept++;
  }
  return { run: { labels, times: times.subarray(0, kept), values: values.subarray(0, kept) }, duplicates, conflicts };
}

function parseTime(time: unknown, index: number): number {
  if (typeof time === 'number' && Number.isSafeInteger(time)) return time;
  throw new RangeError(`timestamps[${index}]: expected whole milliseconds, got ${shown(time)}`);
}

/** A staleness marker, which JSON has no number for. Ours: VictoriaMetrics exports a null. */
const STALE = 'stale';

const WORDS = new Map([
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
  ['NaN', Number.NaN],
]);

function parseValue(value: unknown, index: number): number {
  if (typeof value === 'number') return value;
  if (value === null) return Number.NaN;
  const word = typeof value === 'string' ? WORDS.get(value) : undefined;
  if (word === undefined) throw new RangeError(`values[${index}]: expected a number, got ${shown(value)}`);
  return word;
}

function shown(value: unknown): string {
  return JSON.stringify(value).slice(0, SHOWN);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
