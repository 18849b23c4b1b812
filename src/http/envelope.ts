import type { Response } from 'express';
import { type Labels, METRIC_NAME } from '../model/labels.ts';
import type { QueryResult, QueryValue } from '../model/query-result.ts';
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
  switch (value.kind) {
    case 'scalar':
      yield pair(value.time, formatValue(value.value));
      return;
    case 'string':
      yield `[${formatTime(value.time)},${JSON.stringify(value.value)}]`;
      return;
    case 'vector': {
      yield '[';
      let separator = '';
      for (const { labels, time, value: number } of value.samples) {
        yield `${separator}{"metric":${metricOf(labels)},"value":${pair(time, formatValue(number))}}`;
        separator = ',';
      }
      yield ']';
      return;
    }
    case 'matrix': {
      yield '[';
      let separator = '';
      for (const series of value.series) {
        const values = valuesOf(series);
        if (values === '') continue;
        yield `${separator}{"metric":${metricOf(series.labels)},"values":[${values}]}`;
        separator = ',';
      }
      yield ']';
    }
  }
}

/** A staleness marker says that a series ended; it is no sample that anybody may see. */
function valuesOf({ times, values }: SampledSeries): string {
  let text = '';
  for (let i = 0; i < times.length; i++) {
    const value = values[i]!;
    if (Number.isNaN(value) && isStaleMarker(values, i)) continue;
    text += `${text === '' ? '' : ','}${pair(times[i]!, formatValue(value))}`;
  }
  return text;
}

/** Label names in order, the metric's name first where it is there, as JSON. */
export function metricOf(labels: Labels): string {
  const name = labels.find(([key]) => key === METRIC_NAME);
  const others = labels.filter(([key]) => key !== METRIC_NAME);
  const all = name === undefined ? others : [name, ...others];
  return `{${all.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`;
}

function pair(time: Millis, value: string): string {
  return `[${formatTime(time)},"${value}"]`;
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
