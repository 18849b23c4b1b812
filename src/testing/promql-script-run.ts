import type { HistogramValue } from '../model/histogram-value.ts';
import { compareLabels, formatLabels, labelsKey } from '../model/labels.ts';
import type { QueryResult, ResultSeries, VectorSample } from '../model/query-result.ts';
import { MINUTE } from '../model/time.ts';
import { type At, childrenOf, type Expr } from '../promql/ast.ts';
import { compacted } from '../promql/histograms/scale.ts';
import { formatHistogram } from '../promql/histograms/text.ts';
import { almostEqual } from '../promql/numeric.ts';
import { parseQuery } from '../promql/parse.ts';
import { formatExpr } from '../promql/print.ts';
import type { NotedValue } from '../rules/series-notation.ts';
import type { TenantStorage } from '../storage/storage.ts';
import { memoryTenant } from './memory-storage.ts';
import { type EvalCommand, parseScript } from './promql-script.ts';
import { hasHistograms, load } from './promql-script-load.ts';

export interface ScriptOutcome {
  readonly line: number;
  readonly expression: string;
  /** Neither loads nor expects native histograms. */
  readonly floats: boolean;
  /** What went wrong, or undefined. */
  readonly fault: string | undefined;
}

/** Two results are the same within this share of their sum. */
export const TOLERANCE = 1e-6;
/** Functions whose value changes with the instant even if their arguments do not. */
const TIME_FUNCTIONS = new Set([
  ...['days_in_month', 'day_of_month', 'day_of_week', 'day_of_year', 'hour', 'minute', 'month', 'year'],
  ...['end', 'start', 'range', 'step', 'predict_linear', 'time', 'timestamp'],
]);
export const CONTEXT_CALL = /(?:start|end|range|step)\(\)/;

/**
 * Runs a script against a fresh store for each `clear`. As in Prometheus's own harness, every instant query is also
 * run with all selectors pinned by `@` at five other instants, and all of these as the middle step of a range query.
 */
export async function runScript(text: string): Promise<readonly ScriptOutcome[]> {
  const outcomes: ScriptOutcome[] = [];
  let store = memoryTenant();
  let histograms = false;
  for (const command of parseScript(text)) {
    switch (command.kind) {
      case 'clear':
        store = memoryTenant();
        histograms = false;
        break;
      case 'load':
        histograms ||= hasHistograms(command);
        await load(store, command);
        break;
      case 'eval': {
        const { line, expression, series } = command;
        const expected = series.some(({ values }) => values.some((value) => typeof value === 'object'));
        const fault = await faultOf(store, command);
        outcomes.push({ line, expression, floats: !histograms && !expected, fault });
      }
    }
  }
  return outcomes;
}

async function faultOf(store: TenantStorage, command: EvalCommand): Promise<string | undefined> {
  if (!command.instant) return runRange(store, command);
  for (const { expression, time } of variantsOf(command)) {
    const fault = await runInstant(store, command, expression, time);
    if (fault !== undefined) return `${expression} at ${time / 1000}: ${fault}`;
  }
  return undefined;
}

async function runRange(store: TenantStorage, command: EvalCommand): Promise<string | undefined> {
  const { expression, start, end, stepMs } = command;
  const answer = await attempt(() => store.range(expression, { start, end, stepMs }));
  const fault = failureFault(command, answer);
  if (fault !== 'continue') return fault;
  const result = answer as QueryResult;
  return annotationFault(command, result) ?? matrixFault(command, (result.value as Matrix).series, command);
}

async function runInstant(
  store: TenantStorage,
  command: EvalCommand,
  expression: string,
  time: number,
): Promise<string | undefined> {
  const answer = await attempt(() => store.instant(expression, time));
  const failure = failureFault(command, answer);
  if (failure !== 'continue') return failure;
  const result = answer as QueryResult;
  const ordered = command.expectations.some(({ about }) => about === 'ordered');
  const fault = annotationFault(command, result) ?? valueFault(command, result, ordered);
  if (fault !== undefined || command.text !== undefined || command.rangeVector !== undefined) return fault;
  if (CONTEXT_CALL.test(expression)) return undefined;

  const around = { start: time - MINUTE, end: time + MINUTE, stepMs: MINUTE };
  const asRange = await attempt(() => store.range(expression, around));
  if (asRange instanceof Error) return `in range mode: ${asRange.message}`;
  if (ordered) return undefined;
  const { series } = asRange.value as Matrix;
  const samples = series.flatMap(({ labels, times, values, histograms }): VectorSample[] => {
    const at = times.indexOf(time);
    if (at !== -1) return [{ labels, time, value: values[at]! }];
    const other = histograms?.times.indexOf(time) ?? -1;
    return other === -1 ? [] : [{ labels, time, value: Number.NaN, histogram: histograms!.values[other] }];
  });
  const middle =
    result.value.kind === 'scalar' ? scalarFault(command, samples[0]?.value) : vectorFault(command, samples, false);
  return middle === undefined ? undefined : `in range mode: ${middle}`;
}

type Matrix = { readonly kind: 'matrix'; readonly series: readonly ResultSeries[] };

async function attempt(run: () => Promise<QueryResult>): Promise<QueryResult | Error> {
  try {
    return await run();
  } catch (error) {
    return error as Error;
  }
}

function failureFault({ expectations }: EvalCommand, answer: QueryResult | Error): string | undefined | 'continue' {
  const wanted = expectations.filter(({ about }) => about === 'fail');
  if (answer instanceof Error) {
    if (wanted.length === 0) return answer.message;
    if (/not implemented yet/.test(answer.message)) return answer.message;
    return wanted.every(({ matches }) => matches(answer.message)) ? undefined : `another error: ${answer.message}`;
  }
  return wanted.length === 0 ? 'continue' : 'expected an error, got none';
}

/** What of the warnings and infos of an answer is not as expected. */
export function annotationFault(
  { expectations }: EvalCommand,
  { warnings, infos }: Pick<QueryResult, 'warnings' | 'infos'>,
): string | undefined {
  for (const [about, none, texts] of [['warn', 'no_warn', warnings] as const, ['info', 'no_info', infos] as const]) {
    const wanted = expectations.filter((expectation) => expectation.about === about);
    for (const { matches } of wanted) if (!texts.some(matches)) return `no such ${about} annotation: [${texts}]`;
    if (wanted.length > 0) {
      const extra = texts.find((text) => !wanted.some(({ matches }) => matches(text)));
      if (extra !== undefined) return `unexpected ${about} annotation: ${extra}`;
    }
    if (expectations.some((expectation) => expectation.about === none) && texts.length > 0) {
      return `unexpected ${about} annotation: ${texts}`;
    }
  }
  return undefined;
}

function valueFault(command: EvalCommand, { value }: QueryResult, ordered: boolean): string | undefined {
  switch (value.kind) {
    case 'string':
      return value.value === command.text ? undefined : `expected ${command.text}, got ${value.value}`;
    case 'scalar':
      return scalarFault(command, value.value);
    case 'vector':
      return vectorFault(command, value.samples, ordered);
    case 'matrix':
      return matrixFault(command, value.series, command.rangeVector ?? command);
  }
}

function scalarFault({ scalar }: EvalCommand, value: number | undefined): string | undefined {
  if (scalar !== undefined && value !== undefined && almostEqual(scalar, value, TOLERANCE)) return undefined;
  return `expected the scalar ${scalar}, got ${value}`;
}

function vectorFault({ scalar, series }: EvalCommand, samples: readonly VectorSample[], ordered: boolean) {
  if (scalar !== undefined) return 'expected a scalar, got a vector';
  const expected = new Map(series.map((one, at) => [labelsKey(one.labels), { at, value: one.values[0] }]));
  for (const [at, { labels, ...sample }] of samples.entries()) {
    const key = labelsKey(labels);
    const wanted = expected.get(key);
    const value = sample.histogram ?? sample.value;
    if (wanted === undefined) return `unexpected ${formatLabels(labels)} ${text(value)}`;
    if (ordered && wanted.at !== at) return `expected ${formatLabels(labels)} at place ${wanted.at}, got ${at}`;
    if (!sameValue(wanted.value, value)) {
      return `expected ${text(wanted.value)} for ${formatLabels(labels)}, got ${text(value)}`;
    }
  }
  const found = new Set(samples.map(({ labels }) => labelsKey(labels)));
  if (found.size < samples.length) return 'a label set comes twice';
  const missing = series.find(({ labels }) => !found.has(labelsKey(labels)));
  return missing === undefined ? undefined : `missing ${formatLabels(missing.labels)}`;
}

function matrixFault(
  { series }: EvalCommand,
  got: readonly ResultSeries[],
  { start, stepMs }: { readonly start: number; readonly stepMs: number },
): string | undefined {
  const expected = new Map(series.map((one) => [labelsKey(one.labels), one]));
  for (const [i, series] of got.entries()) {
    const { labels } = series;
    if (i > 0 && compareLabels(got[i - 1]!.labels, labels) > 0) return 'not sorted by labels';
    const wanted = expected.get(labelsKey(labels));
    const values = valuesByTime(series);
    const texts = [...values].map(([time, value]) => `${text(value)} at ${time}`).join(', ');
    if (wanted === undefined) return `unexpected ${formatLabels(labels)} ${texts}`;
    const at = [...wanted.values.keys()].filter((step) => wanted.values[step] !== 'none');
    const same =
      at.length === values.size &&
      at.every((step) => sameValue(wanted.values[step], values.get(start + step * stepMs)));
    if (!same) return `expected ${wanted.values.map(text).join(' ')} for ${formatLabels(labels)}, got ${texts}`;
  }
  const found = new Set(got.map(({ labels }) => labelsKey(labels)));
  const missing = series.find(({ labels }) => !found.has(labelsKey(labels)));
  return missing === undefined ? undefined : `missing ${formatLabels(missing.labels)}`;
}

function valuesByTime({ times, values, histograms }: ResultSeries): ReadonlyMap<number, number | HistogramValue> {
  const all = new Map<number, number | HistogramValue>();
  for (const [i, time] of times.entries()) all.set(time, values[i]!);
  for (const [i, time] of histograms?.times.entries() ?? []) all.set(time, histograms!.values[i]!);
  return all;
}

function sameValue(wanted: NotedValue | undefined, value: number | HistogramValue | undefined): boolean {
  if (typeof wanted === 'number') return typeof value === 'number' && almostEqual(wanted, value, TOLERANCE);
  if (typeof wanted !== 'object' || typeof value !== 'object') return false;
  const a = compacted(wanted.histogram);
  const b = compacted(value);
  const pairs = [
    ...[[a.schema, b.schema] as const, [a.count, b.count] as const, [a.sum, b.sum] as const],
    ...[[a.zeroThreshold, b.zeroThreshold] as const, [a.zeroCount, b.zeroCount] as const],
  ];
  return (
    pairs.every(([x, y]) => almostEqual(x, y, TOLERANCE)) &&
    [a.bounds, a.positive.indices, a.negative.indices].join(' ') ===
      [b.bounds, b.positive.indices, b.negative.indices].join(' ') &&
    (['positive', 'negative'] as const).every((side) =>
      a[side].counts.every((count, i) => almostEqual(count, b[side].counts[i]!, TOLERANCE)),
    ) &&
    (!wanted.saysHint || a.hint === b.hint)
  );
}

function text(value: NotedValue | HistogramValue | undefined): string {
  if (typeof value !== 'object') return String(value);
  const { schema, hint, zeroThreshold, ...rest } = 'histogram' in value ? value.histogram : value;
  return `{{schema ${schema} ${hint} ${zeroThreshold} ${formatHistogram({ schema, hint, zeroThreshold, ...rest })}}}`;
}

function variantsOf({ expression, start: time }: EvalCommand): { expression: string; time: number }[] {
  const plain = { expression, time };
  let expr: Expr;
  try {
    expr = parseQuery(expression);
  } catch {
    return [plain];
  }
  if (callsTime(expr)) return [plain];
  const pinned = formatExpr(pin(expr, { kind: 'time', time }));
  const times = time === 0 ? [-1000, 0, 1000] : [-10 * time, 0, Math.trunc(time / 5), time, 10 * time];
  return [plain, ...times.map((other) => ({ expression: pinned, time: other }))];
}

function callsTime(expr: Expr): boolean {
  return (expr.kind === 'call' && TIME_FUNCTIONS.has(expr.name)) || childrenOf(expr).some(callsTime);
}

/** Every selector and subquery that has no `@` yet, but for those inside of a subquery. */
function pin(expr: Expr, at: At): Expr {
  switch (expr.kind) {
    case 'number':
    case 'string':
      return expr;
    case 'selector':
    case 'subquery':
      return { ...expr, at: expr.at ?? at };
    case 'matrix':
      return { ...expr, selector: { ...expr.selector, at: expr.selector.at ?? at } };
    case 'paren':
      return { ...expr, inner: pin(expr.inner, at) };
    case 'unary':
      return { ...expr, operand: pin(expr.operand, at) };
    case 'binary':
      return { ...expr, left: pin(expr.left, at), right: pin(expr.right, at) };
    case 'call':
      return { ...expr, args: expr.args.map((arg) => pin(arg, at)) };
    case 'aggregate':
      return {
        ...expr,
        operand: pin(expr.operand, at),
        parameter: expr.parameter === undefined ? undefined : pin(expr.parameter, at),
      };
  }
}
