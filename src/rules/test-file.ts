import { parseInstant } from '../model/time.ts';
import type { Place, RuleProblem } from './rule-file.ts';
import {
  type FieldReader,
  readBoolean,
  readDuration,
  readFields,
  readList,
  readNumber,
  readText,
  readTexts,
  textOf,
} from './yaml-fields.ts';
import { isNull, placesIn, readYamlTree, type YamlEntry, type YamlTree } from './yaml-tree.ts';

/** What an alert is expected to look like. */
export interface ExpectedAlert {
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
}

export interface AlertCase {
  readonly place: Place;
  /** Since the test's start. */
  readonly atMs: number;
  readonly alertname: string;
  readonly expected: readonly ExpectedAlert[];
}

export interface ExpectedSample {
  /** A series as PromQL writes it; empty for none. */
  readonly labels: string;
  readonly value: number;
  /** In the notation of tests; empty: a float. */
  readonly histogram: string;
}

export interface ExpressionCase {
  readonly place: Place;
  readonly atMs: number;
  readonly expression: string;
  readonly expected: readonly ExpectedSample[];
}

/** One test: input series, what is evaluated on them, and what is expected. */
export interface RuleTest {
  readonly place: Place;
  /** Empty where it has none. */
  readonly name: string;
  /** Between the values of input series. Undefined: as often as rules are evaluated. */
  readonly intervalMs: number | undefined;
  /** When it starts, in milliseconds since the epoch. */
  readonly start: number;
  readonly input: readonly { readonly place: Place; readonly series: string; readonly values: string }[];
  readonly alerts: readonly AlertCase[];
  readonly expressions: readonly ExpressionCase[];
  readonly externalLabels: ReadonlyMap<string, string>;
  readonly externalUrl: string;
}

/** A file of unit tests in promtool's format. */
export interface TestFile {
  /** Paths of rule files, with `*`, `?` and `[…]`, relative to the file. */
  readonly ruleFiles: readonly string[];
  readonly evaluationIntervalMs: number;
  readonly groupOrder: readonly string[];
  /** Floats that are next to each other are the same. */
  readonly fuzzy: boolean;
  readonly tests: readonly RuleTest[];
}

const FILE_FIELDS = ['rule_files', 'evaluation_interval', 'group_eval_order', 'tests', 'fuzzy_compare'];
const TEST_FIELDS = [
  ...['interval', 'input_series', 'alert_rule_test', 'promql_expr_test'],
  ...['external_labels', 'external_url', 'name', 'start_timestamp'],
];
const MINUTE_MS = 60_000;
const NOTHING: ReadonlyMap<string, YamlEntry> = new Map();

/** Reads a file of unit tests. Nothing that the text holds makes it throw. */
export function parseTestFile(text: string): { readonly file: TestFile; readonly problems: readonly RuleProblem[] } {
  const yaml = readYamlTree(text);
  const reader: Reading = { faults: [...yaml.faults], ignoreUnknown: false, placeOf: placesIn(text) };
  const fields = (yaml.root && readFields(reader, yaml.root, 'a file of tests', FILE_FIELDS)) ?? NOTHING;
  const groupOrder = textsIn(reader, fields.get('group_eval_order'));
  const repeated = groupOrder.find((name, i) => groupOrder.indexOf(name) !== i);
  if (repeated !== undefined) {
    const { at } = fields.get('group_eval_order')!;
    reader.faults.push({ at, message: `group name repeated in evaluation order: ${repeated}` });
  }
  const file: TestFile = {
    ruleFiles: textsIn(reader, fields.get('rule_files')),
    evaluationIntervalMs: readDuration(reader, fields.get('evaluation_interval')) || MINUTE_MS,
    groupOrder,
    fuzzy: readBoolean(reader, fields.get('fuzzy_compare')),
    tests: readList(reader, fields.get('tests')).map((tree) => readTest(reader, tree)),
  };
  const inOrder = [...reader.faults].sort((a, b) => a.at - b.at);
  return { file, problems: inOrder.map(({ at, message }) => ({ ...reader.placeOf(at), message, pointed: false })) };
}

interface Reading extends FieldReader {
  readonly placeOf: (at: number) => Place;
}

function readTest(reader: Reading, tree: YamlTree): RuleTest {
  const fields = readFields(reader, tree, 'a test', TEST_FIELDS) ?? NOTHING;
  const itemsOf = (name: string, known: readonly string[]) =>
    readList(reader, fields.get(name)).map((item) => ({
      place: reader.placeOf(item.at),
      item: readFields(reader, item, `an item of ${name}`, known) ?? NOTHING,
    }));
  return {
    place: reader.placeOf(tree.at),
    name: readText(reader, fields.get('name')),
    intervalMs: readDuration(reader, fields.get('interval')) || undefined,
    start: readStart(reader, fields.get('start_timestamp')),
    input: itemsOf('input_series', ['series', 'values']).map(({ place, item }) => {
      return { place, series: readText(reader, item.get('series')), values: readText(reader, item.get('values')) };
    }),
    alerts: itemsOf('alert_rule_test', ['eval_time', 'alertname', 'exp_alerts']).map(({ place, item }) => ({
      place,
      atMs: readDuration(reader, item.get('eval_time')) ?? 0,
      alertname: readText(reader, item.get('alertname')),
      expected: expectedAlerts(reader, item.get('exp_alerts')),
    })),
    expressions: itemsOf('promql_expr_test', ['expr', 'eval_time', 'exp_samples']).map(({ place, item }) => ({
      place,
      atMs: readDuration(reader, item.get('eval_time')) ?? 0,
      expression: readText(reader, item.get('expr')),
      expected: expectedSamples(reader, item.get('exp_samples')),
    })),
    externalLabels: plainTexts(reader, fields.get('external_labels')),
    externalUrl: readText(reader, fields.get('external_url')),
  };
}

function expectedAlerts(reader: Reading, entry: YamlEntry | undefined): readonly ExpectedAlert[] {
  return readList(reader, entry).map((tree) => {
    const fields = readFields(reader, tree, 'an expected alert', ['exp_labels', 'exp_annotations']) ?? NOTHING;
    return {
      labels: plainTexts(reader, fields.get('exp_labels')),
      annotations: plainTexts(reader, fields.get('exp_annotations')),
    };
  });
}

function expectedSamples(reader: Reading, entry: YamlEntry | undefined): readonly ExpectedSample[] {
  return readList(reader, entry).map((tree) => {
    const fields = readFields(reader, tree, 'an expected sample', ['labels', 'value', 'histogram']) ?? NOTHING;
    return {
      labels: readText(reader, fields.get('labels')),
      value: readNumber(reader, fields.get('value')) ?? 0,
      histogram: readText(reader, fields.get('histogram')),
    };
  });
}

/** Epoch seconds or RFC 3339, as promtool takes them. */
const START =
  /^(?:[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2}))$/;

function readStart(reader: Reading, entry: YamlEntry | undefined): number {
  if (entry === undefined || isNull(entry.value)) return 0;
  const text = readText(reader, entry);
  const expected = 'expected epoch seconds or RFC 3339, such as 2026-08-03T10:00:00Z';
  try {
    if (START.test(text)) return parseInstant(text);
  } catch {
    // A day that no month has.
  }
  reader.faults.push({ at: entry.value.at, message: `not a time: ${JSON.stringify(text)} (${expected})` });
  return 0;
}

function textsIn(reader: Reading, entry: YamlEntry | undefined): readonly string[] {
  return readList(reader, entry).map((tree) => textOf(reader, tree, `an item of ${entry!.key}`));
}

function plainTexts(reader: Reading, entry: YamlEntry | undefined): ReadonlyMap<string, string> {
  return new Map([...readTexts(reader, entry)].map(([name, { text }]) => [name, text]));
}
