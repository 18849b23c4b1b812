import { type Label, METRIC_NAME } from '../model/labels.ts';
import { ExpositionError, WireError } from './errors.ts';
import { readExposedHistogram } from './exposed-histogram.ts';
import type { Exemplar, ExpositionSink, SeenFamilies } from './exposition.ts';
import { formatOpenMetricsFloat } from './float-text.ts';
import { ProtoReader } from './protobuf.ts';

/** By number, as io.prometheus.client.MetricType has them. */
const TYPES = ['counter', 'gauge', 'summary', 'unknown', 'histogram', 'gaugehistogram'];
const COUNTER = 0;
const GAUGE = 1;
const SUMMARY = 2;
const UNTYPED = 3;

/** Field numbers of Metric. */
const OF_TYPE: Readonly<Record<number, number>> = { [COUNTER]: 3, [GAUGE]: 2, [SUMMARY]: 4, [UNTYPED]: 5 };
const HISTOGRAM_FIELD = 7;

const TEXT = new TextDecoder('utf-8', { fatal: true });
/** One character for each byte, whichever it is: a key, never shown. */
const BYTES = new TextDecoder('latin1');

/**
 * Reads the protobuf format: io.prometheus.client.MetricFamily messages, each behind its length. The classic part of
 * every histogram becomes series with `le`; its native part is handed over as remote write would have it.
 * @throws {ExpositionError} What stands before it was given to the sink.
 */
export function readMetricFamilies(bytes: Uint8Array, seen: SeenFamilies, sink: ExpositionSink): void {
  try {
    new FamilyReader(bytes, seen, sink).read();
  } catch (error) {
    if (error instanceof WireError) throw new ExpositionError(error.message, undefined, { cause: error });
    if (error instanceof TypeError) throw new ExpositionError('a text is not valid UTF-8', undefined, { cause: error });
    throw error;
  }
}

/** A part of the bytes. */
interface Span {
  readonly start: number;
  readonly end: number;
}

class FamilyReader {
  readonly #reader: ProtoReader;
  readonly #seen: SeenFamilies;
  readonly #sink: ExpositionSink;
  #name = '';
  #type = COUNTER;
  /** Of the metric that is read. */
  #labels: readonly Span[] = [];
  #key = '';
  #time = Number.NaN;
  /** Since when the metric counts: 0 where it does not say. */
  #since = 0;

  constructor(bytes: Uint8Array, seen: SeenFamilies, sink: ExpositionSink) {
    this.#reader = new ProtoReader(bytes, 'protobuf exposition');
    this.#seen = seen;
    this.#sink = sink;
  }

  read(): void {
    const reader = this.#reader;
    const whole = reader.end;
    this.#seen.begin();
    while (reader.at < whole) {
      const end = reader.lengthEnd();
      this.#readFamily(reader.at, end);
      reader.at = end;
      reader.end = whole;
    }
  }

  #readFamily(start: number, end: number): void {
    const reader = this.#reader;
    const metrics: Span[] = [];
    let help = '';
    let unit = '';
    this.#name = '';
    this.#type = COUNTER;
    this.#fields(start, end, (field) => {
      if (field === 1) this.#name = this.#text();
      else if (field === 2) help = this.#text();
      else if (field === 3) this.#type = reader.uint32();
      else if (field === 4) metrics.push(this.#span());
      else if (field === 5) unit = this.#text();
      else return false;
      return true;
    });
    if (this.#name === '') throw new ExpositionError('a metric family has no name');
    const type = TYPES[this.#type];
    if (type === undefined) throw new ExpositionError(`${this.#name} has the type ${this.#type}, which is none`);
    this.#describe('type', type);
    if (help !== '') this.#describe('help', help);
    if (unit !== '') this.#describe('unit', unit);
    for (const metric of metrics) this.#readMetric(metric);
  }

  #describe(kind: 'help' | 'type' | 'unit', text: string): void {
    const line = `${kind} ${this.#name} ${text}`;
    if (this.#seen.hasFact(line)) return;
    this.#seen.learnFact(line);
    this.#sink.describe({ kind, metric: this.#name, text });
  }

  #readMetric({ start, end }: Span): void {
    const reader = this.#reader;
    const labels: Span[] = [];
    let value: Span | undefined;
    const wanted = OF_TYPE[this.#type] ?? HISTOGRAM_FIELD;
    this.#key = '';
    this.#time = Number.NaN;
    this.#since = 0;
    this.#fields(start, end, (field) => {
      if (field === 1) {
        const label = this.#span();
        labels.push(label);
        this.#key += `${label.end - label.start}:${BYTES.decode(reader.bytes.subarray(label.start, label.end))}`;
      } else if (field === 6) this.#time = reader.varint();
      else if (field === wanted) value = this.#span();
      else return false;
      return true;
    });
    this.#labels = labels;
    if (value === undefined) throw new ExpositionError(`a metric of ${this.#name} has no value of its type`);
    if (this.#type === SUMMARY) this.#readSummary(value);
    else if (wanted === HISTOGRAM_FIELD) this.#readHistogram(value);
    else this.#readNumber(value);
  }

  #readNumber({ start, end }: Span): void {
    let value = 0;
    let exemplar: Exemplar | undefined;
    this.#fields(start, end, (field) => {
      if (field === 1) value = this.#double();
      else if (field === 2) exemplar = this.#exemplar(this.#span());
      else if (field === 3 && this.#type === COUNTER) this.#since = this.#timestamp(this.#span());
      else return false;
      return true;
    });
    this.#emit('', value, undefined, exemplar);
  }

  #readSummary({ start, end }: Span): void {
    const quantiles: Bucket[] = [];
    let count = 0;
    let sum = 0;
    this.#fields(start, end, (field) => {
      if (field === 1) count = this.#uint64();
      else if (field === 2) sum = this.#double();
      else if (field === 3) quantiles.push(this.#quantile(this.#span()));
      else if (field === 4) this.#since = this.#timestamp(this.#span());
      else return false;
      return true;
    });
    this.#emit('_count', count);
    this.#emit('_sum', sum);
    // Quantiles count nothing.
    this.#since = 0;
    for (const { bound, value } of quantiles) this.#emit('', value, ['quantile', formatOpenMetricsFloat(bound)]);
  }

  #quantile({ start, end }: Span): Bucket {
    let bound = 0;
    let value = 0;
    this.#fields(start, end, (field) => {
      if (field === 1) bound = this.#double();
      else if (field === 2) value = this.#double();
      else return false;
      return true;
    });
    return { bound, value };
  }

  #readHistogram(span: Span): void {
    const buckets: Bucket[] = [];
    let count = 0;
    let countFloat = 0;
    let sum = 0;
    let isNative = false;
    this.#fields(span.start, span.end, (field) => {
      if (field === 1) count = this.#uint64();
      else if (field === 2) sum = this.#double();
      else if (field === 3) buckets.push(this.#bucket(this.#span()));
      else if (field === 4) countFloat = this.#double();
      // A zero threshold, or a span of buckets, even one of length zero.
      else if (field === 6) isNative = this.#double() > 0 || isNative;
      else if (field === 9 || field === 12) {
        isNative = true;
        this.#span();
      } else if (field === 15) this.#since = this.#timestamp(this.#span());
      else return false;
      return true;
    });
    if (isNative) this.#emitNative(span);
    if (isNative && buckets.length === 0) return;
    const total = countFloat > 0 ? countFloat : count;
    this.#emit('_count', total);
    this.#emit('_sum', sum);
    for (const { bound, value, exemplar } of buckets) {
      this.#emit('_bucket', value, ['le', formatOpenMetricsFloat(bound)], exemplar);
    }
    if (buckets.at(-1)?.bound !== Number.POSITIVE_INFINITY) this.#emit('_bucket', total, ['le', '+Inf']);
  }

  #emitNative({ start, end }: Span): void {
    const series = this.#series('', undefined);
    const read = readExposedHistogram(this.#reader.bytes.subarray(start, end));
    if (read.kind === 'refused') this.#sink.badHistogram(series, read.why);
    else this.#sink.histogram(series, { bytes: read.bytes, start: this.#since }, this.#time);
  }

  #bucket({ start, end }: Span): Bucket {
    let bound = 0;
    let value = 0;
    let exemplar: Exemplar | undefined;
    this.#fields(start, end, (field) => {
      if (field === 1) value = this.#uint64();
      else if (field === 2) bound = this.#double();
      else if (field === 3) exemplar = this.#exemplar(this.#span());
      else if (field === 4) value = this.#double() || value;
      else return false;
      return true;
    });
    return { bound, value, exemplar };
  }

  #exemplar({ start, end }: Span): Exemplar {
    const labels: Label[] = [];
    let value = 0;
    let time = Number.NaN;
    this.#fields(start, end, (field) => {
      if (field === 1) labels.push(this.#label(this.#span()));
      else if (field === 2) value = this.#double();
      else if (field === 3) time = this.#timestamp(this.#span());
      else return false;
      return true;
    });
    return { labels, value, time };
  }

  #timestamp({ start, end }: Span): number {
    let seconds = 0;
    let nanos = 0;
    this.#fields(start, end, (field) => {
      if (field === 1) seconds = this.#reader.varint();
      else if (field === 2) nanos = this.#reader.varint();
      else return false;
      return true;
    });
    return seconds * 1000 + Math.trunc(nanos / 1e6);
  }

  #emit(suffix: string, value: number, extra?: Label, exemplar?: Exemplar): void {
    const series = this.#series(suffix, extra);
    this.#sink.sample(series, value, this.#time, this.#since);
    if (exemplar !== undefined) this.#sink.exemplar(series, exemplar);
  }

  #series(suffix: string, extra: Label | undefined): number {
    const text = `${this.#name}${suffix}\0${extra === undefined ? '' : `${extra[1]}\0`}${this.#key}`;
    let series = this.#seen.find(text);
    if (series === 0) {
      const labels = this.#labelsOf(`${this.#name}${suffix}`);
      series = this.#sink.unseen(extra === undefined ? labels : [...labels, extra]);
      this.#seen.learn(text, series);
    }
    return series;
  }

  #labelsOf(name: string): readonly Label[] {
    return [[METRIC_NAME, name], ...this.#labels.map((span) => this.#label(span))];
  }

  #label({ start, end }: Span): Label {
    let name = '';
    let value = '';
    this.#fields(start, end, (field) => {
      if (field === 1) name = this.#text();
      else if (field === 2) value = this.#text();
      else return false;
      return true;
    });
    return [name, value];
  }

  /** Walks the fields of a message. `take` reads one, or answers false to have it skipped. */
  #fields(start: number, end: number, take: (field: number) => boolean): void {
    const reader = this.#reader;
    const { at: outerAt, end: outerEnd } = reader;
    reader.at = start;
    reader.end = end;
    while (reader.at < end) {
      const tag = reader.tag();
      if (!take(tag >>> 3)) reader.skip(tag);
      if (reader.at > end) throw reader.fault('a field is cut short', end);
    }
    reader.at = outerAt;
    reader.end = outerEnd;
  }

  #span(): Span {
    const reader = this.#reader;
    const end = reader.lengthEnd();
    const start = reader.at;
    reader.at = end;
    return { start, end };
  }

  #text(): string {
    const { start, end } = this.#span();
    return TEXT.decode(this.#reader.bytes.subarray(start, end));
  }

  #double(): number {
    const reader = this.#reader;
    const { at } = reader;
    if (at + 8 > reader.end) throw reader.fault('a number is cut short', at);
    reader.at = at + 8;
    return reader.view.getFloat64(at, true);
  }

  /** Counts above 2^63 come as negative numbers. */
  #uint64(): number {
    const value = this.#reader.varint();
    return value < 0 ? value + 2 ** 64 : value;
  }
}

interface Bucket {
  readonly bound: number;
  readonly value: number;
  readonly exemplar?: Exemplar | undefined;
}
