import { type Labels, NO_LABELS } from '../model/labels.ts';
import type { SampledSeries } from '../model/series.ts';
import type { Exemplar, HistogramSample, MetricMetadata } from '../storage/write.ts';

/** What goes to an engine together: of one tenant, as one sender wrote it. */
export interface Letter {
  /** A series may stand here more than once, its samples in order. */
  readonly series: readonly SampledSeries[];
  readonly exemplars: readonly LetterExemplar[];
  readonly histograms: readonly LetterHistogram[];
  readonly metadata: readonly MetricMetadata[];
}

export interface LetterExemplar extends Exemplar {
  readonly series: Labels;
}

export interface LetterHistogram extends HistogramSample {
  readonly series: Labels;
}

/** Samples, exemplars and histograms: what is counted. */
export function itemsOf({ series, exemplars, histograms }: Letter): number {
  return series.reduce((sum, { times }) => sum + times.length, 0) + exemplars.length + histograms.length;
}

export function letterOf(series: readonly SampledSeries[], metadata: readonly MetricMetadata[] = []): Letter {
  return { series, exemplars: [], histograms: [], metadata };
}

/** Of the form of the bytes. One that is not known is an error, never a guess. */
const FORMAT = 1;
const UTF8 = new TextEncoder();
const FROM_UTF8 = new TextDecoder();

/** What of a letter is text. Numbers are behind it, as memory: a staleness marker must not pass through JSON. */
interface Head {
  /** Each label set once, its names and values in turn. */
  readonly labels: readonly (readonly string[])[];
  /** Its label set and its samples. */
  readonly series: readonly (readonly [labels: number, samples: number])[];
  readonly exemplars: readonly (readonly [labels: number, own: readonly string[]])[];
  readonly histograms: readonly (readonly [labels: number, bytes: number])[];
  readonly metadata: readonly MetricMetadata[];
}

/**
 * A letter as bytes: its format, the length of its head, the head as JSON, then 64-bit floats (times and values of each
 * series; time and value of each exemplar; time and start of each histogram), then the histograms' own bytes. Numbers are
 * little-endian.
 */
export function encodeLetter(letter: Letter): Uint8Array {
  const known = new Map<Labels, number>();
  const labels: string[][] = [];
  const indexOf = (of: Labels): number => {
    const at = known.get(of) ?? labels.push(of.flat()) - 1;
    known.set(of, at);
    return at;
  };
  const head: Head = {
    labels,
    series: letter.series.map((each) => [indexOf(each.labels), each.times.length]),
    exemplars: letter.exemplars.map((each) => [indexOf(each.series), each.labels.flat()]),
    histograms: letter.histograms.map((each) => [indexOf(each.series), each.bytes.length]),
    metadata: letter.metadata,
  };
  const text = UTF8.encode(JSON.stringify(head));
  const columns = [
    ...letter.series.flatMap(({ times, values }) => [times, values]),
    Float64Array.from(letter.exemplars.flatMap(({ time, value }) => [time, value])),
    Float64Array.from(letter.histograms.flatMap(({ time, start }) => [time, start])),
  ];
  const parts = [
    ...columns.map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength)),
    ...letter.histograms.map(({ bytes }) => bytes),
  ];
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 5 + text.length));
  bytes[0] = FORMAT;
  new DataView(bytes.buffer).setUint32(1, text.length, true);
  bytes.set(text, 5);
  let at = 5 + text.length;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** @throws {RangeError} If the bytes are not what `encodeLetter` writes. */
export function decodeLetter(bytes: Uint8Array): Letter {
  if (bytes[0] !== FORMAT || bytes.length < 5) {
    throw new RangeError(`cannot read what waits for the engine: its format ${bytes[0]} is not known`);
  }
  const headEnd = 5 + new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(1, true);
  const head = JSON.parse(FROM_UTF8.decode(bytes.subarray(5, headEnd))) as Head;
  const labels = head.labels.map(pairsOf);
  let at = headEnd;
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw new RangeError('cannot read what waits for the engine: it is cut short');
    at += length;
    // A copy, since columns must lie on a multiple of eight; of a Buffer `slice` makes none.
    return new Uint8Array(bytes.subarray(at - length, at));
  };
  const column = (length: number) => new Float64Array(take(length * 8).buffer);
  const series = head.series.map(([of, samples]) => {
    return { labels: labels[of]!, times: column(samples), values: column(samples) };
  });
  const exemplars = head.exemplars.map(([of, own]) => {
    const [time, value] = column(2) as unknown as [number, number];
    return { series: labels[of]!, labels: pairsOf(own), time, value };
  });
  const placed = head.histograms.map(([of, length]) => ({ of, length, numbers: column(2) }));
  const histograms = placed.map(({ of, length, numbers: [time, start] }) => {
    return { series: labels[of]!, time: time!, start: start!, bytes: take(length) };
  });
  return { series, exemplars, histograms, metadata: head.metadata };
}

function pairsOf(texts: readonly string[]): Labels {
  if (texts.length === 0) return NO_LABELS;
  return Array.from({ length: texts.length / 2 }, (_, i) => [texts[2 * i]!, texts[2 * i + 1]!] as const);
}
