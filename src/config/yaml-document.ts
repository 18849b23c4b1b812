import { type Document, isMap, isNode, isPair, LineCounter, parseAllDocuments, type YAMLMap } from 'yaml';
import { formatProblem, type Problem } from '../model/problem.ts';

/** A problem with its place in a file. Lines and columns count from 1; line 0 is no line at all, as of a flag. */
export interface LocatedProblem extends Problem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** One YAML document of a file: its plain value, and where each part of it stands. */
export interface YamlDocument {
  readonly value: unknown;
  locate(problem: Problem): LocatedProblem;
}

export type YamlFile =
  | { readonly kind: 'documents'; readonly documents: readonly YamlDocument[] }
  | { readonly kind: 'broken'; readonly problems: readonly LocatedProblem[] };

/** Reads YAML (and so JSON). Empty documents are left out. Nothing that the text holds makes it throw. */
export function parseYaml(text: string, file: string): YamlFile {
  const lineCounter = new LineCounter();
  const at = (offset: number) => {
    const { line, col } = lineCounter.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  try {
    const parsed = parseAllDocuments(text, { lineCounter, prettyErrors: false, merge: false });
    const documents = 'empty' in parsed ? [] : parsed.filter(({ contents }) => contents !== null);
    const broken = documents.flatMap(({ errors }) => errors);
    if (broken.length > 0) {
      const problems = broken.map((error) => ({ path: [], message: firstLine(error.message), ...at(error.pos[0]) }));
      return { kind: 'broken', problems };
    }
    return {
      kind: 'documents',
      documents: documents.map((document) => ({
        value: document.toJS({ maxAliasCount: 100 }),
        locate: (problem) => ({ ...problem, ...at(offsetOf(document, problem.path)) }),
      })),
    };
  } catch (error) {
    // Documents nested thousands of levels deep end the parser's recursion, and alias bombs its patience.
    const message = error instanceof RangeError ? 'nested too deeply' : firstLine(String((error as Error).message));
    return { kind: 'broken', problems: [{ path: [], message, file, line: 1, column: 1 }] };
  }
}

/** `foresail.yaml:7:3: tenancy.mode: expected "on" or "off", got "yes"; did you mean "on"?` */
export function formatLocated(problem: LocatedProblem): string {
  const { file, line, column } = problem;
  return `${line === 0 ? file : `${file}:${line}:${column}`}: ${formatProblem(problem)}`;
}

/** Where a path's key stands; where the path ends early, the deepest part that is there. */
function offsetOf(document: Document.Parsed, path: readonly (string | number)[]): number {
  let node: unknown = document.contents;
  let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
  for (const part of path) {
    if (isMap(node)) {
      const pair = pairOf(node, part);
      if (pair === undefined) return offset;
      if (isNode(pair.key)) offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
      continue;
    }
    node =
      document.contents === null
        ? undefined
        : (node as { get?: (key: unknown, keep: true) => unknown })?.get?.(part, true);
    if (!isNode(node)) return offset;
    offset = node.range?.[0] ?? offset;
  }
  return offset;
}

function pairOf(map: YAMLMap, key: string | number) {
  return map.items.find((item) => isPair(item) && isNode(item.key) && String(item.key) === String(key));
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0]!.replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase());
}
