import { compareLabels, type Labels } from '../model/labels.ts';
import type { QueryResult, VectorSample } from '../model/query-result.ts';
import { formatDuration } from '../model/time.ts';
import { evaluatorOver } from '../promql/run.ts';
import { activeAlerts, sortedPairs } from './alerting.ts';
import { evaluateGroup, NO_MEMORY, type RuleMemory, type RuleWorld, vectorOf } from './evaluate-group.ts';
import { formatHistogramNotation } from './histogram-notation.ts';
import type { Place, RuleGroup } from './rule-file.ts';
import { type BookValue, openSeriesBook, type SeriesBook } from './series-book.ts';
import { type NotedValue, parseSeriesLabels, parseSeriesValues } from './series-notation.ts';
import type { AlertCase, ExpectedSample, ExpressionCase, RuleTest, TestFile } from './test-file.ts';

/** An alert as a test compares it. */
export interface SeenAlert {
  readonly labels: Labels;
  readonly annotations: Labels;
}

/** A sample as a test compares it: a float, or a histogram in the notation of tests. */
export interface SeenSample {
  readonly labels: Labels;
  readonly value: number;
  readonly histogram: string | undefined;
}

/** Why a test does not pass. */
export type TestFailure =
  | {
      readonly kind: 'alerts';
      readonly place: Place;
      readonly alertname: string;
      readonly atMs: number;
      readonly expected: readonly SeenAlert[];
      readonly got: readonly SeenAlert[];
    }
  | {
      readonly kind: 'samples';
      readonly place: Place;
      readonly expression: string;
      readonly atMs: number;
      readonly expected: readonly SeenSample[];
      readonly got: readonly SeenSample[];
    }
  | { readonly kind: 'error'; readonly place: Place; readonly message: string };

interface Run {
  readonly test: RuleTest;
  readonly file: TestFile;
  readonly groups: readonly RuleGroup[];
  readonly book: SeriesBook;
  readonly query: (expression: string, time: number) => Promise<QueryResult>;
  readonly failures: TestFailure[];
}

/**
 * Runs one test: loads its series step by step, evaluates the groups as time goes by, and compares. Groups are in the
 * order in which they are evaluated (`orderedGroups`).
 */
export async function runTest(
  test: RuleTest,
  file: TestFile,
  groups: readonly RuleGroup[],
): Promise<readonly TestFailure[]> {
  const unnamed = test.alerts.find(({ alertname }) => alertname === '');
  if (unnamed !== undefined) {
    const message = `an item under alert_rule_test misses required attribute alertname at eval_time ${formatDuration(unnamed.atMs)}`;
    return [{ kind: 'error', place: unnamed.place, message }];
  }
  const book = openSeriesBook();
  const { instant } = evaluatorOver(book, { subqueryStepMs: file.evaluationIntervalMs });
  const run: Run = { test, file, groups, book, query: (query, time) => instant(query, time), failures: [] };
  const input = readInput(run);
  if (input === undefined) return run.failures;
  if (!(await evaluateRules(run, input))) return run.failures;
  for (const expression of test.expressions) await checkExpression(run, expression);
  return run.failures;
}

/** In the order that a file of tests says; those that it does not name come first. */
export function orderedGroups(groups: readonly RuleGroup[], order: readonly string[]): readonly RuleGroup[] {
  const rank = ({ name }: RuleGroup) => Math.max(0, order.indexOf(name));
  return [...groups].sort((a, b) => rank(a) - rank(b));
}

interface InputSeries {
  readonly labels: Labels;
  readonly values: readonly NotedValue[];
  next: number;
}

function readInput({ test, failures }: Run): readonly InputSeries[] | undefined {
  const input: InputSeries[] = [];
  for (const { place, series, values } of test.input) {
    try {
      const { labels, end } = parseSeriesLabels(series);
      if (series.slice(end).trim() !== '')
        throw new RangeError(`unexpected ${JSON.stringify(series.slice(end).trim())}`);
      input.push({ labels, values: parseSeriesValues(values), next: 0 });
    } catch (error) {
      const message = `cannot read input series ${JSON.stringify(series)}: ${(error as Error).message}`;
      failures.push({ kind: 'error', place, message });
    }
  }
  return failures.length > 0 ? undefined : input;
}

/** False: a rule could not be evaluated, and the test ends there. */
async function evaluateRules(run: Run, input: readonly InputSeries[]): Promise<boolean> {
  const { test, file, groups, failures } = run;
  const { start } = test;
  const intervalMs = file.evaluationIntervalMs;
  const end = start + Math.max(0, ...[...test.alerts, ...test.expressions].map(({ atMs }) => atMs));
  const cases = [...test.alerts].sort((a, b) => a.atMs - b.atMs);
  const world = worldOf(run);
  const memories = groups.map(({ rules }): readonly RuleMemory[] => rules.map(() => NO_MEMORY));
  let next = 0;
  for (let now = start; now <= end; now += intervalMs) {
    loadTill(run, input, now);
    const before = failures.length;
    for (const [i, group] of groups.entries()) {
      memories[i] = await evaluateGroup(group, memories[i]!, now, world);
      for (const [k, { error }] of memories[i].entries()) {
        const { name } = group.rules[k]!;
        if (error === undefined) continue;
        failures.push({
          kind: 'error',
          place: test.place,
          message: `rule: ${name}, time: ${formatDuration(now - start)}, err: ${error}`,
        });
      }
    }
    if (failures.length > before) return false;
    while (next < cases.length && cases[next]!.atMs < now + intervalMs - start) {
      checkAlerts(run, cases[next++]!, memories);
    }
  }
  return true;
}

function worldOf({ book, test, query }: Run): RuleWorld {
  return {
    query,
    externalLabels: test.externalLabels,
    externalUrl: test.externalUrl,
    async write(samples) {
      return samples.map(({ labels, time, value }) => {
        const outcome = book.append(labels, time, value);
        if (outcome === 'conflict') return `duplicate sample for timestamp ${time}`;
        return outcome === 'out of order' ? 'out of order sample' : undefined;
      });
    },
  };
}

function loadTill({ book, test, file }: Run, input: readonly InputSeries[], now: number): void {
  const stepMs = test.intervalMs ?? file.evaluationIntervalMs;
  for (const series of input) {
    while (series.next < series.values.length && test.start + series.next * stepMs <= now) {
      const time = test.start + series.next * stepMs;
      const value = bookValueOf(series.values[series.next++]!);
      if (value !== undefined) book.append(series.labels, time, value);
    }
  }
}

function bookValueOf(value: NotedValue): BookValue | undefined {
  if (value === 'none') return undefined;
  return typeof value === 'object' ? value.histogram : value;
}

function checkAlerts({ groups, failures }: Run, wanted: AlertCase, memories: readonly (readonly RuleMemory[])[]): void {
  const { alertname, atMs, place } = wanted;
  const got = groups.flatMap(({ rules }, i) =>
    rules.flatMap((rule, k): readonly SeenAlert[] => {
      if (rule.kind !== 'alerting' || rule.name !== alertname) return [];
      return activeAlerts(memories[i]![k]!.alerts).filter(({ state }) => state === 'firing');
    }),
  );
  const expected = wanted.expected.map(({ labels, annotations }) => ({
    labels: sortedPairs([...labels, ['alertname', alertname]]),
    annotations: sortedPairs(annotations),
  }));
  const bare = got.map(({ labels, annotations }) => ({ labels, annotations }));
  const [a, b] = [expected.sort(compareAlerts), bare.sort(compareAlerts)];
  if (a.length === b.length && a.every((one, i) => compareAlerts(one, b[i]!) === 0)) return;
  failures.push({ kind: 'alerts', place, alertname, atMs, expected: a, got: b });
}

async function checkExpression({ test, file, query, failures }: Run, wanted: ExpressionCase): Promise<void> {
  const { place, expression, atMs } = wanted;
  const failed = (error: unknown): void => {
    const message = `expr: ${JSON.stringify(expression)}, time: ${formatDuration(atMs)}, err: ${(error as Error).message}`;
    failures.push({ kind: 'error', place, message });
  };
  let vector: readonly VectorSample[];
  let expected: SeenSample[];
  try {
    vector = vectorOf(await query(expression, test.start + atMs));
    expected = wanted.expected.map(expectedSample);
  } catch (error) {
    failed(error);
    return;
  }
  const got = vector.map(({ labels, value, histogram }): SeenSample => {
    if (histogram === undefined) return { labels, value, histogram: undefined };
    return { labels, value: 0, histogram: formatHistogramNotation(histogram) };
  });
  expected.sort((a, b) => compareLabels(a.labels, b.labels));
  got.sort((a, b) => compareLabels(a.labels, b.labels));
  if (expected.length === got.length && expected.every((one, i) => sameSample(one, got[i]!, file.fuzzy))) return;
  failures.push({ kind: 'samples', place, expression, atMs, expected, got });
}

function expectedSample({ labels: text, value, histogram: notation }: ExpectedSample): SeenSample {
  const { labels, end } = parseSeriesLabels(text);
  if (text.slice(end).trim() !== '')
    throw new RangeError(`labels ${JSON.stringify(text)}: unexpected text behind them`);
  if (notation === '') return { labels, value, histogram: undefined };
  const [first, ...more] = parseSeriesValues(notation);
  if (first === undefined || more.length > 0) {
    throw new RangeError(
      `labels ${JSON.stringify(text)}: expected 1 value, got ${first === undefined ? 0 : more.length + 1}`,
    );
  }
  if (typeof first !== 'object')
    throw new RangeError(`labels ${JSON.stringify(text)}: expected histogram, got ${first}`);
  return { labels, value: 0, histogram: formatHistogramNotation(first.histogram) };
}

/** NaN is no expectation that can be met, as in promtool. */
function sameSample(a: SeenSample, b: SeenSample, fuzzy: boolean): boolean {
  if (compareLabels(a.labels, b.labels) !== 0 || a.histogram !== b.histogram) return false;
  return a.histogram !== undefined || a.value === b.value || (fuzzy && areNeighbours(a.value, b.value));
}

/** No float lies between them. */
function areNeighbours(a: number, b: number): boolean {
  if (!Number.isFinite(a) || !Number.isFinite(b)) return false;
  const distance = orderOf(a) - orderOf(b);
  return distance === 1n || distance === -1n;
}

/** The place of a float among all floats. */
function orderOf(value: number): bigint {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, value);
  const whole = bits.getBigInt64(0);
  return whole >= 0n ? whole : -(whole & 0x7fffffffffffffffn);
}

function compareAlerts(a: SeenAlert, b: SeenAlert): number {
  return compareLabels(a.labels, b.labels) || compareLabels(a.annotations, b.annotations);
}
