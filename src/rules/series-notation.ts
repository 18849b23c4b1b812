import { CUSTOM_BUCKETS, type HistogramValue } from '../model/histogram-value.ts';
import { type Labels, labelsOf, METRIC_NAME } from '../model/labels.ts';
import { cursorOf, lastEnd } from '../promql/cursor.ts';
import { parseFloatLabel } from '../promql/format-float.ts';
import { added, subtracted } from '../promql/histograms/add.ts';
import { parseVectorSelector } from '../promql/parse-selector.ts';

/** A histogram as it is written. Its hint is only compared where the text says one. */
export interface NotedHistogram {
  readonly histogram: HistogramValue;
  readonly saysHint: boolean;
}

/** A value at one step of a series. */
export type NotedValue = number | 'none' | 'stale' | NotedHistogram;

/** A text is not in the notation of series that Prometheus's tests have. */
class NotationError extends Error {
  override readonly name = 'NotationError';
}

const HISTOGRAM = String.raw`\{\{[^}]*\}\}`;
const DIGITS = String.raw`\d[\d_]*`;
const NUMBER = String.raw`(?:(?:${DIGITS}\.?[\d_]*|\.${DIGITS})(?:[eE][+-]?\d+)?|[iI][nN][fF]|[nN][aA][nN])`;
const ITEM = /(?:\{\{[^}]*\}\}|[^\s{}])+|\S/g;
const BLANK = /^_(?:x(\d+))?$/;
const NUMBER_ITEM = new RegExp(`^([+-]?${NUMBER})([+-]${NUMBER})?(?:x(\\d+))?$`);
const HISTOGRAM_ITEM = new RegExp(`^(${HISTOGRAM})(?:([+-])(${HISTOGRAM}))?(?:x(\\d+))?$`);
const FIELD = /\s*(\w+):(\[[^\]]*\]|[^\s\]}]+)/y;
const HINTS: readonly string[] = ['unknown', 'reset', 'not_reset', 'gauge'];
/** One line may ask for a great many values. */
const MOST_VALUES = 10_000_000;

/**
 * The labels of a series: `up{job="api"}`, with `=` alone.
 * @returns Also where the text goes on behind it.
 * @throws {NotationError | QueryError} If the text is not that.
 */
export function parseSeriesLabels(text: string): { readonly labels: Labels; readonly end: number } {
  if (text.trim() === '') return { labels: [], end: text.length };
  const cursor = cursorOf(text);
  const { matchers, name, span } = parseVectorSelector(cursor);
  const wrong = matchers.find(({ op }) => op !== '=');
  if (wrong !== undefined)
    throw new NotationError(`expected "=" in a series, got ${JSON.stringify(wrong.op)} in ${text}`);
  const pairs = matchers.map((matcher) => [matcher.name, matcher.value] as const);
  const end = Math.max(span.end, lastEnd(cursor));
  return { labels: labelsOf(name === '' ? pairs : [...pairs, [METRIC_NAME, name]]), end };
}

/**
 * The values of a series, a step apart: `1 2+1x3 _ stale {{schema:1 count:2 buckets:[2]}}x2`.
 * @throws {NotationError} Says which item is none.
 */
export function parseSeriesValues(text: string): NotedValue[] {
  const values: NotedValue[] = [];
  for (const item of text.match(ITEM) ?? []) {
    for (const value of parseItem(item)) values.push(value);
    if (values.length > MOST_VALUES) throw new NotationError(`more than ${MOST_VALUES} values`);
  }
  return values;
}

function parseItem(item: string): readonly NotedValue[] {
  const blank = BLANK.exec(item);
  if (blank !== null) return repeated('none', countOf(blank[1] ?? '1'));
  if (item === 'stale') return ['stale'];
  if (item.startsWith('{{')) return parseHistograms(item);
  const [, first, change, times] = NUMBER_ITEM.exec(item) ?? fault(item);
  // A word takes what follows it: `NaNx5` is one word.
  if ((change !== undefined && times === undefined) || /[a-z]x/i.test(item)) fault(item);
  const step = change === undefined ? 0 : numberOf(change);
  const values: number[] = [];
  let value = numberOf(first!);
  for (let i = countOf(times ?? '0'); i >= 0; i--) {
    values.push(value);
    value += step;
  }
  return values;
}

function parseHistograms(item: string): readonly NotedValue[] {
  const [, first, sign, change, times] = HISTOGRAM_ITEM.exec(item) ?? fault(item);
  if (change !== undefined && times === undefined) fault(item);
  const base = parseHistogram(first!);
  const step = change === undefined ? undefined : parseHistogram(change);
  const { saysHint } = step ?? base;
  const values: NotedHistogram[] = [{ ...base, saysHint }];
  for (let i = countOf(times ?? '0'), { histogram } = base; i > 0; i--) {
    if (step !== undefined) {
      const combined = (sign === '-' ? subtracted : added)(histogram, step.histogram);
      histogram = combined === undefined ? fault(item) : combined.value;
    }
    values.push({ histogram, saysHint });
  }
  return values;
}

const KEYS: readonly string[] = [
  ...['schema', 'sum', 'count', 'z_bucket', 'z_bucket_w', 'custom_values', 'counter_reset_hint'],
  ...['buckets', 'offset', 'n_buckets', 'n_offset'],
];

/** A histogram as tests write it: `{{schema:1 count:3 buckets:[1 2]}}`. */
export function parseHistogram(text: string): NotedHistogram {
  const inner = text.slice(2, -2).trimEnd();
  const fields = new Map<string, string>();
  FIELD.lastIndex = 0;
  while (FIELD.lastIndex < inner.length) {
    const [, key, value] = FIELD.exec(inner) ?? fault(text);
    if (!KEYS.includes(key!)) throw new NotationError(`bad histogram descriptor found: ${JSON.stringify(key)}`);
    if (fields.has(key!)) throw new NotationError(`duplicate key ${JSON.stringify(key)} in histogram`);
    fields.set(key!, value!);
  }
  const number = (key: string): number => numberOf(fields.get(key) ?? '0', text);
  const whole = (key: string): number => {
    const value = number(key);
    return Number.isInteger(value) ? value : fault(text);
  };
  const numbers = (key: string): number[] => {
    const list = fields.get(key);
    if (list === undefined) return [];
    const items = list.slice(1, -1).match(/\S+/g);
    return items === null || list[0] !== '[' ? fault(text) : items.map((one) => numberOf(one, text));
  };
  const buckets = (key: string, offset: string) => {
    const counts = numbers(key);
    const first = whole(offset);
    return { indices: counts.map((_, i) => first + i), counts };
  };
  const saysHint = fields.has('counter_reset_hint');
  const hint = fields.get('counter_reset_hint') ?? 'unknown';
  if (!HINTS.includes(hint)) fault(text);
  const schema = whole('schema');
  if (schema !== CUSTOM_BUCKETS && (schema < -4 || schema > 8)) {
    const range = 'which must be between -4 and 8 for exponential buckets, or -53 for custom buckets';
    throw new NotationError(`histogram has an invalid schema, ${range}, got schema ${schema}`);
  }
  const histogram: HistogramValue = {
    hint: hint as HistogramValue['hint'],
    ...{ schema, count: number('count'), sum: number('sum') },
    ...{ zeroCount: number('z_bucket'), zeroThreshold: number('z_bucket_w') },
    positive: buckets('buckets', 'offset'),
    negative: buckets('n_buckets', 'n_offset'),
    bounds: numbers('custom_values'),
  };
  return { histogram, saysHint };
}

function repeated(value: NotedValue, count: number): readonly NotedValue[] {
  return new Array<NotedValue>(count).fill(value);
}

function countOf(text: string): number {
  const count = Number(text);
  if (count > MOST_VALUES) throw new NotationError(`more than ${MOST_VALUES} values`);
  return count;
}

function numberOf(text: string, whole = text): number {
  return parseFloatLabel(text.replaceAll('_', '')) ?? fault(whole);
}

function fault(text: string): never {
  throw new NotationError(`not in the notation of series: ${text}`);
}
