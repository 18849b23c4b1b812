import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { allBuckets } from '../src/model/histogram-value.ts';
import { compareLabels } from '../src/model/labels.ts';
import { DAY } from '../src/model/time.ts';
import { seededRandom } from '../src/numeric/seeded-random.ts';
import { formatFloat } from '../src/promql/format-float.ts';
import { compacted } from '../src/promql/histograms/scale.ts';
import type { NotedValue } from '../src/rules/series-notation.ts';
import { encodeWriteRequest2 } from '../src/testing/encode-write-request-2.ts';
import { type ApiAnswer, differenceOf } from '../src/testing/promql/compare-answers.ts';
import { type EvalCommand, parseScript, type ScriptCommand } from '../src/testing/promql-script.ts';
import { type ScriptSamples, samplesOf } from '../src/testing/promql-script-load.ts';
import { annotationFault, CONTEXT_CALL, TOLERANCE } from '../src/testing/promql-script-run.ts';
import { encodeWriteRequest } from '../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../src/wire/snappy.ts';
import { type RunningProgram, startingAt, startProgram } from './program.ts';

/*
 * Prometheus's own PromQL tests through the real program, a sample of each file: what they load comes by remote write
 * (2.0 where series have starts), what they evaluate goes over /api/v1/query and /api/v1/query_range. Its clock stands
 * two days after the epoch, where the times of the files begin; each `clear` begins a new tenant.
 */
const FOLDER = '../shared/promqltest';
const SEED = 11;
/** Of each file's evaluations, and no fewer than `LEAST`. */
const SHARE = 0.1;
const LEAST = 4;
const SETTINGS = 'tenancy: {mode: on}\nretention: 30d\n';

let folder: string;
let program: RunningProgram;
beforeAll(async () => {
  if (!existsSync(FOLDER)) return;
  folder = mkdtempSync(join(tmpdir(), 'foresail-upstream-'));
  writeFileSync(join(folder, 'foresail.yaml'), SETTINGS);
  program = await startProgram(['--config', join(folder, 'foresail.yaml')], startingAt(2 * DAY, folder));
});
afterAll(async () => {
  await program?.[Symbol.asyncDispose]();
  if (folder !== undefined) rmSync(folder, { recursive: true });
});

test("a sample of Prometheus's scripts, over HTTP", async ({ skip }) => {
  if (!existsSync(FOLDER)) return skip('there is no ../shared/promqltest beside the checkout');
  const faults: string[] = [];
  let asked = 0;
  for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.test'))) {
    const sections = sectionsOf(parseScript(readFileSync(join(FOLDER, file), 'utf8')));
    const chosen = sampleOf(sections.flat().filter((command) => command.kind === 'eval'));
    for (const [i, section] of sections.entries()) {
      const tenant = `${file.replace('.test', '')}-${i}`;
      const last = section.findLastIndex((command) => command.kind === 'eval' && chosen.has(command));
      for (const command of section.slice(0, last + 1)) {
        if (command.kind === 'load') for (const request of requestsOf(samplesOf(command))) await write(tenant, request);
        if (command.kind !== 'eval' || !chosen.has(command)) continue;
        asked++;
        const fault = await faultOf(tenant, command);
        if (fault !== undefined) faults.push(`${file}:${command.line} ${command.expression}: ${fault}`);
      }
    }
  }
  expect(faults).toEqual([]);
  expect(asked).toBeGreaterThanOrEqual(220);
});

/** What stands between one `clear` and the next. */
function sectionsOf(commands: readonly ScriptCommand[]): (readonly ScriptCommand[])[] {
  const sections: ScriptCommand[][] = [[]];
  for (const command of commands) {
    if (command.kind === 'clear') sections.push([]);
    else sections.at(-1)!.push(command);
  }
  return sections;
}

function sampleOf(evaluations: readonly EvalCommand[]): ReadonlySet<EvalCommand> {
  const random = seededRandom(SEED);
  const left = [...evaluations];
  const chosen = new Set<EvalCommand>();
  const count = Math.min(left.length, Math.max(LEAST, Math.ceil(left.length * SHARE)));
  while (chosen.size < count) chosen.add(left.splice(Math.floor(random() * left.length), 1)[0]!);
  return chosen;
}

/** In order of time, with either floats or histograms of a series in a request. */
function requestsOf(all: readonly ScriptSamples[]): ScriptSamples[][] {
  const requests: ScriptSamples[][] = [];
  for (const { labels, times, values, starts, histograms } of all) {
    let run = 0;
    for (let i = 0, j = 0; i < times.length || j < histograms.length; run++) {
      const [fromFloat, fromHistogram] = [i, j];
      while (i < times.length && !(histograms[j] !== undefined && histograms[j]!.time < times[i]!)) i++;
      if (i === fromFloat)
        while (j < histograms.length && !(times[i] !== undefined && times[i]! <= histograms[j]!.time)) j++;
      requests[run] ??= [];
      requests[run]!.push({
        labels,
        times: times.slice(fromFloat, i),
        values: values.slice(fromFloat, i),
        starts: starts?.slice(fromFloat, i),
        histograms: histograms.slice(fromHistogram, j),
      });
    }
  }
  return requests;
}

async function write(tenant: string, series: readonly ScriptSamples[]): Promise<void> {
  const withStarts = series.some(({ starts }) => starts !== undefined);
  const message = withStarts
    ? encodeWriteRequest2(series.map(({ starts, ...rest }) => ({ ...rest, ...(starts && { starts }) })))
    : encodeWriteRequest(series);
  const kind = withStarts ? ';proto=io.prometheus.write.v2.Request' : '';
  const response = await fetch(`${program.url}/api/v1/write`, {
    method: 'POST',
    headers: {
      'x-scope-orgid': tenant,
      'content-encoding': 'snappy',
      'content-type': `application/x-protobuf${kind}`,
    },
    body: encodeSnappy(message) as Uint8Array<ArrayBuffer>,
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${tenant}: ${response.status} ${text}`);
}

async function faultOf(tenant: string, command: EvalCommand): Promise<string | undefined> {
  const { start, end, stepMs, expression: query } = command;
  const seconds = (ms: number) => String(ms / 1000);
  if (!command.instant) {
    const range = { start: seconds(start), end: seconds(end), step: seconds(stepMs) };
    return answerFault(command, await ask(tenant, 'query_range', { query, ...range }), 'matrix');
  }
  const instant = await ask(tenant, 'query', { query, time: seconds(start) });
  const fault = answerFault(command, instant, instant.data?.resultType ?? '');
  if (fault !== undefined || command.text !== undefined || command.rangeVector !== undefined) return fault;
  if (CONTEXT_CALL.test(query)) return undefined;
  const step = { start: seconds(start), end: seconds(start), step: '1' };
  const overRange = answerFault(command, await ask(tenant, 'query_range', { query, ...step }), 'matrix');
  return overRange && `over a range: ${overRange}`;
}

async function ask(tenant: string, route: string, parameters: Readonly<Record<string, string>>): Promise<ApiAnswer> {
  const response = await fetch(`${program.url}/api/v1/${route}`, {
    method: 'POST',
    headers: { 'x-scope-orgid': tenant },
    body: new URLSearchParams(parameters),
  });
  return { ...((await response.json()) as Omit<ApiAnswer, 'httpStatus'>), httpStatus: response.status };
}

/** @param resultType What the answer is to be: an instant query's may be several, of which the files tell nothing. */
function answerFault(command: EvalCommand, got: ApiAnswer, resultType: string): string | undefined {
  const failures = command.expectations.filter(({ about }) => about === 'fail');
  if (failures.length > 0) {
    const message = (got.error ?? '').replace('invalid parameter "query": ', '');
    if (got.status !== 'error') return 'expected an error, got none';
    return failures.every(({ matches }) => matches(message)) ? undefined : `another error: ${message}`;
  }
  const { warnings = [], infos = [] } = got;
  if (got.status === 'success') {
    const fault = annotationFault(command, { warnings, infos });
    if (fault !== undefined) return fault;
  }
  const data = { resultType, result: resultOf(command, resultType) };
  const ordered = resultType === 'vector' && command.expectations.some(({ about }) => about === 'ordered');
  return differenceOf({ httpStatus: 200, status: 'success', data, warnings, infos }, got, {
    tolerance: TOLERANCE,
    ordered,
  });
}

/** What the files expect, as the API answers it. */
function resultOf(command: EvalCommand, resultType: string): unknown {
  const { start, scalar, text } = command;
  const seconds = start / 1000;
  if (resultType === 'string') return [seconds, text];
  if (resultType === 'scalar') return [seconds, formatFloat(scalar ?? Number.NaN)];
  if (resultType === 'matrix' && scalar !== undefined) {
    return [{ metric: {}, values: [[seconds, formatFloat(scalar)]] }];
  }
  const times = command.rangeVector ?? command;
  // A vector's order is the files' where it says something; a matrix is sorted.
  const series =
    resultType === 'matrix' ? [...command.series].sort((a, b) => compareLabels(a.labels, b.labels)) : command.series;
  return series.map(({ labels, values }) => {
    const metric = Object.fromEntries(labels);
    const points = values.flatMap((value, i) => {
      const point = sentValue(value);
      return point === undefined ? [] : [[(times.start + i * times.stepMs) / 1000, point] as const];
    });
    if (resultType === 'vector') {
      const [point] = points;
      return typeof point?.[1] === 'string' ? { metric, value: point } : { metric, histogram: point };
    }
    const ofFloats = points.filter(([, point]) => typeof point === 'string');
    return { metric, values: ofFloats, histograms: points.filter(([, point]) => typeof point !== 'string') };
  });
}

function sentValue(value: NotedValue): unknown {
  if (typeof value === 'number') return formatFloat(value);
  if (typeof value !== 'object') return undefined;
  const histogram = compacted(value.histogram);
  const buckets = allBuckets(histogram).map(({ lower, upper, lowerInclusive, upperInclusive, count }) => {
    const rule = lowerInclusive ? (upperInclusive ? 3 : 1) : upperInclusive ? 0 : 2;
    return [rule, formatFloat(lower), formatFloat(upper), formatFloat(count)];
  });
  const { count, sum } = histogram;
  return { count: formatFloat(count), sum: formatFloat(sum), ...(buckets.length > 0 && { buckets }) };
}
