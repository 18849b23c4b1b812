import { QueryError } from '../promql/errors.ts';
import { parseQuery } from '../promql/parse.ts';
import { isLabelName } from '../promql/unquote.ts';
import { placeInSource } from './source-place.ts';
import { templateFault } from './template/expand.ts';
import {
  type FieldReader,
  type PlacedText,
  readDuration,
  readFields,
  readInteger,
  readList,
  readText,
  readTexts,
} from './yaml-fields.ts';
import { type Fault, placesIn, readYamlTree, type YamlEntry, type YamlTree } from './yaml-tree.ts';

interface CommonRule {
  /** The metric or the alert that it makes. */
  readonly name: string;
  /** PromQL. */
  readonly expression: string;
  /** Those of the group and its own, which win. */
  readonly labels: ReadonlyMap<string, string>;
  readonly place: Place;
}

export interface RecordingRule extends CommonRule {
  readonly kind: 'recording';
}

export interface AlertingRule extends CommonRule {
  readonly kind: 'alerting';
  /** How long the expression must hold before the alert fires, in milliseconds. */
  readonly forMs: number;
  /** How long it goes on firing when the expression no longer holds. */
  readonly keepFiringForMs: number;
  readonly annotations: ReadonlyMap<string, string>;
}

export type Rule = RecordingRule | AlertingRule;

export interface RuleGroup {
  readonly name: string;
  /** Undefined: as often as whoever evaluates it does by default. */
  readonly intervalMs: number | undefined;
  /** How long before its time a rule looks. Undefined: the default of whoever evaluates it. */
  readonly queryOffsetMs: number | undefined;
  /** The most series or alerts that a rule may make; 0: any number. */
  readonly limit: number;
  readonly rules: readonly Rule[];
}

/** Both from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** What is wrong with a file of rules. */
export interface RuleProblem extends Place {
  readonly message: string;
  /** The message is about a place within PromQL or a template: the line is worth showing. */
  readonly pointed: boolean;
}

export interface RuleFile {
  readonly groups: readonly RuleGroup[];
  readonly problems: readonly RuleProblem[];
  /** What is passed over, such as a second document. */
  readonly warnings: readonly string[];
}

export interface RuleFileOptions {
  readonly ignoreUnknownFields?: boolean;
}

const GROUP_FIELDS = ['name', 'interval', 'query_offset', 'limit', 'rules', 'labels'];
const RULE_FIELDS = ['record', 'alert', 'expr', 'for', 'keep_firing_for', 'labels', 'annotations'];

interface RawGroup {
  readonly at: number;
  readonly name: string;
  readonly intervalMs: number | undefined;
  readonly queryOffsetMs: number | undefined;
  readonly limit: number;
  readonly labels: ReadonlyMap<string, PlacedText>;
  readonly rules: readonly RawRule[];
}

interface RawRule {
  readonly at: number;
  readonly record: string;
  readonly alert: string;
  readonly expression: string;
  readonly forMs: number;
  readonly keepFiringForMs: number;
  readonly labels: ReadonlyMap<string, PlacedText>;
  readonly annotations: ReadonlyMap<string, PlacedText>;
  readonly entries: ReadonlyMap<string, YamlEntry>;
}

/**
 * Reads and checks a file of rule groups in Prometheus's format. What is no such file at all, by its shape, is not
 * checked further. Nothing that the text holds makes it throw.
 */
export function parseRuleFile(text: string, { ignoreUnknownFields = false }: RuleFileOptions = {}): RuleFile {
  const yaml = readYamlTree(text);
  const reader: FieldReader = { faults: [...yaml.faults], ignoreUnknown: ignoreUnknownFields };
  const raw = yaml.root === undefined ? [] : readGroups(reader, yaml.root);
  const warnings = yaml.documents > 1 ? ['only the first of its YAML documents is read'] : [];
  const placeOf = placesIn(text);
  const problemOf = ({ at, message, pointed = false }: PointedFault): RuleProblem => ({
    ...placeOf(at),
    message,
    pointed,
  });
  if (reader.faults.length > 0) {
    const inOrder = [...reader.faults].sort((a, b) => a.at - b.at);
    return { groups: [], problems: inOrder.map(problemOf), warnings };
  }
  const problems = checkGroups(raw, text).map(problemOf);
  return { groups: raw.map((group) => groupOf(group, placeOf)), problems, warnings };
}

interface PointedFault extends Fault {
  readonly pointed?: boolean;
}

function readGroups(reader: FieldReader, root: YamlTree): readonly RawGroup[] {
  const fields = readFields(reader, root, 'a file of rules', ['groups']);
  return readList(reader, fields?.get('groups')).map((tree): RawGroup => {
    const group = readFields(reader, tree, 'a group', GROUP_FIELDS) ?? new Map<string, YamlEntry>();
    return {
      at: tree.at,
      name: readText(reader, group.get('name')),
      intervalMs: readDuration(reader, group.get('interval')),
      queryOffsetMs: readDuration(reader, group.get('query_offset')),
      limit: readInteger(reader, group.get('limit')),
      labels: readTexts(reader, group.get('labels')),
      rules: readList(reader, group.get('rules')).map((rule) => readRule(reader, rule)),
    };
  });
}

function readRule(reader: FieldReader, tree: YamlTree): RawRule {
  const entries = readFields(reader, tree, 'a rule', RULE_FIELDS) ?? new Map<string, YamlEntry>();
  return {
    at: tree.at,
    record: readText(reader, entries.get('record')),
    alert: readText(reader, entries.get('alert')),
    expression: readText(reader, entries.get('expr')),
    forMs: readDuration(reader, entries.get('for')) ?? 0,
    keepFiringForMs: readDuration(reader, entries.get('keep_firing_for')) ?? 0,
    labels: readTexts(reader, entries.get('labels')),
    annotations: readTexts(reader, entries.get('annotations')),
    entries,
  };
}

function checkGroups(groups: readonly RawGroup[], source: string): readonly PointedFault[] {
  const faults: PointedFault[] = [];
  const names = new Set<string>();
  for (const { at, name, labels, rules } of groups) {
    if (name === '') faults.push({ at, message: 'Groupname must not be empty' });
    if (names.has(name)) faults.push({ at, message: `groupname: "${name}" is repeated in the same file` });
    names.add(name);
    faults.push(...labelFaults(labels));
    for (const [i, rule] of rules.entries()) {
      const about = `group ${JSON.stringify(name)}, rule ${i + 1}, ${JSON.stringify(rule.alert || rule.record)}`;
      for (const fault of ruleFaults(rule, source)) faults.push({ ...fault, message: `${about}: ${fault.message}` });
    }
  }
  return faults;
}

function ruleFaults(rule: RawRule, source: string): readonly PointedFault[] {
  const { at, record, alert, expression, labels, annotations, entries } = rule;
  const atField = (...names: readonly string[]) =>
    names.map((name) => entries.get(name)?.at).find((one) => one !== undefined) ?? at;
  const faults: PointedFault[] = [];
  if (record !== '' && alert !== '') {
    faults.push({ at: atField('alert'), message: "only one of 'record' and 'alert' must be set" });
  }
  if (record === '' && alert === '') faults.push({ at, message: "one of 'record' or 'alert' must be set" });
  if (expression === '') faults.push({ at: atField('expr'), message: "field 'expr' must be set in rule" });
  else faults.push(...expressionFaults(expression, entries.get('expr')!.value, source));
  if (record !== '') faults.push(...recordFaults(rule, atField));
  faults.push(...labelFaults(labels));
  for (const [name, { at: nameAt }] of annotations) {
    if (!isLabelName(name)) faults.push({ at: nameAt, message: `invalid annotation name: ${name}` });
  }
  if (alert === '') return faults;
  for (const [kind, texts] of [['label', labels] as const, ['annotation', annotations] as const]) {
    for (const [name, { text, tree }] of texts) {
      const fault = templateFault(alert, text);
      if (fault === undefined) continue;
      const message = `${kind} ${JSON.stringify(name)}: ${fault.message}`;
      faults.push({ at: placeInSource(source, tree, fault.at), message, pointed: true });
    }
  }
  return faults;
}

function expressionFaults(expression: string, tree: YamlTree, source: string): readonly PointedFault[] {
  try {
    parseQuery(expression);
    return [];
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    const at = placeInSource(source, tree, error.position?.start ?? 0);
    return [{ at, message: `could not parse expression: ${error.message}`, pointed: true }];
  }
}

function recordFaults(
  { record, annotations, forMs, keepFiringForMs }: RawRule,
  atField: (...names: readonly string[]) => number,
): readonly PointedFault[] {
  const faults: PointedFault[] = [];
  if (annotations.size > 0) {
    faults.push({ at: atField('annotations'), message: "invalid field 'annotations' in recording rule" });
  }
  if (forMs !== 0) faults.push({ at: atField('for'), message: "invalid field 'for' in recording rule" });
  if (keepFiringForMs !== 0) {
    faults.push({ at: atField('keep_firing_for'), message: "invalid field 'keep_firing_for' in recording rule" });
  }
  const at = atField('record');
  if (!isLabelName(record)) faults.push({ at, message: `invalid recording rule name: ${record}` });
  if (/[{}]/.test(record)) {
    const message = `braces present in the recording rule name; should it be in expr?: ${record}`;
    faults.push({ at, message });
  }
  return faults;
}

function labelFaults(labels: ReadonlyMap<string, PlacedText>): readonly PointedFault[] {
  return [...labels].flatMap(([name, { at, text }]) => {
    const found: PointedFault[] = [];
    if (!isLabelName(name) || name === '__name__') found.push({ at, message: `invalid label name: ${name}` });
    if (text !== '' && !isLabelName(text)) found.push({ at, message: `invalid label value: ${text}` });
    return found;
  });
}

function groupOf({ at: _at, labels, rules, ...group }: RawGroup, placeOf: (at: number) => Place): RuleGroup {
  const shared = textsOf(labels);
  return {
    ...group,
    rules: rules.map(({ at, record, alert, expression, forMs, keepFiringForMs, ...rule }): Rule => {
      const common = { expression, labels: new Map([...shared, ...textsOf(rule.labels)]), place: placeOf(at) };
      if (alert === '') return { kind: 'recording', name: record, ...common };
      const annotations = textsOf(rule.annotations);
      return { kind: 'alerting', name: alert, forMs, keepFiringForMs, annotations, ...common };
    }),
  };
}

function textsOf(texts: ReadonlyMap<string, PlacedText>): ReadonlyMap<string, string> {
  return new Map([...texts].map(([name, { text }]) => [name, text]));
}
