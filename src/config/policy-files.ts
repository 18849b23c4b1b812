import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ScalingPolicy, ScalingPolicyDocument } from '../scaling/policy.ts';
import { checkPolicy, type PolicyCheckDeps } from './check-policy.ts';
import { type LocatedProblem, parseYaml } from './yaml-document.ts';

export interface FilePolicy {
  readonly file: string;
  readonly document: ScalingPolicyDocument;
  readonly policy: ScalingPolicy;
}

export interface PolicyFiles {
  readonly policies: readonly FilePolicy[];
  /** Places where a policy may stand that cannot be read. */
  readonly problems: readonly LocatedProblem[];
}

export interface PolicyFilesInForce extends PolicyFiles {
  /** Policies that stand in two places: what is in force is known. */
  readonly doubled: readonly LocatedProblem[];
}

const YAML_FILE = /\.(ya?ml|json)$/;
const MAX_FILE_BYTES = 4 * 1024 * 1024;

/**
 * A reader of policy files that looks at the disk at each call, and parses a file again only when it changed.
 *
 * What breaks keeps the policies that stood there when the file was last right: a typing error releases no floor.
 */
export function policyFileReader(paths: readonly string[], deps: PolicyCheckDeps): () => PolicyFilesInForce {
  const known = new Map<string, { readonly stamp: string; readonly content: PolicyFiles }>();
  return () => {
    const problems: LocatedProblem[] = [];
    const files = paths.flatMap((path) => filesUnder(path, problems));
    for (const gone of [...known.keys()].filter((file) => !files.includes(file))) known.delete(gone);
    const policies: FilePolicy[] = [];
    for (const file of files) {
      const content = readChanged(file, known, deps);
      policies.push(...content.policies);
      problems.push(...content.problems);
    }
    return withoutDuplicates({ policies, problems });
  };
}

/** Reads and checks one file's policies, which may be several documents. */
export function parsePolicyFile(text: string, file: string, deps: PolicyCheckDeps): PolicyFiles {
  if (text.trim() === '') {
    // A write that was cut off leaves this behind. Who means it deletes the file.
    const message = 'it is empty: to remove its policies, delete it';
    return { policies: [], problems: [{ file, line: 1, column: 1, path: [], message }] };
  }
  const yaml = parseYaml(text, file);
  if (yaml.kind === 'broken') return { policies: [], problems: yaml.problems };
  const policies: FilePolicy[] = [];
  const problems: LocatedProblem[] = [];
  for (const { value, locate } of yaml.documents) {
    const check = checkPolicy(value, deps);
    if (check.kind === 'ok') policies.push({ file, document: check.document, policy: check.policy });
    else problems.push(...check.problems.map(locate));
  }
  return { policies, problems };
}

function readChanged(
  file: string,
  known: Map<string, { readonly stamp: string; readonly content: PolicyFiles }>,
  deps: PolicyCheckDeps,
): PolicyFiles {
  const before = known.get(file);
  try {
    const { mtimeMs, size, ino } = statSync(file);
    const stamp = `${ino}/${mtimeMs}/${size}`;
    if (before?.stamp === stamp) return before.content;
    if (size > MAX_FILE_BYTES) throw new RangeError(`larger than ${MAX_FILE_BYTES} bytes`);
    const parsed = parsePolicyFile(readFileSync(file, 'utf8'), file, deps);
    const content = parsed.problems.length === 0 ? parsed : withLastRight(parsed, before?.content.policies ?? []);
    known.set(file, { stamp, content });
    return content;
  } catch (error) {
    const message = `cannot be read: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`;
    return { policies: before?.content.policies ?? [], problems: [{ file, line: 1, column: 1, path: [], message }] };
  }
}

/** The policies that are right, and those that were right before: which of them a problem is about is not always known. */
function withLastRight({ policies, problems }: PolicyFiles, before: readonly FilePolicy[]): PolicyFiles {
  const right = new Set(policies.map(nameOf));
  return { policies: [...policies, ...before.filter((entry) => !right.has(nameOf(entry)))], problems };
}

function nameOf({ policy: { namespace, name } }: FilePolicy): string {
  return `${namespace}/${name}`;
}

function filesUnder(path: string, problems: LocatedProblem[]): readonly string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    const names = readdirSync(path).filter((name) => YAML_FILE.test(name) && !name.startsWith('.'));
    return names.sort().map((name) => join(path, name));
  } catch (error) {
    const message = `cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown reason'}`;
    problems.push({ file: path, line: 1, column: 1, path: [], message });
    return [];
  }
}

/** The first file in order keeps a policy that stands in two. */
function withoutDuplicates({ policies, problems }: PolicyFiles): PolicyFilesInForce {
  const first = new Map<string, FilePolicy>();
  const doubled: LocatedProblem[] = [];
  for (const entry of policies) {
    const key = nameOf(entry);
    const other = first.get(key);
    if (other === undefined) first.set(key, entry);
    else {
      const message = `the policy ${key} stands in ${other.file} already, which wins`;
      doubled.push({ file: entry.file, line: 1, column: 1, path: [], message });
    }
  }
  return { policies: [...first.values()], problems, doubled };
}
