import type { Response } from 'express';
import { allBuckets, type BoundedBucket, type HistogramValue } from '../model/histogram-value.ts';
import { type Label, type Labels, METRIC_NAME } from '../model/labels.ts';
import type { HistogramSamples, QueryResult, QueryValue } from '../model/query-result.ts';
import { isStaleMarker, type SampledSeries } from '../model/series.ts';
import { MINUTE, type Millis } from '../model/time.ts';
import { MOST_WRITTEN, type WriteSamples } from '../wire/sample-text.ts';

/** Prometheus's envelope around an answer. Warnings and infos are left out where there are none, as there. */
export function sendData(response: Response, data: unknown, warnings: readonly string[] = []): void {
  response.json({ status: 'success', data, ...(warnings.length > 0 && { warnings }) });
}

/** Long enough that a long answer rests seldom, and written within some milliseconds. */
const PIECE_BYTES = 256 * 1024;
/** Written in well under a millisecond: no need to look at the clock more often. */
const UNPAUSED_LENGTH = 8 * 1024;
const LISTED_AT_ONCE = 128;

export interface EnvelopeOptions {
  /** What the evaluation took, as Prometheus tells it. */
  readonly stats?: object | undefined;
  readonly writeSamples?: WriteSamples | undefined;
}

/** Called between pieces of work: a promise is a rest, so that others get their turn. */
export type Pause = () => Promise<void> | undefined;

/** Writes a query's result, piece by piece: it may be larger than a text can be. */
export async function sendQueryResult(
  response: Response,
  result: QueryResult,
  how: EnvelopeOptions & { readonly pause?: Pause },
): Promise<void> {
  await sendPieces(response, envelopeOf(result, how), how.pause);
}

/** Writes a list of values, piece by piece: there may be as many as there are series. */
export async function sendList<T>(
  response: Response,
  all: readonly T[],
  { toJson, warnings = [], pause }: ListOptions<T>,
): Promise<void> {
  function* parts() {
    yield '{"status":"success","data":[';
    for (let at = 0; at < all.length; at += LISTED_AT_ONCE) {
      const block = all
        .slice(at, at + LISTED_AT_ONCE)
        .map(toJson)
        .join();
      yield at === 0 ? block : `,${block}`;
    }
    yield warnings.length > 0 ? `],"warnings":${JSON.stringify(warnings)}}` : ']}';
  }
  await sendPieces(response, parts(), pause);
}

export interface ListOptions<T> {
  readonly toJson: (one: T) => string;
  readonly warnings?: readonly string[];
  readonly pause: Pause;
}

/** Writes JSON in pieces: texts, and bytes that are good until the next. */
export async function sendPieces(
  response: Response,
  pieces: Iterable<string | Uint8Array>,
  pause: Pause = () => undefined,
): Promise<void> {
  response.status(200).type('application/json');
  let parts: Uint8Array[] = [];
  let length = 0;
  let text = '';
  let unpaused = 0;
  const flushText = (): void => {
    if (text === '') return;
    const bytes = Buffer.from(text);
    parts.push(bytes);
    length += bytes.length;
    text = '';
  };
  for (const part of pieces) {
    if (typeof part === 'string') text += part;
    else {
      flushText();
      // What is written next takes its place.
      parts.push(part.slice());
      length += part.length;
    }
    if (text.length + length >= PIECE_BYTES) {
      flushText();
      if (!response.write(Buffer.concat(parts, length))) await drained(response);
      if (response.destroyed) return;
      parts = [];
      length = 0;
    }
    unpaused += part.length;
    if (unpaused < UNPAUSED_LENGTH) continue;
    unpaused = 0;
    const rest = pause();
    if (rest !== undefined) await rest;
  }
  flushText();
  response.end(Buffer.concat(parts, length));
}

/**
 * The envelope as texts, and as bytes that are good until the next one where there is something that writes samples.
 * `resultType` comes before `result`: Grafana parses while it reads.
 */
export function* envelopeOf(
  { value, warnings, infos }: QueryResult,
  { stats, writeSamples }: EnvelopeOptions = {},
): Generator<string | Uint8Array> {
  yield `{"status":"success","data":{"resultType":"${value.kind}","result":`;
  yield* resultOf(value, writeSamples);
  if (stats !== undefined) yield `,"stats":${JSON.stringify(stats)}`;
  yield '}';
  if (warnings.length > 0) yield `,"warnings":${JSON.stringify(shortened(warnings, 'warning'))}`;
  if (infos.length > 0) yield `,"infos":${JSON.stringify(shortened(infos, 'info'))}`;
  yield '}';
}

/** As many of each kind as Prometheus tells: a query may have one for each of its steps. */
const MOST_ANNOTATIONS = 10;

function shortened(texts: readonly string[], kind: 'warning' | 'info'): readonly string[] {
  if (texts.length <= MOST_ANNOTATIONS) return texts;
  const omitted = `${texts.length - MOST_ANNOTATIONS} more ${kind} annotations omitted`;
  return [...texts.slice(0, MOST_ANNOTATIONS), omitted];
}

function* resultOf(value: QueryValue, writeSamples: WriteSamples | undefined): Generator<string | Uint8Array> {
  const texts: Texts = { labels: new Map(), times: new Map() };
  switch (value.kind) {
    case 'scalar':
      yield `${openPair(value.time, texts)}${formatValue(value.value)}"]`;
      return;
    case 'string':
      yield `[${formatTime(value.time)},${JSON.stringify(value.value)}]`;
      return;
    case 'vector': {
      yield '[';
      let separator = '';
      for (const { labels, time, value: number, histogram } of value.samples) {
        const sample =
          histogram === undefined
            ? `"value":${openPair(time, texts)}${formatValue(number)}"]`
            : `"histogram":${histogramAt(time, histogram)}`;
        yield `${separator}{"metric":${metricOf(labels, texts)},${sample}}`;
        separator = ',';
      }
      yield ']';
      return;
    }
    case 'matrix': {
      yield '[';
      let separator = '';
      for (const series of value.series) {
        const { histograms } = series;
        const first = firstValue(series);
        const hasHistograms = histograms !== undefined && histograms.times.length > 0;
        if (first === series.times.length && !hasHistograms) continue;
        yield `${separator}{"metric":${metricOf(series.labels, texts)}`;
        if (first < series.times.length) {
          yield ',"values":[';
          yield* valuesOf(series, { first, texts, writeSamples });
          yield ']';
        }
        if (hasHistograms) yield* histogramsOf(histograms);
        yield '}';
        separator = ',';
      }
      yield ']';
    }
  }
}

/** Texts that come again and again in one answer, made once each. */
interface Texts {
  /** `"name":"value"` of labels, which series of one store share. */
  readonly labels: Map<Label, string>;
  readonly times: Map<Millis, string>;
}

const MAX_TEXTS = 100_000;

/** A staleness marker says that a series ended; it is no sample that anybody may see. */
function firstValue({ values }: SampledSeries): number {
  let first = 0;
  while (first < values.length && isStaleMarker(values, first)) first++;
  return first;
}

interface ValuesWritten {
  /** The first that is no staleness marker. */
  readonly first: number;
  readonly texts: Texts;
  readonly writeSamples: WriteSamples | undefined;
}

function* valuesOf(series: SampledSeries, { first, texts, writeSamples }: ValuesWritten) {
  const { length } = series.times;
  for (let from = first; from < length; from += MOST_WRITTEN) {
    const to = Math.min(length, from + MOST_WRITTEN);
    const bytes = writeSamples?.(series, from, to);
    if (bytes === undefined) yield textOf(series, { from, to }, texts).slice(from === first ? 1 : 0);
    else if (bytes.length > 0) yield from === first ? bytes.subarray(1) : bytes;
  }
}

/** With a comma before each. */
function textOf({ times, values }: SampledSeries, part: { readonly from: number; readonly to: number }, texts: Texts) {
  let text = '';
  for (let i = part.from; i < part.to; i++) {
    const value = values[i]!;
    if (Number.isNaN(value) && isStaleMarker(values, i)) continue;
    text += `,${openPair(times[i]!, texts)}`;
    text += formatValue(value);
    text += '"]';
  }
  return text;
}

function* histogramsOf({ times, values }: HistogramSamples): Generator<string> {
  yield ',"histograms":[';
  for (let i = 0; i < values.length; i++) yield `${i === 0 ? '' : ','}${histogramAt(times[i]!, values[i]!)}`;
  yield ']';
}

/** As Prometheus has it: empty buckets are left out, and `buckets` where there are none. */
function histogramAt(time: Millis, histogram: HistogramValue): string {
  const buckets = allBuckets(histogram)
    .filter(({ count }) => count !== 0)
    .map((bucket) => {
      const { lower, upper, count } = bucket;
      return `[${boundaryRule(bucket)},"${formatValue(lower)}","${formatValue(upper)}","${formatValue(count)}"]`;
    });
  const { count, sum } = histogram;
  const tail = buckets.length === 0 ? '' : `,"buckets":[${buckets.join(',')}]`;
  return `[${formatTime(time)},{"count":"${formatValue(count)}","sum":"${formatValue(sum)}"${tail}}]`;
}

/** 0: above the lower bound and up to the upper one; 1: from the lower one on, below the upper; 2: neither; 3: both. */
function boundaryRule({ lowerInclusive, upperInclusive }: BoundedBucket): 0 | 1 | 2 | 3 {
  if (lowerInclusive) return upperInclusive ? 3 : 1;
  return upperInclusive ? 0 : 2;
}

/** Label names in order, the metric's name first where it is there, as JSON. */
export function metricOf(labels: Labels, texts?: Pick<Texts, 'labels'>): string {
  let name = '';
  let others = '';
  for (const label of labels) {
    const pair = texts === undefined ? pairOf(label) : remembered(texts.labels, label, pairOf);
    if (label[0] === METRIC_NAME) name = pair;
    else others += others === '' ? pair : `,${pair}`;
  }
  return `{${name}${name === '' || others === '' ? '' : ','}${others}}`;
}

function pairOf([name, value]: Label): string {
  return `${quotedJson(name)}:${quotedJson(value)}`;
}

/** Most labels: nothing in them needs to be escaped. */
const PLAIN = /^[\w ./:@=,+*()[\]{}<>|&%$#!?;~^-]*$/;

/** As JSON.stringify, which takes three times as long for a short text. */
export function quotedJson(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

/** `[1785751200.5,"`: the value and `"]` follow. */
function openPair(time: Millis, { times }: Texts): string {
  return remembered(times, time, (instant) => `[${formatTime(instant)},"`);
}

function remembered<T>(texts: Map<T, string>, of: T, make: (of: T) => string): string {
  let text = texts.get(of);
  if (text === undefined) {
    text = make(of);
    if (texts.size < MAX_TEXTS) texts.set(of, text);
  }
  return text;
}

/** Seconds with at most three decimals. */
function formatTime(time: Millis): string {
  return String(Math.round(time) / 1000);
}

/**
 * A value as Prometheus writes it: the shortest text that reads back the same, with an exponent below 1e-6 and from
 * 1e21 on. JavaScript agrees on that, but not on the least number of digits in the exponent, nor on infinity and -0.
 */
export function formatValue(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e-6 && size < 1e21) return String(value);
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  if (Object.is(value, -0)) return '-0';
  return String(value).replace(/e([+-])(\d)$/, 'e$10$2');
}

/** A client that takes nothing for so long is cut off: else its query would hold a place of its tenant for ever. */
const STALLED_MS = 2 * MINUTE;

/** Resolves once the client took what was written, or is gone. */
export function drained(response: Response): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => response.destroy(), STALLED_MS);
    const done = () => {
      clearTimeout(timer);
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}
