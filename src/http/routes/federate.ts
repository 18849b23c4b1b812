import type { Router } from 'express';
import { type Labels, labelValue, METRIC_NAME } from '../../model/labels.ts';
import { isStaleMarker, type SelectedSeries, upperBound } from '../../model/series.ts';
import { MINUTE, type Millis } from '../../model/time.ts';
import { finishPaced, sortedInPieces } from '../../model/work.ts';
import type { HttpDeps } from '../deps.ts';
import { drained, formatValue } from '../envelope.ts';
import { BadParameterError } from '../errors.ts';
import { mergeExternalLabels } from '../external-labels.ts';
import { parametersOf } from '../parameters.ts';
import { mount } from '../route.ts';
import { matcherSetsOf } from './label-question.ts';

export type FederateRouteDeps = Pick<
  HttpDeps,
  'callerOf' | 'storage' | 'parseSelector' | 'now' | 'queries' | 'externalLabels'
>;

/** As far back as an instant looks for a sample. */
const LOOKBACK_MS = 5 * MINUTE;
const PLAIN_METRIC = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const PLAIN_LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const LINES_AT_ONCE = 100;

/**
 * `GET /federate`: the newest sample of each series that a `match[]` selects, in the text format with its time, for a
 * Prometheus to scrape with `honor_labels: true`. Native histograms have no text form, and are left out.
 */
export function federateRoute(router: Router, deps: FederateRouteDeps): void {
  const { callerOf, storage, now, queries, externalLabels } = deps;
  mount(router, '/federate', {
    GET: async (request, response) => {
      const { tenant } = callerOf(request);
      const parameters = parametersOf(request);
      const matcherSets = matcherSetsOf(parameters, deps);
      if (matcherSets.length === 0) throw new BadParameterError('match[]', 'no match[] parameter provided');
      const range = { start: now() - LOOKBACK_MS + 1, end: now() };
      const text = parameters.getAll('match[]').join(' ');
      await queries.run(response, { kind: 'federate', tenant, text, range }, undefined, async (run) => {
        const reader = storage.tenant(tenant);
        const { pause } = run;
        const newest = new Map<string, string>();
        let left = run.limits.maxSamples;
        for (const [i, matchers] of matcherSets.entries()) {
          const began = performance.now();
          const options = { maxSamples: left, signal: run.signal, pause };
          const found = await reader.select(matchers, range, options);
          let samples = 0;
          for (const { chunks } of found) for (const { times } of chunks) samples += times.length;
          left -= Math.min(left, samples);
          run.selected(parameters.getAll('match[]')[i]!, found.length, samples, performance.now() - began);
          for (const series of found) {
            const sample = newestOf(series, range.end, range.start);
            if (sample === undefined) continue;
            const name = labelValue(series.labels, METRIC_NAME);
            const labels = seriesText(mergeExternalLabels(series.labels, externalLabels), name);
            newest.set(labels, `${labels} ${formatValue(sample.value)} ${sample.time}\n`);
            const rest = pause();
            if (rest !== undefined) await rest;
            run.signal.throwIfAborted();
          }
        }
        run.phase('answer');
        response.status(200).set('Content-Type', 'text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8');
        const lines = await finishPaced(sortedInPieces([...newest], byName), run);
        for (const piece of texts(lines)) {
          if (!response.write(piece)) await drained(response);
          const rest = pause();
          if (rest !== undefined) await rest;
          run.signal.throwIfAborted();
        }
        response.end();
      });
    },
  });
}

/** Undefined where there is none, or the series has ended. */
function newestOf({ chunks }: SelectedSeries, end: Millis, start: Millis): { time: Millis; value: number } | undefined {
  for (let i = chunks.length - 1; i >= 0; i--) {
    const { times, values } = chunks[i]!;
    const at = upperBound(times, end) - 1;
    if (at < 0) continue;
    if (times[at]! < start || isStaleMarker(values, at)) return undefined;
    return { time: times[at]!, value: values[at]! };
  }
  return undefined;
}

/** What stands before the value, and the whole. */
type Line = readonly [series: string, line: string];

function byName([a]: Line, [b]: Line): number {
  return a < b ? -1 : 1;
}

/** Lines in order, so that those of a metric stand together behind its type. */
function* texts(lines: readonly Line[]): Generator<string> {
  let piece = '';
  let count = 0;
  let family = '';
  for (const [series, line] of lines) {
    const name = nameOf(series);
    if (name !== family) piece += `# TYPE ${name} untyped\n`;
    family = name;
    piece += line;
    if (++count % LINES_AT_ONCE > 0) continue;
    yield piece;
    piece = '';
  }
  yield piece;
}

function nameOf(series: string): string {
  if (!series.startsWith('{"')) return series.slice(0, series.indexOf('{'));
  return /^\{("(?:[^"\\]|\\.)*")/.exec(series)![1]!;
}

/** Without an `instance` it has an empty one: else its reader would put its own in. */
function seriesText(labels: Labels, name: string): string {
  const plain = PLAIN_METRIC.test(name);
  const parts = plain ? [] : [quoted(name)];
  for (const [key, value] of labels) {
    if (key !== METRIC_NAME) parts.push(`${PLAIN_LABEL.test(key) ? key : quoted(key)}=${quoted(value)}`);
  }
  if (labelValue(labels, 'instance') === '') parts.push('instance=""');
  return `${plain ? name : ''}{${parts.join(',')}}`;
}

function quoted(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
}
