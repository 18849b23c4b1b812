import { type Labels, labelsKey } from '../model/labels.ts';
import type { QueryResult, VectorSample } from '../model/query-result.ts';
import type { Millis } from '../model/time.ts';
import {
  type Alerts,
  activeAlerts,
  alertLabels,
  alertSamples,
  type FoundAlert,
  nextAlerts,
  sortedPairs,
} from './alerting.ts';
import { type RuleSample, recordedSamples } from './recording.ts';
import { RuleError } from './rule-error.ts';
import type { AlertingRule, Rule, RuleGroup } from './rule-file.ts';
import { expandTemplate, type TemplateAnswers, type TemplateInput } from './template/expand.ts';
import { type GoSamples, type GoValue, textMap } from './template/values.ts';

/** A sample that is to be stored. `stale`: the series ends. */
export interface WrittenSample {
  readonly labels: Labels;
  readonly time: Millis;
  readonly value: RuleSample['value'] | 'stale';
}

/** What evaluating rules takes from around it. */
export interface RuleWorld {
  /** PromQL at one instant. @throws {Error} If it cannot be answered. */
  readonly query: (expression: string, time: Millis) => Promise<QueryResult>;
  /**
   * Stores what one rule made: the next rule sees it. Answers for each sample why it was not stored, or undefined.
   */
  readonly write: (samples: readonly WrittenSample[]) => Promise<readonly (string | undefined)[]>;
  readonly externalLabels: ReadonlyMap<string, string>;
  /** Where alerts point to; empty where it is not known. */
  readonly externalUrl: string;
  /** Where a group says none, in milliseconds. */
  readonly queryOffsetMs?: number;
  /** `ALERTS` and `ALERTS_FOR_STATE` are not written: what they have of the time before a restart is still needed. */
  readonly withholdsAlerts?: boolean;
  /** After each rule, in order. */
  readonly onRule?: (index: number, memory: RuleMemory, samples: number) => void;
}

/** What a rule remembers from one evaluation to the next. */
export interface RuleMemory {
  /** Of an alerting rule. */
  readonly alerts: Alerts;
  /** The series that it wrote last, by key: those that it writes no longer are ended. */
  readonly series: ReadonlyMap<string, Labels>;
  /** Why it could not be evaluated last, or undefined. */
  readonly error: string | undefined;
  /** When its alerts were found so: of the last evaluation whose query was answered. Undefined: there was none. */
  readonly foundAt: Millis | undefined;
}

export const NO_MEMORY: RuleMemory = { alerts: new Map(), series: new Map(), error: undefined, foundAt: undefined };

/**
 * Evaluates a group's rules one after another at one time, and writes what they make.
 * @param memory One for each rule, as the last evaluation gave them; `NO_MEMORY` at first.
 * @returns What to give to the next evaluation. A rule that fails keeps its series and its alerts as they were, but for
 *   one that makes more alerts than the group allows, which forgets them.
 */
export async function evaluateGroup(
  group: RuleGroup,
  memory: readonly RuleMemory[],
  now: Millis,
  world: RuleWorld,
): Promise<readonly RuleMemory[]> {
  const after: RuleMemory[] = [];
  const offsetMs = group.queryOffsetMs ?? world.queryOffsetMs ?? 0;
  for (const [i, rule] of group.rules.entries()) {
    const before = memory[i] ?? NO_MEMORY;
    const next = await evaluateRule(rule, before, { now, at: now - offsetMs, limit: group.limit, world });
    after.push(next);
    world.onRule?.(i, next, next.error === undefined ? next.series.size : 0);
  }
  return after;
}

interface Moment {
  readonly now: Millis;
  /** When the rule looks, and the time of what it writes. */
  readonly at: Millis;
  readonly limit: number;
  readonly world: RuleWorld;
}

async function evaluateRule(rule: Rule, before: RuleMemory, moment: Moment): Promise<RuleMemory> {
  let made: Made;
  try {
    made = await samplesOf(rule, before.alerts, moment);
  } catch (error) {
    const forgets = error instanceof TooManyAlertsError;
    return { ...before, ...(forgets && { alerts: new Map() }), error: (error as Error).message };
  }
  const { samples, alerts } = made;
  const series = new Map(samples.map(({ labels }) => [labelsKey(labels), labels]));
  const ended = [...before.series].filter(([key]) => !series.has(key));
  const written: WrittenSample[] = samples.map(({ labels, value }) => ({ labels, time: moment.at, value }));
  for (const [, labels] of ended) written.push({ labels, time: moment.at, value: 'stale' });
  const refusals = await moment.world.write(written);
  for (const [i, { labels }] of samples.entries()) if (refusals[i] !== undefined) series.delete(labelsKey(labels));
  const error = refusals.slice(0, samples.length).findLast((one) => one !== undefined);
  return { alerts, series, error, foundAt: moment.now };
}

interface Made {
  readonly samples: readonly RuleSample[];
  readonly alerts: Alerts;
}

async function samplesOf(rule: Rule, before: Alerts, moment: Moment): Promise<Made> {
  const vector = vectorOf(await moment.world.query(rule.expression, moment.at));
  if (rule.kind === 'recording') return { samples: recordedSamples(rule, vector, moment.limit), alerts: before };
  const found: FoundAlert[] = [];
  const answers = new Map<string, GoSamples | { readonly error: string }>();
  for (const sample of vector) found.push(await foundAlert(rule, sample, moment, answers));
  const alerts = nextAlerts(rule, before, found, moment.now);
  const active = activeAlerts(alerts).length;
  if (moment.limit > 0 && active > moment.limit) throw new TooManyAlertsError(moment.limit, active);
  return { samples: moment.world.withholdsAlerts === true ? [] : alertSamples(rule, alerts), alerts };
}

class TooManyAlertsError extends RuleError {
  constructor(limit: number, active: number) {
    super(`exceeded limit of ${limit} with ${active} alerts`);
  }
}

async function foundAlert(
  rule: AlertingRule,
  sample: VectorSample,
  moment: Moment,
  answers: Map<string, GoSamples | { readonly error: string }>,
): Promise<FoundAlert> {
  const { externalLabels, externalUrl } = moment.world;
  const value: GoValue = sample.histogram === undefined ? sample.value : { kind: 'histogram', value: sample.histogram };
  const input: TemplateInput = { labels: sample.labels, value, externalLabels, externalUrl, now: moment.now / 1000 };
  const expanded = async (texts: ReadonlyMap<string, string>): Promise<(readonly [string, string])[]> => {
    const pairs: (readonly [string, string])[] = [];
    for (const [name, text] of texts) pairs.push([name, await expand(rule.name, text, { input, answers, moment })]);
    return pairs;
  };
  return {
    labels: alertLabels(sample, rule, await expanded(rule.labels)),
    // An annotation may be empty, unlike a label.
    annotations: sortedPairs(await expanded(rule.annotations)),
    value: sample.value,
  };
}

interface Expanding {
  readonly input: TemplateInput;
  readonly answers: Map<string, GoSamples | { readonly error: string }>;
  readonly moment: Moment;
}

/** Asks what the template asks until it asks no more. What cannot be expanded says so in the text. */
async function expand(alert: string, text: string, { input, answers, moment }: Expanding): Promise<string> {
  for (;;) {
    const expansion = expandTemplate(alert, text, input, answers as TemplateAnswers);
    if (expansion.kind === 'text') return expansion.text;
    if (expansion.kind === 'failed') return `<error expanding template: ${expansion.message}>`;
    answers.set(expansion.query, await answerOf(expansion.query, moment));
  }
}

async function answerOf(expression: string, { now, world }: Moment): Promise<GoSamples | { readonly error: string }> {
  try {
    const samples = vectorOf(await world.query(expression, now)).map(({ labels, value, histogram }) => ({
      kind: 'sample' as const,
      labels: textMap(labels),
      value: histogram === undefined ? value : ({ kind: 'histogram', value: histogram } as const),
    }));
    return { kind: 'samples', samples };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

/** A scalar is a sample without labels. @throws {RuleError} If the value is neither a vector nor a scalar. */
export function vectorOf({ value }: QueryResult): readonly VectorSample[] {
  if (value.kind === 'vector') return value.samples;
  if (value.kind === 'scalar') return [{ labels: [], time: value.time, value: value.value }];
  throw new RuleError('rule result is not a vector or scalar');
}
