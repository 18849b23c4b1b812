import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Router } from 'express';
import type { Caller } from '../../model/caller.ts';
import { type Labels, labelValue } from '../../model/labels.ts';
import { compileMatcher, type Matcher } from '../../model/matcher.ts';
import type { TenantId } from '../../model/tenant.ts';
import { type Millis, SECOND } from '../../model/time.ts';
import { parseQuery } from '../../promql/parse.ts';
import { formatExpr } from '../../promql/print.ts';
import { sendData } from '../envelope.ts';
import { BadParameterError } from '../errors.ts';
import { limitOf, type Parameters, parametersOf } from '../parameters.ts';
import { mount } from '../route.ts';

/** An alert that is pending or firing. */
export interface AlertView {
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly state: 'pending' | 'firing';
  readonly activeAt: Millis;
  readonly keepFiringSince: Millis | undefined;
  readonly value: number;
}

interface CommonRuleView {
  readonly name: string;
  /** PromQL, as written. */
  readonly expression: string;
  /** Templates not expanded. */
  readonly labels: Labels;
  readonly health: 'unknown' | 'ok' | 'err';
  readonly error: string | undefined;
  readonly evaluatedAt: Millis | undefined;
  readonly seconds: number;
}

export type RuleView =
  | (CommonRuleView & { readonly kind: 'recording' })
  | (CommonRuleView & {
      readonly kind: 'alerting';
      readonly state: 'unknown' | 'inactive' | 'pending' | 'firing';
      readonly forMs: number;
      readonly keepFiringForMs: number;
      readonly annotations: Labels;
      readonly alerts: readonly AlertView[];
    });

export interface RuleGroupView {
  readonly name: string;
  readonly file: string;
  readonly intervalMs: number;
  readonly limit: number;
  readonly evaluatedAt: Millis | undefined;
  readonly seconds: number;
  readonly rules: readonly RuleView[];
}

export interface RulesRouteDeps {
  readonly callerOf: (request: IncomingMessage) => Caller;
  readonly parseSelector: (text: string) => readonly Matcher[];
  /** A tenant's groups, by file and name. */
  readonly ruleGroups: (tenant: TenantId) => readonly RuleGroupView[];
}

/** Go's zero time stands for never. */
const NEVER = '0001-01-01T00:00:00Z';

/** `GET /api/v1/rules` and `/api/v1/alerts`, as Prometheus answers them. */
export function rulesRoutes(router: Router, deps: RulesRouteDeps): void {
  mount(router, '/api/v1/alerts', {
    GET: (request, response) => {
      const { tenant } = deps.callerOf(request);
      const alerts = deps
        .ruleGroups(tenant)
        .flatMap(({ rules }) => rules.flatMap((rule) => (rule.kind === 'alerting' ? rule.alerts.map(alertOf) : [])));
      sendData(response, { alerts });
    },
  });
  mount(router, '/api/v1/rules', {
    GET: (request, response) => {
      const { tenant } = deps.callerOf(request);
      const parameters = parametersOf(request);
      const wanted = wantedOf(parameters, deps);
      const groups = deps.ruleGroups(tenant).filter(({ name, file }) => {
        return (
          (wanted.groups.length === 0 || wanted.groups.includes(name)) &&
          (wanted.files.length === 0 || wanted.files.includes(file))
        );
      });
      sendData(response, pageOf(groups, wanted));
    },
  });
}

interface Wanted {
  readonly kind: 'alerting' | 'recording' | undefined;
  readonly names: readonly string[];
  readonly groups: readonly string[];
  readonly files: readonly string[];
  readonly matcherSets: readonly (readonly Matcher[])[];
  readonly withAlerts: boolean;
  readonly limit: number | undefined;
  readonly token: string;
}

function wantedOf(parameters: Parameters, { parseSelector }: RulesRouteDeps): Wanted {
  const type = (parameters.get('type') ?? '').toLowerCase();
  if (!['', 'alert', 'record'].includes(type)) {
    throw new BadParameterError('type', `expected alert or record, got ${JSON.stringify(type.slice(0, 40))}`);
  }
  const limit = limitOf(parameters, 'group_limit');
  const token = parameters.get('group_next_token') ?? '';
  if (token !== '' && limit === undefined) {
    throw new BadParameterError('group_limit', 'group_limit needs to be set in order to paginate over the groups');
  }
  return {
    kind: type === '' ? undefined : type === 'alert' ? 'alerting' : 'recording',
    names: parameters.getAll('rule_name[]'),
    groups: parameters.getAll('rule_group[]'),
    files: parameters.getAll('file[]'),
    matcherSets: parameters.getAll('match[]').map(parseSelector),
    withAlerts: !isTrue(parameters.get('exclude_alerts')),
    ...{ limit, token },
  };
}

function isTrue(text: string | null): boolean {
  if (text === null || ['', '0', 'f', 'F', 'false', 'False', 'FALSE'].includes(text)) return false;
  if (['1', 't', 'T', 'true', 'True', 'TRUE'].includes(text)) return true;
  throw new BadParameterError('exclude_alerts', `cannot parse ${JSON.stringify(text.slice(0, 40))} to a boolean`);
}

function pageOf(groups: readonly RuleGroupView[], wanted: Wanted): object {
  const from = wanted.token === '' ? 0 : groups.findIndex((group) => tokenOf(group) === wanted.token);
  if (from === -1) {
    throw new BadParameterError('group_next_token', 'no such group: were rule groups changed?');
  }
  const shown: object[] = [];
  for (const group of groups.slice(from)) {
    const rules = group.rules.filter((rule) => isWanted(rule, wanted));
    // A group of which a filter leaves nothing is not told.
    if (rules.length === 0) continue;
    if (shown.length === wanted.limit) return { groups: shown, groupNextToken: tokenOf(group) };
    shown.push({
      name: group.name,
      file: group.file,
      rules: rules.map((rule) => ruleOf(rule, wanted.withAlerts)),
      interval: group.intervalMs / SECOND,
      limit: group.limit,
      evaluationTime: group.seconds,
      lastEvaluation: timeOf(group.evaluatedAt),
    });
  }
  return { groups: shown };
}

function isWanted(rule: RuleView, { kind, names, matcherSets }: Wanted): boolean {
  if (kind !== undefined && rule.kind !== kind) return false;
  if (names.length > 0 && !names.includes(rule.name)) return false;
  if (matcherSets.length === 0) return true;
  // What a template will make of a label is not known.
  const plain = rule.labels.filter(([, value]) => !value.includes('{{'));
  return matcherSets.some((matchers) =>
    matchers.every((matcher) => compileMatcher(matcher)(labelValue(plain, matcher.name))),
  );
}

function ruleOf(rule: RuleView, withAlerts: boolean): object {
  const tail = {
    labels: Object.fromEntries(rule.labels),
    ...(rule.kind === 'alerting' && {
      annotations: Object.fromEntries(rule.annotations),
      // So that a client sees that they were left out.
      alerts: withAlerts ? rule.alerts.map(alertOf) : null,
    }),
    health: rule.health,
    ...(rule.error !== undefined && { lastError: rule.error }),
    evaluationTime: rule.seconds,
    lastEvaluation: timeOf(rule.evaluatedAt),
    type: rule.kind,
  };
  const query = formatExpr(parseQuery(rule.expression));
  if (rule.kind === 'recording') return { name: rule.name, query, ...tail };
  const { state, name, forMs, keepFiringForMs } = rule;
  return { state, name, query, duration: forMs / SECOND, keepFiringFor: keepFiringForMs / SECOND, ...tail };
}

function alertOf({ labels, annotations, state, activeAt, keepFiringSince, value }: AlertView): object {
  return {
    labels: Object.fromEntries(labels),
    annotations: Object.fromEntries(annotations),
    state,
    activeAt: timeOf(activeAt),
    ...(keepFiringSince !== undefined && { keepFiringSince: timeOf(keepFiringSince) }),
    value: scientific(value),
  };
}

function timeOf(time: Millis | undefined): string {
  return time === undefined ? NEVER : new Date(time).toISOString().replace(/\.?0*Z$/, 'Z');
}

/** As Go writes a float with an exponent: `1e+00`. */
function scientific(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  const text = Object.is(value, -0) ? '-0e+0' : value.toExponential();
  return text.replace(/e([+-])(\d)$/, 'e$10$2');
}

function tokenOf({ file, name }: Pick<RuleGroupView, 'file' | 'name'>): string {
  return createHash('sha1').update(`${file};${name}`).digest('hex');
}
