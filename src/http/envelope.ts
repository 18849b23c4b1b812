import type { Response } from 'express';
import { allBuckets, type BoundedBucket, type HistogramValue } from '../model/histogram-value.ts';
import { type Labels, METRIC_NAME } from '../model/labels.ts';
import type { HistogramSamples, QueryResult, QueryValue } from '../model/query-result.ts';
import { isStaleMarker, type SampledSeries } from '../model/series.ts';
import type { Millis } from '../model/time.ts';

/** Prometheus's envelope around an answer. Warnings and infos are left out where there are none, as there. */
export function sendData(response: Response, data: unknown, warnings: readonly string[] = []): void {
  response.json({ status: 'success', data, ...(warnings.length > 0 && { warnings }) });
}

/** Writes a query's result, piece by piece: it may be larger than a text can be. */
export async function sendQueryResult(response: Response, result: QueryResult): Promise<void> {
  response.status(200).type('application/json');
  let piece = '';
  for (const text of envelopeOf(result)) {
    piece += text;
    if (piece.length < 64 * 1024) continue;
    if (!response.write(piece)) await drained(response);
    if (response.destroyed) return;
    piece = '';
  }
  response.end(piece);
}

/** The envelope as texts. `resultType` comes before `result`: Grafana parses while it reads. */
export function* envelopeOf({ value, warnings, infos }: QueryResult): Generator<string> {
  yield `{"status":"success","data":{"resultType":"${value.kind}","result":`;
  yield* resultOf(value);
  yield '}';
  if (warnings.length > 0) yield `,"warnings":${JSON.stringify(warnings)}`;
  if (infos.length > 0) yield `,"infos":${JSON.stringify(infos)}`;
  yield '}';
}

function* resultOf(value: QueryValue): Generator<string> {
  const texts: Texts = { quoted: new Map(), times: new Map() };
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
        const values = valuesOf(series, texts);
        const histograms = histogramsOf(series.histograms);
        if (values === '' && histograms === '') continue;
        const ofFloats = values === '' ? '' : `,"values":[${values}]`;
        yield `${separator}{"metric":${metricOf(series.labels, texts)}${ofFloats}${histograms}}`;
        separator = ',';
      }
      yield ']';
    }
  }
}

/** Texts that come again and again in one answer, made once each. */
interface Texts {
  readonly quoted: Map<string, string>;
  readonly times: Map<Millis, string>;
}

const MAX_TEXTS = 100_000;

/** A staleness marker says that a series ended; it is no sample that anybody may see. */
function valuesOf({ times, values }: SampledSeries, texts: Texts): string {
  let text = '';
  for (let i = 0; i < times.length; i++) {
    const value = values[i]!;
    if (Number.isNaN(value) && isStaleMarker(values, i)) continue;
    if (text !== '') text += ',';
    text += openPair(times[i]!, texts);
    text += formatValue(value);
    text += '"]';
  }
  return text;
}

function histogramsOf(histograms: HistogramSamples | undefined): string {
  if (histograms === undefined || histograms.times.length === 0) return '';
  const { times, values } = histograms;
  return `,"histograms":[${values.map((histogram, i) => histogramAt(times[i]!, histogram)).join(',')}]`;
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
export function metricOf(labels: Labels, texts?: Pick<Texts, 'quoted'>): string {
  let name = '';
  let others = '';
  for (const [key, value] of labels) {
    const pair = `${quote(key, texts)}:${quote(value, texts)}`;
    if (key === METRIC_NAME) name = pair;
    else others += others === '' ? pair : `,${pair}`;
  }
  return `{${name}${name === '' || others === '' ? '' : ','}${others}}`;
}

function quote(text: string, texts: Pick<Texts, 'quoted'> | undefined): string {
  return texts === undefined ? JSON.stringify(text) : remembered(texts.quoted, text, JSON.stringify);
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

function drained(response: Response): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}
