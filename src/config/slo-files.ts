import { z } from 'zod';
import { type Problem, problemsOf } from '../model/problem.ts';
import { type Slo, SloFile } from '../scaling/slo.ts';
import { type PolicyCheckDeps, sloProblems } from './check-policy.ts';
import { type LocatedProblem, parseYaml } from './yaml-document.ts';

export type SlosCheck =
  | { readonly kind: 'ok'; readonly slos: readonly Slo[] }
  | { readonly kind: 'problems'; readonly problems: readonly Problem[] };

/** Checks a document of objectives: by its schema, then its PromQL and names. */
export function checkSlos(value: unknown, { checkQuery }: PolicyCheckDeps): SlosCheck {
  const checked = SloFile.safeParse(value);
  if (!checked.success) {
    const schema = z.toJSONSchema(SloFile, { io: 'input' });
    return { kind: 'problems', problems: problemsOf(checked.error.issues, value, schema) };
  }
  const problems = sloProblems(checked.data.slos, ['slos'], checkQuery);
  return problems.length > 0 ? { kind: 'problems', problems } : { kind: 'ok', slos: checked.data.slos };
}

/** Reads a file of objectives, which may have several documents. */
export function parseSloFile(
  text: string,
  file: string,
  deps: PolicyCheckDeps,
): { readonly slos: readonly Slo[]; readonly problems: readonly LocatedProblem[] } {
  const yaml = parseYaml(text, file);
  if (yaml.kind === 'broken') return { slos: [], problems: yaml.problems };
  const slos: Slo[] = [];
  const problems: LocatedProblem[] = [];
  for (const { value, locate } of yaml.documents) {
    const check = checkSlos(value, deps);
    if (check.kind === 'ok') slos.push(...check.slos);
    else problems.push(...check.problems.map(locate));
  }
  return { slos, problems };
}
