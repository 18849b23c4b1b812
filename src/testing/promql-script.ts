import type { Labels } from '../model/labels.ts';
import { setStaleMarker } from '../model/series.ts';
import { parseDuration } from '../model/time.ts';
import { parseFloatLabel } from '../promql/format-float.ts';
import { unquote } from '../promql/unquote.ts';
import { type NotedValue, parseSeriesLabels, parseSeriesValues } from '../rules/series-notation.ts';

export interface ScriptSeries {
  readonly labels: Labels;
  readonly values: readonly NotedValue[];
}

/** For each step the start less the sample's time in ms, or undefined where there is none. */
export interface ScriptStarts {
  readonly labels: Labels;
  readonly offsets: readonly (number | undefined)[];
}

export interface LoadCommand {
  readonly kind: 'load';
  readonly stepMs: number;
  readonly series: readonly ScriptSeries[];
  /** Native histograms with custom buckets are to be made of the classic ones. */
  readonly withCustomBuckets: boolean;
  /** How long before each sample (later: below 0) its series began to count, in ms; by the series' labels. 0 is at once. */
  readonly starts: readonly ScriptStarts[];
}

export interface Expectation {
  readonly about: 'fail' | 'warn' | 'info' | 'no_warn' | 'no_info' | 'ordered';
  readonly matches: (text: string) => boolean;
}

export interface EvalCommand {
  readonly kind: 'eval';
  /** From 1. */
  readonly line: number;
  readonly expression: string;
  readonly instant: boolean;
  readonly start: number;
  readonly end: number;
  readonly stepMs: number;
  readonly expectations: readonly Expectation[];
  readonly scalar: number | undefined;
  readonly text: string | undefined;
  /** The instants of the values of an expected range vector. */
  readonly rangeVector: { readonly start: number; readonly end: number; readonly stepMs: number } | undefined;
  readonly series: readonly ScriptSeries[];
}

export type ScriptCommand = { readonly kind: 'clear' } | LoadCommand | EvalCommand;

const LOAD = /^load(_with_nhcb)?\s+(\S+)$/;
const EVAL_INSTANT = /^eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(\S+)\s+)?(.+)$/;
const EVAL_RANGE = /^eval(?:_(fail|warn|info))?\s+range\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+)\s+(.+)$/;
const EXPECT = /^expect\s+(ordered|fail|warn|no_warn|info|no_info)(?:\s+(regex|msg):(.+))?$/;
const EXPECT_RANGE = /^expect range vector\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+)$/;
const DURATION = '(?:0|(?:\\d+(?:ms|[smhdwy]))+)';
const START_ITEM = new RegExp(`^([+-]?${DURATION})([+-]${DURATION})?(?:x(\\d+))?$`);

/** Reads the language of Prometheus's own PromQL tests. */
export function parseScript(text: string): readonly ScriptCommand[] {
  const lines = text.split('\n').map((line) => (line.trim().startsWith('#') ? '' : line.trim()));
  const commands: ScriptCommand[] = [];
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!;
    if (line === '') continue;
    const first = at;
    while (lines[at + 1] !== undefined && lines[at + 1] !== '' && line !== 'clear') at++;
    const body = lines.slice(first + 1, at + 1);
    if (line === 'clear') commands.push({ kind: 'clear' });
    else if (line.startsWith('load')) commands.push(parseLoad(line, body));
    else if (line.startsWith('eval')) {
      const { command, used } = parseEval(line, body, first + 1);
      commands.push(command);
      at = first + used;
    } else throw new RangeError(`line ${first + 1}: not a command: ${line}`);
  }
  return commands;
}

function parseLoad(line: string, body: readonly string[]): LoadCommand {
  const [, nhcb, step] = LOAD.exec(line) ?? fault(line);
  const series: ScriptSeries[] = [];
  const starts: ScriptStarts[] = [];
  for (const text of body) {
    const parsed = parseSeries(text);
    if ('offsets' in parsed) starts.push(parsed);
    else series.push(parsed);
  }
  return { kind: 'load', stepMs: parseTime(step!), series, withCustomBuckets: nhcb !== undefined, starts };
}

function parseEval(line: string, body: readonly string[], number: number): { command: EvalCommand; used: number } {
  const instant = EVAL_INSTANT.exec(line);
  const range = EVAL_RANGE.exec(line);
  const legacy = instant?.[1] ?? range?.[1];
  const expectations: Expectation[] = [];
  if (legacy !== undefined) expectations.push({ about: legacy as Expectation['about'], matches: () => true });
  let scalar: number | undefined;
  let text: string | undefined;
  let rangeVector: EvalCommand['rangeVector'];
  const series: ScriptSeries[] = [];
  let used = 0;
  for (const expected of body) {
    used++;
    const over = EXPECT_RANGE.exec(expected);
    const expectation = EXPECT.exec(expected);
    if (over !== null) {
      rangeVector = { start: parseTime(over[1]!), end: parseTime(over[2]!), stepMs: parseTime(over[3]!) };
    } else if (expected.startsWith('expect string')) {
      const decoded = unquote(expected.slice('expect string'.length).trim());
      if (typeof decoded !== 'string') fault(expected);
      text = decoded as string;
    } else if (expectation !== null) {
      expectations.push(parseExpectation(expectation));
    } else if (parseFloatLabel(expected) !== undefined || /^0x[0-9a-f]+$/i.test(expected)) {
      scalar = parseFloatLabel(expected) ?? Number(expected);
      break;
    } else {
      const parsed = parseSeries(expected);
      if ('offsets' in parsed) fault(expected);
      series.push(parsed as ScriptSeries);
    }
  }
  const shared = { kind: 'eval', line: number, expectations, scalar, text, rangeVector, series } as const;
  if (range !== null) {
    const [, , from, to, step, expression] = range;
    const times = { start: parseTime(from!), end: parseTime(to!), stepMs: parseTime(step!) };
    return { used, command: { ...shared, ...times, instant: false, expression: expression! } };
  }
  if (instant === null) fault(line);
  const time = instant![2] === undefined ? 0 : parseTime(instant![2]);
  return { used, command: { ...shared, start: time, end: time, stepMs: 1, instant: true, expression: instant![3]! } };
}

function parseExpectation([, about, how, argument]: RegExpExecArray): Expectation {
  const wanted = argument?.trim() ?? '';
  const kind = about as Expectation['about'];
  if (how === 'msg') return { about: kind, matches: (text) => text === wanted };
  if (how === 'regex') return { about: kind, matches: (text) => new RegExp(wanted).test(text) };
  return { about: kind, matches: () => true };
}

function parseSeries(line: string): ScriptSeries | ScriptStarts {
  // A histogram's double braces are no part of a selector.
  const { labels, end } = parseSeriesLabels(line.split('{{', 1)[0]!);
  const rest = line.slice(end);
  if (rest.startsWith('@st')) return { labels, offsets: (rest.slice(3).match(/\S+/g) ?? []).flatMap(parseStart) };
  return { labels, values: parseSeriesValues(rest) };
}

function parseStart(item: string): (number | undefined)[] {
  if (item === '_') return [undefined];
  const blank = /^_x(\d+)$/.exec(item);
  if (blank !== null) return new Array<undefined>(Number(blank[1])).fill(undefined);
  const [, first, change, times = '0'] = START_ITEM.exec(item) ?? fault(item);
  const step = change === undefined ? 0 : signedDuration(change);
  return Array.from({ length: Number(times) + 1 }, (_, i) => signedDuration(first!) + i * step);
}

function signedDuration(text: string): number {
  const size = text.replace(/^[+-]/, '');
  const ms = size === '0' ? 0 : parseDuration(size);
  return text.startsWith('-') ? -ms : ms;
}

/** The columns of a series line's floats, `stepMs` apart. */
export function columnsOf(
  values: readonly NotedValue[],
  stepMs: number,
): { times: Float64Array; values: Float64Array } {
  const at = [...values.keys()].filter((i) => values[i] !== 'none' && typeof values[i] !== 'object');
  const columns = new Float64Array(at.length);
  at.forEach((from, to) => {
    const value = values[from]!;
    if (typeof value === 'number') columns[to] = value;
    else setStaleMarker(columns, to);
  });
  return { times: Float64Array.from(at, (i) => i * stepMs), values: columns };
}

function parseTime(text: string): number {
  return /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) * 1000 : parseDuration(text);
}

function fault(text: string): never {
  throw new RangeError(`not in the language of PromQL tests: ${text}`);
}
