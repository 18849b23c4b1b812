import type { HistogramValue } from '../model/histogram-value.ts';
import { type Labels, labelsOf, METRIC_NAME } from '../model/labels.ts';
import { setStaleMarker } from '../model/series.ts';
import { parseDuration } from '../model/time.ts';
import { cursorOf, lastEnd } from '../promql/cursor.ts';
import { parseFloatLabel } from '../promql/format-float.ts';
import { added, subtracted } from '../promql/histograms/add.ts';
import { parseVectorSelector } from '../promql/parse-selector.ts';
import { unquote } from '../promql/unquote.ts';

/** A histogram of a script. Its hint is only compared where the script says one. */
export interface ScriptHistogram {
  readonly histogram: HistogramValue;
  readonly saysHint: boolean;
}

/** A value at one step of a series line. */
export type ScriptValue = number | 'none' | 'stale' | ScriptHistogram;

export interface ScriptSeries {
  readonly labels: Labels;
  readonly values: readonly ScriptValue[];
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
const ITEM = /\{\{[^}]*\}\}(?:[+-]\{\{[^}]*\}\})?(?:x\d+)?|\S+/g;
const HISTOGRAM_ITEM = /^(\{\{[^}]*\}\})(?:([+-])(\{\{[^}]*\}\}))?(?:x(\d+))?$/;
const DURATION = '(?:0|(?:\\d+(?:ms|[smhdwy]))+)';
const START_ITEM = new RegExp(`^([+-]?${DURATION})([+-]${DURATION})?(?:x(\\d+))?$`);
const NUMBER = '(?:(?:\\d+\\.?\\d*|\\.\\d+)(?:[eE][+-]?\\d+)?|[iI][nN][fF]|[nN][aA][nN])';
const SERIES_ITEM = new RegExp(`^([+-]?${NUMBER})([+-]${NUMBER})?(?:x(\\d+))?$`);

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
  const cursor = cursorOf(line.split('{{', 1)[0]!);
  const { matchers, name } = parseVectorSelector(cursor);
  const rest = line.slice(lastEnd(cursor));
  const pairs = matchers.map((matcher) => [matcher.name, matcher.value] as const);
  const labels = labelsOf(name === '' ? pairs : [...pairs, [METRIC_NAME, name]]);
  if (rest.startsWith('@st')) return { labels, offsets: (rest.slice(3).match(ITEM) ?? []).flatMap(parseStart) };
  return { labels, values: (rest.match(ITEM) ?? []).flatMap(parseItem) };
}

function parseItem(item: string): ScriptValue[] {
  if (item === '_') return ['none'];
  const blank = /^_x(\d+)$/.exec(item);
  if (blank !== null) return new Array<ScriptValue>(Number(blank[1])).fill('none');
  const stale = /^stale(?:x(\d+))?$/.exec(item);
  if (stale !== null) return new Array<ScriptValue>(stale[1] === undefined ? 1 : Number(stale[1]) + 1).fill('stale');
  if (item.startsWith('{{')) return parseHistograms(item);
  const [, first, change, count] = SERIES_ITEM.exec(item) ?? fault(item);
  const step = change === undefined ? 0 : parseFloatLabel(change)!;
  const values: ScriptValue[] = [];
  let value = parseFloatLabel(first!)!;
  for (let i = 0; i <= Number(count ?? 0); i++) {
    values.push(value);
    value += step;
  }
  return values;
}

function parseHistograms(item: string): ScriptValue[] {
  const [, first, sign, change, times = '0'] = HISTOGRAM_ITEM.exec(item) ?? fault(item);
  const base = parseHistogram(first!);
  const step = change === undefined ? undefined : parseHistogram(change);
  const { saysHint } = step ?? base;
  const values: ScriptHistogram[] = [{ ...base, saysHint }];
  for (let i = 0, histogram = base.histogram; i < Number(times); i++) {
    if (step !== undefined) {
      const combined = (sign === '-' ? subtracted : added)(histogram, step.histogram);
      histogram = combined === undefined ? fault(item) : combined.value;
    }
    values.push({ histogram, saysHint });
  }
  return values;
}

const HISTOGRAM_FIELD = /(\w+):(\[[^\]]*\]|\S+)/g;

/** A histogram as scripts write it: `{{schema:1 count:3 buckets:[1 2]}}`. */
export function parseHistogram(text: string): ScriptHistogram {
  const fields = new Map<string, string>();
  for (const [, name, value] of text.slice(2, -2).matchAll(HISTOGRAM_FIELD)) fields.set(name!, value!);
  const number = (name: string): number => parseFloatLabel(fields.get(name) ?? '0') ?? fault(text);
  const numbers = (name: string): number[] =>
    (fields.get(name)?.slice(1, -1).match(/\S+/g) ?? []).map((one) => parseFloatLabel(one) ?? fault(text));
  const buckets = (name: string, offset: string) => {
    const counts = numbers(name);
    const first = number(offset);
    return { indices: counts.map((_, i) => first + i), counts };
  };
  const saysHint = fields.has('counter_reset_hint');
  const histogram: HistogramValue = {
    hint: (fields.get('counter_reset_hint') ?? 'unknown') as HistogramValue['hint'],
    ...{ schema: number('schema'), count: number('count'), sum: number('sum') },
    ...{ zeroCount: number('z_bucket'), zeroThreshold: number('z_bucket_w') },
    positive: buckets('buckets', 'offset'),
    negative: buckets('n_buckets', 'n_offset'),
    bounds: numbers('custom_values'),
  };
  return { histogram, saysHint };
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
  values: readonly ScriptValue[],
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
