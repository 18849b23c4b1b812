import {
  Composer,
  type CST,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  type Pair,
  Parser,
  type YAMLMap,
} from 'yaml';

/** What a YAML document holds, with the place of each part, in UTF-16 units of the text. Aliases and merges are resolved. */
export type YamlTree =
  | { readonly kind: 'map'; readonly at: number; readonly entries: readonly YamlEntry[] }
  | { readonly kind: 'list'; readonly at: number; readonly items: readonly YamlTree[] }
  | YamlScalar;

export interface YamlScalar {
  readonly kind: 'scalar';
  readonly at: number;
  readonly end: number;
  /** As it is meant: without quotes and indentation. */
  readonly text: string;
  /** Neither in quotes nor a block, so that it may be a number. */
  readonly plain: boolean;
}

export interface YamlEntry {
  readonly key: string;
  readonly at: number;
  readonly value: YamlTree;
}

/** What is wrong at a place of a text. */
export interface Fault {
  readonly at: number;
  readonly message: string;
}

export interface YamlText {
  /** Undefined where there is nothing in it. Of several documents the first one. */
  readonly root: YamlTree | undefined;
  readonly documents: number;
  readonly faults: readonly Fault[];
}

/** Texts that aliases make larger than this are a mistake or an attack. */
const MOST_NODES = 1_000_000;

/**
 * Lists and mappings within each other, which are read by recursion: what a rule file may hold has a handful, and the
 * stack carries some thousands.
 */
const MOST_DEPTH = 500;
const COLLECTIONS: ReadonlySet<CST.Token['type']> = new Set(['block-map', 'block-seq', 'flow-collection']);

/** Reads YAML (and so JSON). Nothing that the text holds makes it throw. */
export function readYamlTree(text: string): YamlText {
  try {
    const { tokens, tooDeepAt } = tokensOf(text);
    if (tooDeepAt !== undefined) {
      const fault = { at: tooDeepAt, message: `exceeded max depth of ${MOST_DEPTH}` };
      return { root: undefined, documents: 1, faults: [fault] };
    }
    const composer = new Composer({ prettyErrors: false, uniqueKeys: false, schema: 'failsafe' });
    const documents = [...composer.compose(tokens)];
    const [first] = documents;
    if (first === undefined) return { root: undefined, documents: 0, faults: [] };
    const faults = first.errors.map(({ pos, message }) => ({ at: pos[0], message: plainMessage(message) }));
    if (faults.length > 0 || first.contents === null) return { root: undefined, documents: documents.length, faults };
    const reading: Reading = { text, faults: [], nodes: 0, anchors: new Map() };
    const root = treeOf(reading, first.contents);
    const isEmpty = isNull(root) && documents.length === 1;
    return { root: isEmpty ? undefined : root, documents: documents.length, faults: reading.faults };
  } catch (error) {
    const message = plainMessage(String((error as Error).message));
    return { root: undefined, documents: 1, faults: [{ at: 0, message }] };
  }
}

/** Without recursion, so that any text can be read so far. @returns Where the depth is first more than may be, if so. */
function tokensOf(text: string): { readonly tokens: readonly CST.Token[]; readonly tooDeepAt?: number } {
  const parser = new Parser();
  const tokens: CST.Token[] = [];
  for (const lexeme of new Lexer().lex(text)) {
    tokens.push(...parser.next(lexeme));
    // The document, and what is open in it.
    const innermost = parser.stack.at(-1);
    const isCollection = innermost !== undefined && COLLECTIONS.has(innermost.type);
    if (isCollection && parser.stack.length - 1 > MOST_DEPTH) return { tokens, tooDeepAt: innermost.offset };
  }
  tokens.push(...parser.end());
  return { tokens };
}

/** Nothing, `~` or `null`. */
export function isNull(tree: YamlTree): boolean {
  return tree.kind === 'scalar' && tree.plain && ['', '~', 'null', 'Null', 'NULL'].includes(tree.text);
}

/** The line and the column of a place, both from 1. */
export function placesIn(text: string): (at: number) => { readonly line: number; readonly column: number } {
  const lines = new LineCounter();
  lines.addNewLine(0);
  for (let i = text.indexOf('\n'); i !== -1; i = text.indexOf('\n', i + 1)) lines.addNewLine(i + 1);
  return (at) => {
    const { line, col } = lines.linePos(at);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
}

interface Reading {
  readonly text: string;
  readonly faults: Fault[];
  nodes: number;
  /** What was named so far. Trees are shared, so that aliases of aliases take no room. */
  readonly anchors: Map<string, YamlTree>;
}

function treeOf(reading: Reading, node: unknown, fallbackAt = 0): YamlTree {
  if (++reading.nodes > MOST_NODES) throw new RangeError('too many nodes');
  if (!isNode(node)) return { kind: 'scalar', at: fallbackAt, end: fallbackAt, text: '', plain: true };
  const [at = fallbackAt, end = at] = node.range ?? [];
  if (isAlias(node)) {
    const named = reading.anchors.get(node.source);
    if (named !== undefined) return named;
    reading.faults.push({ at, message: `unknown anchor '${node.source}' referenced` });
    return { kind: 'scalar', at, end, text: '', plain: true };
  }
  const tree = ownTree(reading, node, { at, end });
  if (node.anchor !== undefined) reading.anchors.set(node.anchor, tree);
  return tree;
}

function ownTree(reading: Reading, node: Node, { at, end }: { readonly at: number; readonly end: number }): YamlTree {
  if (isMap(node)) return { kind: 'map', at, entries: entriesOf(reading, node, at) };
  if (isSeq(node)) return { kind: 'list', at, items: node.items.map((item) => treeOf(reading, item, at)) };
  if (isScalar(node)) return { kind: 'scalar', at, end, text: String(node.value ?? ''), plain: node.type === 'PLAIN' };
  return { kind: 'scalar', at, end, text: '', plain: true };
}

/** Its own keys before those that `<<` brings in. */
function entriesOf(reading: Reading, map: YAMLMap, at: number): readonly YamlEntry[] {
  const own: YamlEntry[] = [];
  const merged: YamlEntry[] = [];
  const seen = new Map<string, number>();
  for (const pair of map.items as Pair[]) {
    const keyAt = isNode(pair.key) ? (pair.key.range?.[0] ?? at) : at;
    const keyTree = treeOf(reading, pair.key, keyAt);
    const value = treeOf(reading, pair.value, keyAt);
    if (keyTree.kind !== 'scalar') {
      reading.faults.push({ at: keyAt, message: 'a key must be a text' });
      continue;
    }
    if (keyTree.plain && keyTree.text === '<<') {
      for (const from of value.kind === 'list' ? value.items : [value]) {
        if (from.kind === 'map') merged.push(...from.entries);
        else reading.faults.push({ at: keyAt, message: 'map merge requires map or sequence of maps as the value' });
      }
      continue;
    }
    const { text: key } = keyTree;
    const first = seen.get(key);
    if (first !== undefined) {
      const { line } = placesIn(reading.text)(first);
      reading.faults.push({ at: keyAt, message: `mapping key ${JSON.stringify(key)} already defined at line ${line}` });
      continue;
    }
    seen.set(key, keyAt);
    own.push({ key, at: keyAt, value });
  }
  for (const entry of merged) {
    if (seen.has(entry.key)) continue;
    seen.set(entry.key, entry.at);
    own.push(entry);
  }
  return own;
}

function plainMessage(message: string): string {
  return message.split('\n', 1)[0]!.replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase());
}
