import type { Label } from '../model/labels.ts';
import { ProtoReader } from './protobuf.ts';

/** Finds the reference of a series by its label bytes as they were sent. The store owns it; 0 means unseen. */
export interface LabelTable {
  find(bytes: DataView, start: number, end: number): number;
  /**
   * Senders repeat their series in the same order: the length of the label bytes that are expected next, where they
   * stand at `start`; 0 where others do. A table without it is asked for every series.
   */
  expectedLength?(bytes: DataView, start: number, limit: number): number;
  /** The reference of what `expectedLength` has just found. */
  takeExpected?(): number;
}

/** A series that the table does not know, with its samples' place in the columns. */
export interface UnseenSeries {
  /** As sent: unsorted, names possibly repeated, values possibly empty. */
  readonly labels: readonly Label[];
  /** A copy of the label bytes as sent, to be remembered. Absent where the sender scattered the labels. */
  readonly raw: Uint8Array | undefined;
  /** Some name or value is not UTF-8; `labels` then shows replacement characters. */
  readonly invalidUtf8: boolean;
  readonly firstSample: number;
  readonly endSample: number;
}

export interface WireMetadata {
  readonly metric: string;
  readonly type: string;
  readonly help: string;
  readonly unit: string;
}

/** A part of a request, or all of it. */
export interface DecodedWrite {
  /** 0 where the sample belongs to one of `unseen`. */
  readonly refs: Uint32Array;
  readonly times: Float64Array;
  readonly values: Float64Array;
  readonly unseen: readonly UnseenSeries[];
  readonly metadata: readonly WireMetadata[];
  /** Carried by the request and not read. */
  readonly skipped: { readonly exemplars: number; readonly histograms: number };
  /** Where the rest starts; the request's length when nothing is left. */
  readonly next: number;
}

/** A decoded part ends after the series that reaches one of these, so that memory and a turn stay bounded. */
const PART_SAMPLES = 65_536;
const PART_UNSEEN = 8_192;

const FIELD_TIMESERIES = 0x0a;
const FIELD_METADATA = 0x1a;
const SERIES_LABEL = 0x0a;
const SERIES_SAMPLE = 0x12;
const SERIES_EXEMPLAR = 0x1a;
const SERIES_HISTOGRAM = 0x22;
const SAMPLE_VALUE = 0x09;
const SAMPLE_TIME = 0x10;

/** By number, as prometheus.MetricMetadata.MetricType has them. */
const METRIC_TYPES = ['unknown', 'counter', 'gauge', 'histogram', 'gaugehistogram', 'summary', 'info', 'stateset'];

/**
 * Decodes a `prometheus.WriteRequest` (remote write 1.0) from `offset` on, in parts.
 *
 * Label bytes that `table` knows are not decoded. Values keep their bits. When the first part is not the whole, the
 * rest has been walked too: a damaged request is refused before any of it can be stored.
 *
 * @throws {WireError} If the bytes are not such a message.
 */
export function decodeWriteRequest(bytes: Uint8Array, table: LabelTable, offset = 0): DecodedWrite {
  const part = new Part(bytes, table);
  part.reader.at = offset;
  const next = part.read();
  if (offset === 0 && next < bytes.length) new Part(bytes, undefined).read();
  return part.finish(next);
}

class Part {
  readonly reader: ProtoReader;
  /** Absent: only walk. */
  readonly #table: LabelTable | undefined;
  readonly #unseen: UnseenSeries[] = [];
  readonly #metadata: WireMetadata[] = [];
  #exemplars = 0;
  #histograms = 0;
  #count = 0;
  #refs = new Uint32Array(2_048);
  #times = new Float64Array(2_048);
  #values = new Float64Array(2_048);
  /** Bits of `#values`: a staleness marker must not pass through a number. */
  #words = new Uint32Array(this.#values.buffer);

  constructor(bytes: Uint8Array, table: LabelTable | undefined) {
    this.reader = new ProtoReader(bytes);
    this.#table = table;
  }

  read(): number {
    const { reader } = this;
    const whole = reader.end;
    while (reader.at < whole) {
      const tag = reader.tag();
      if (tag === FIELD_TIMESERIES) {
        reader.end = reader.lengthEnd();
        this.#readSeries();
        reader.end = whole;
        if (this.#count >= PART_SAMPLES || this.#unseen.length >= PART_UNSEEN) break;
      } else if (tag === FIELD_METADATA) {
        reader.end = reader.lengthEnd();
        this.#readMetadata();
        reader.end = whole;
      } else {
        reader.skip(tag);
      }
    }
    return reader.at;
  }

  finish(next: number): DecodedWrite {
    return {
      refs: this.#refs.subarray(0, this.#count),
      times: this.#times.subarray(0, this.#count),
      values: this.#values.subarray(0, this.#count),
      unseen: this.#unseen,
      metadata: this.#metadata,
      skipped: { exemplars: this.#exemplars, histograms: this.#histograms },
      next,
    };
  }

  #readSeries(): void {
    const { reader } = this;
    const { end } = reader;
    const start = reader.at;
    const firstSample = this.#count;
    let labelsStart = -1;
    let labelsEnd = -1;
    let scattered = false;
    // Known bytes need no walk through their labels.
    const expected = this.#table?.expectedLength?.(reader.view, start, end) ?? 0;
    if (expected > 0) {
      labelsStart = start;
      labelsEnd = start + expected;
      reader.at = labelsEnd;
    }
    while (reader.at < end) {
      const fieldStart = reader.at;
      const tag = reader.tag();
      if (tag === SERIES_LABEL) {
        if (labelsStart < 0) labelsStart = fieldStart;
        else if (labelsEnd !== fieldStart) scattered = true;
        labelsEnd = reader.lengthEnd();
        reader.at = labelsEnd;
      } else if (tag === SERIES_SAMPLE) {
        reader.end = reader.lengthEnd();
        this.#readSample();
        reader.end = end;
      } else {
        if (tag === SERIES_EXEMPLAR) this.#exemplars++;
        else if (tag === SERIES_HISTOGRAM) this.#histograms++;
        reader.skip(tag);
      }
    }
    const table = this.#table;
    if (table === undefined) {
      this.#readLabels(start, end);
      this.#count = firstSample;
      return;
    }
    const known = scattered || labelsStart < 0 ? 0 : this.#refOf(table, labelsStart, labelsEnd, expected);
    if (known !== 0) {
      this.#refs.fill(known, firstSample, this.#count);
      return;
    }
    const { labels, invalidUtf8 } = this.#readLabels(start, end);
    if (this.#count === firstSample) return;
    this.#refs.fill(0, firstSample, this.#count);
    const raw = scattered || labelsStart < 0 ? undefined : reader.bytes.slice(labelsStart, labelsEnd);
    this.#unseen.push({ labels, raw, invalidUtf8, firstSample, endSample: this.#count });
  }

  #refOf(table: LabelTable, start: number, end: number, expected: number): number {
    if (expected > 0 && start + expected === end) return table.takeExpected?.() ?? 0;
    return table.find(this.reader.view, start, end);
  }

  #readSample(): void {
    const { reader } = this;
    const { end, view } = reader;
    if (this.#count === this.#times.length) this.#grow();
    const i = this.#count++;
    const words = this.#words;
    words[2 * i] = 0;
    words[2 * i + 1] = 0;
    this.#times[i] = 0;
    while (reader.at < end) {
      const tag = reader.tag();
      if (tag === SAMPLE_VALUE) {
        if (reader.at + 8 > end) throw reader.fault('a value is cut short', reader.at);
        words[2 * i] = view.getUint32(reader.at, true);
        words[2 * i + 1] = view.getUint32(reader.at + 4, true);
        reader.at += 8;
      } else if (tag === SAMPLE_TIME) {
        this.#times[i] = reader.varint();
      } else {
        reader.skip(tag);
      }
    }
  }

  #readLabels(start: number, end: number): { labels: Label[]; invalidUtf8: boolean } {
    const { reader } = this;
    const labels: Label[] = [];
    const text = new Texts();
    reader.at = start;
    while (reader.at < end) {
      const tag = reader.tag();
      if (tag !== SERIES_LABEL) {
        reader.skip(tag);
        continue;
      }
      const labelEnd = reader.lengthEnd();
      reader.end = labelEnd;
      let name = '';
      let value = '';
      while (reader.at < labelEnd) {
        const field = reader.tag();
        if (field === 0x0a) name = text.read(reader);
        else if (field === 0x12) value = text.read(reader);
        else reader.skip(field);
      }
      reader.end = end;
      if (this.#table !== undefined) labels.push([name, value]);
    }
    return { labels, invalidUtf8: text.invalid };
  }

  #readMetadata(): void {
    const { reader } = this;
    const text = new Texts();
    let type = 0;
    let metric = '';
    let help = '';
    let unit = '';
    while (reader.at < reader.end) {
      const tag = reader.tag();
      if (tag === 0x08) type = reader.uint32();
      else if (tag === 0x12) metric = text.read(reader);
      else if (tag === 0x22) help = text.read(reader);
      else if (tag === 0x2a) unit = text.read(reader);
      else reader.skip(tag);
    }
    if (this.#table !== undefined) this.#metadata.push({ metric, type: METRIC_TYPES[type] ?? 'unknown', help, unit });
  }

  #grow(): void {
    const capacity = this.#times.length * 2;
    const refs = new Uint32Array(capacity);
    const times = new Float64Array(capacity);
    const values = new Float64Array(capacity);
    refs.set(this.#refs);
    times.set(this.#times);
    values.set(this.#values);
    this.#refs = refs;
    this.#times = times;
    this.#values = values;
    this.#words = new Uint32Array(values.buffer);
  }
}

const STRICT = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const LENIENT = new TextDecoder('utf-8', { ignoreBOM: true });

class Texts {
  invalid = false;

  read(reader: ProtoReader): string {
    const textEnd = reader.lengthEnd();
    const bytes = reader.bytes.subarray(reader.at, textEnd);
    reader.at = textEnd;
    try {
      return STRICT.decode(bytes);
    } catch {
      this.invalid = true;
      return LENIENT.decode(bytes);
    }
  }
}
