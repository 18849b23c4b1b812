import { readFileSync } from 'node:fs';
import { checkPolicy, type PolicyCheckDeps } from './check-policy.ts';
import { checkSettings } from './check-settings.ts';
import { checkSlos } from './slo-files.ts';
import { type LocatedProblem, parseYaml } from './yaml-document.ts';

/** What a file holds, document by document, and all that is wrong with it. */
export interface FileCheck {
  readonly file: string;
  /** `settings`, or `policy shop/checkout`. */
  readonly found: readonly string[];
  readonly problems: readonly LocatedProblem[];
}

/** Checks a file of settings, of objectives (`slos`) or of scaling policies. A document with `apiVersion`, `kind` or `spec` is meant to be a policy. */
export function checkFile(file: string, deps: PolicyCheckDeps): FileCheck {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const message = `cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown reason'}`;
    return { file, found: [], problems: [{ file, line: 1, column: 1, path: [], message }] };
  }
  const yaml = parseYaml(text, file);
  if (yaml.kind === 'broken') return { file, found: [], problems: yaml.problems };
  const found: string[] = [];
  const problems: LocatedProblem[] = [];
  for (const { value, locate } of yaml.documents) {
    if (looksLikePolicy(value)) {
      const check = checkPolicy(value, deps);
      if (check.kind === 'ok') found.push(`policy ${check.policy.namespace}/${check.policy.name}`);
      else problems.push(...check.problems.map(locate));
      continue;
    }
    if (looksLikeSlos(value)) {
      const check = checkSlos(value, deps);
      if (check.kind === 'ok') found.push(check.slos.length === 1 ? '1 objective' : `${check.slos.length} objectives`);
      else problems.push(...check.problems.map(locate));
      continue;
    }
    const check = checkSettings(value);
    if (check.document !== undefined) found.push('settings');
    problems.push(...check.problems.map(locate));
  }
  return { file, found, problems };
}

function looksLikeSlos(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'slos');
}

function looksLikePolicy(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return ['apiVersion', 'kind', 'spec', 'metadata'].some((key) => Object.hasOwn(value, key));
}
