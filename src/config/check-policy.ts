import { Cron } from 'croner';
import { z } from 'zod';
import { InvalidDocumentError, type Problem, problemsOf } from '../model/problem.ts';
import { resolvePolicy, type ScalingPolicy, ScalingPolicyDocument } from '../scaling/policy.ts';
import { type Slo, sloExpressions } from '../scaling/slo.ts';

/** What a check needs from elsewhere. */
export interface PolicyCheckDeps {
  /** Throws, in words, if the text is not PromQL. */
  readonly checkQuery: (expression: string) => void;
}

export type PolicyCheck =
  | { readonly kind: 'ok'; readonly document: ScalingPolicyDocument; readonly policy: ScalingPolicy }
  | { readonly kind: 'problems'; readonly problems: readonly Problem[] };

/** Checks a scaling policy: by its schema, then what only other parts can judge (queries, cron, windows). */
export function checkPolicy(value: unknown, { checkQuery }: PolicyCheckDeps): PolicyCheck {
  const checked = ScalingPolicyDocument.safeParse(value);
  if (!checked.success) {
    const schema = z.toJSONSchema(ScalingPolicyDocument, { io: 'input' });
    return { kind: 'problems', problems: problemsOf(checked.error.issues, value, schema) };
  }
  const document = checked.data;
  const policy = resolvePolicy(document);
  const problems = [
    ...demandProblems(document, checkQuery),
    ...usageProblems(document, checkQuery),
    ...sloProblems(document.spec.slos ?? [], ['spec', 'slos'], checkQuery),
    ...cronProblems(document),
    ...windowProblems(policy),
    ...duplicateNames(policy, document),
  ];
  return problems.length > 0 ? { kind: 'problems', problems } : { kind: 'ok', document, policy };
}

/** @throws {InvalidDocumentError} With every problem of the document. */
export function rightPolicy(value: unknown, deps: PolicyCheckDeps): Extract<PolicyCheck, { kind: 'ok' }> {
  const check = checkPolicy(value, deps);
  if (check.kind === 'problems') throw new InvalidDocumentError('the policy', check.problems);
  return check;
}

function demandPath({ spec }: ScalingPolicyDocument, i: number): (string | number)[] {
  return Array.isArray(spec.demand) ? ['spec', 'demand', i] : ['spec', 'demand'];
}

function demandProblems(document: ScalingPolicyDocument, checkQuery: (expression: string) => void): Problem[] {
  const { demand } = document.spec;
  const demands = Array.isArray(demand) ? demand : [demand];
  return demands.flatMap(({ query, capacity: { utilization } }, i) => [
    ...attempt([...demandPath(document, i), 'query'], () => checkQuery(query)),
    ...(utilization === undefined
      ? []
      : attempt([...demandPath(document, i), 'capacity', 'utilization', 'query'], () => checkQuery(utilization.query))),
  ]);
}

function usageProblems(
  { spec: { usage = {} } }: ScalingPolicyDocument,
  checkQuery: (expression: string) => void,
): Problem[] {
  return (['cpu', 'memory'] as const).flatMap((resource) => {
    const query = usage[resource];
    return query === undefined ? [] : attempt(['spec', 'usage', resource], () => checkQuery(query));
  });
}

/** What is wrong with objectives beside their form: PromQL, and names that stand twice. */
export function sloProblems(
  slos: readonly Slo[],
  path: readonly (string | number)[],
  checkQuery: (expression: string) => void,
): Problem[] {
  return slos.flatMap((slo, i) => [
    ...sloExpressions(slo).flatMap((own) => attempt([...path, i, ...own.path], () => checkQuery(own.text))),
    ...(slos.findIndex(({ name }) => name === slo.name) === i
      ? []
      : [{ path: [...path, i, 'name'], message: `expected a name of its own, got "${slo.name}" again` }]),
  ]);
}

function cronProblems({ spec }: ScalingPolicyDocument): Problem[] {
  return (['schedules', 'maintenance'] as const).flatMap((list) =>
    spec[list].flatMap(({ cron }, i) =>
      attempt(
        ['spec', list, i, 'cron'],
        () => new Cron(cron, { timezone: spec.timeZone, mode: '5-part', paused: true }),
      ),
    ),
  );
}

function windowProblems({ exclude, events }: ScalingPolicy): Problem[] {
  const message = 'expected end to be later than start';
  const windows = (list: string, all: readonly { readonly start: number; readonly end: number }[]) =>
    all.flatMap(({ start, end }, i) => (end > start ? [] : [{ path: ['spec', 'forecast', list, i, 'end'], message }]));
  return [...windows('exclude', exclude), ...windows('events', events)];
}

function duplicateNames({ demands }: ScalingPolicy, document: ScalingPolicyDocument): Problem[] {
  return demands.flatMap(({ name }, i) => {
    if (demands.findIndex((other) => other.name === name) === i) return [];
    return [{ path: [...demandPath(document, i), 'name'], message: `expected a name of its own, got "${name}" again` }];
  });
}

function attempt(path: readonly (string | number)[], check: () => unknown): Problem[] {
  try {
    check();
    return [];
  } catch (error) {
    return [{ path, message: (error as Error).message }];
  }
}
