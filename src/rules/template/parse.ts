import { unquote } from '../../promql/unquote.ts';
import { lex, type Token, type TokenKind } from './lex.ts';
import {
  type Branch,
  type Command,
  formatNode,
  type Node,
  type NumberNode,
  type Operand,
  type Pipeline,
} from './nodes.ts';

export interface Template {
  readonly text: string;
  readonly root: readonly Node[];
  /** What `define` and `block` name. */
  readonly named: ReadonlyMap<string, readonly Node[]>;
}

/** A template's text is none. The message has the line, as Go tells it. */
export class TemplateSyntaxError extends Error {
  override readonly name = 'TemplateSyntaxError';
  /** Where in the text, in UTF-16 units. */
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

interface Cursor {
  readonly name: string;
  readonly tokens: readonly Token[];
  readonly functions: ReadonlySet<string>;
  readonly named: Map<string, readonly Node[]>;
  next: number;
  /** In scope. */
  variables: string[];
  /** Ranges around. */
  ranges: number;
  /** Of parentheses. */
  depth: number;
  /** Lists around: branches, and what follows their `else`. */
  lists: number;
  /** Where the action begins. */
  actionLine: number;
}

const OPERANDS: ReadonlySet<TokenKind> = new Set<TokenKind>([
  ...(['bool', 'char-constant', 'dot', 'field', 'identifier', 'number', 'nil'] as const),
  ...(['raw-string', 'string', 'variable', '('] as const),
]);
const MOST_NESTED = 1000;
const MOST_LISTS = 500;

/**
 * Parses Go's text/template.
 * @param name What messages call it.
 * @param functions Names that may be called.
 * @throws {TemplateSyntaxError} In Go's words.
 */
export function parseTemplate(name: string, text: string, functions: ReadonlySet<string>): Template {
  const named = new Map<string, readonly Node[]>();
  const base = { name, functions, named, next: 0, ranges: 0, depth: 0, lists: 0, actionLine: 0 };
  const cursor: Cursor = { ...base, tokens: lex(text), variables: ['$'] };
  const root: Node[] = [];
  while (peek(cursor).kind !== 'end') {
    if (peek(cursor).kind === 'left' && definesNext(cursor)) {
      parseDefinition(cursor);
      continue;
    }
    const item = parseItem(cursor);
    if ('ends' in item) throw fault(cursor, `unexpected {{${item.ends}}}`);
    root.push(item);
  }
  return { text, root, named };
}

/** A list's end. */
interface End {
  readonly ends: 'end' | 'else';
}

function definesNext({ tokens, next }: Cursor): boolean {
  const after = tokens[next + 1];
  const word = after?.kind === 'space' ? tokens[next + 2] : after;
  return word?.kind === 'keyword' && word.text === 'define';
}

function parseDefinition(cursor: Cursor): void {
  advance(cursor);
  advanceWord(cursor);
  const name = parseName(cursor, 'define clause');
  const closing = advanceWord(cursor);
  if (closing.kind !== 'right') throw unexpected(cursor, closing, 'define clause');
  define(cursor, name, 'define clause');
}

/** Reads a list of its own up to its `end`. */
function define(cursor: Cursor, name: string, context: string): void {
  const { variables, ranges } = cursor;
  cursor.variables = ['$'];
  cursor.ranges = 0;
  const { list, end } = parseList(cursor);
  if (end.ends !== 'end') throw fault(cursor, `unexpected {{else}} in ${context}`);
  Object.assign(cursor, { variables, ranges });
  const isEmpty = (nodes: readonly Node[]) => nodes.every((node) => node.kind === 'text' && node.text.trim() === '');
  const before = cursor.named.get(name);
  if (before !== undefined && !isEmpty(before)) {
    if (isEmpty(list)) return;
    throw fault(cursor, `template: multiple definition of template ${JSON.stringify(name)}`);
  }
  cursor.named.set(name, list);
}

function parseList(cursor: Cursor): { readonly list: readonly Node[]; readonly end: End } {
  const list: Node[] = [];
  // Lists within lists are read by functions within functions, of which there can only be so many.
  if (++cursor.lists > MOST_LISTS) throw fault(cursor, 'nested too deeply');
  while (peekWord(cursor).kind !== 'end') {
    const item = parseItem(cursor);
    if ('ends' in item) {
      cursor.lists--;
      return { list, end: item };
    }
    list.push(item);
  }
  throw fault(cursor, 'unexpected EOF');
}

function parseItem(cursor: Cursor): Node | End {
  const token = advanceWord(cursor);
  if (token.kind === 'text') return { kind: 'text', at: token.at, text: token.text };
  if (token.kind !== 'left') throw unexpected(cursor, token, 'input');
  cursor.actionLine = token.line;
  const item = parseAction(cursor);
  cursor.actionLine = 0;
  return item;
}

function parseAction(cursor: Cursor): Node | End {
  const token = peekWord(cursor);
  if (token.kind !== 'keyword') {
    return { kind: 'action', at: token.at, pipeline: parsePipeline(cursor, 'command', 'right') };
  }
  advanceWord(cursor);
  switch (token.text) {
    case 'if':
    case 'with':
    case 'range':
      return parseBranch(cursor, token.text);
    case 'end':
      expectRight(cursor, 'end');
      return { ends: 'end' };
    case 'else': {
      const next = peekWord(cursor);
      // What follows an `else` at once is a branch of its own, without an `end` of its own.
      if (next.kind !== 'keyword' || (next.text !== 'if' && next.text !== 'with')) expectRight(cursor, 'else');
      return { ends: 'else' };
    }
    case 'break':
    case 'continue': {
      expectRight(cursor, `{{${token.text}}}`);
      if (cursor.ranges === 0) throw fault(cursor, `{{${token.text}}} outside {{range}}`);
      return { kind: token.text, at: token.at };
    }
    case 'template': {
      const { at } = peekWord(cursor);
      const name = parseName(cursor, 'template clause');
      if (peekWord(cursor).kind === 'right') {
        advanceWord(cursor);
        return { kind: 'template', at, name, pipeline: undefined };
      }
      return { kind: 'template', at, name, pipeline: parsePipeline(cursor, 'template clause', 'right') };
    }
    case 'block': {
      const { at } = peekWord(cursor);
      const name = parseName(cursor, 'block clause');
      const pipeline = parsePipeline(cursor, 'block clause', 'right');
      define(cursor, name, 'block clause');
      return { kind: 'template', at, name, pipeline };
    }
    default:
      throw unexpected(cursor, token, 'command');
  }
}

function parseBranch(cursor: Cursor, kind: Branch['kind']): Branch {
  const scope = cursor.variables.length;
  const pipeline = parsePipeline(cursor, kind, 'right');
  if (kind === 'range') cursor.ranges++;
  const { list, end } = parseList(cursor);
  if (kind === 'range') cursor.ranges--;
  const otherwise = end.ends === 'else' ? parseElse(cursor, kind) : undefined;
  cursor.variables.length = scope;
  return { kind, at: pipeline.at, pipeline, list, otherwise };
}

function parseElse(cursor: Cursor, kind: Branch['kind']): readonly Node[] {
  const next = peek(cursor).kind === 'space' ? peekWord(cursor) : peek(cursor);
  if (next.kind === 'keyword' && next.text === kind && kind !== 'range') {
    advanceWord(cursor);
    if (++cursor.lists > MOST_LISTS) throw fault(cursor, 'nested too deeply');
    const branch = parseBranch(cursor, kind);
    cursor.lists--;
    return [branch];
  }
  const { list, end } = parseList(cursor);
  if (end.ends !== 'end') throw fault(cursor, 'expected end; found {{else}}');
  return list;
}

function parseName(cursor: Cursor, context: string): string {
  const token = advanceWord(cursor);
  if (token.kind !== 'string' && token.kind !== 'raw-string') throw unexpected(cursor, token, context);
  return unquoted(cursor, token);
}

function parsePipeline(cursor: Cursor, context: string, end: 'right' | ')'): Pipeline {
  const { at } = peekWord(cursor);
  const { variables, assigns } = parseDeclarations(cursor, context);
  const commands: Command[] = [];
  for (;;) {
    const token = peekWord(cursor);
    if (token.kind === end) {
      advanceWord(cursor);
      checkPipeline(cursor, commands, context);
      return { kind: 'pipeline', at, variables, assigns, commands };
    }
    if (!OPERANDS.has(token.kind)) {
      advanceWord(cursor);
      throw unexpected(cursor, token, context);
    }
    commands.push(parseCommand(cursor));
  }
}

function parseDeclarations(cursor: Cursor, context: string): { variables: readonly string[]; assigns: boolean } {
  const variables: string[] = [];
  for (;;) {
    const first = peekWord(cursor);
    if (first.kind !== 'variable') return { variables, assigns: false };
    const start = cursor.next;
    advanceWord(cursor);
    const next = peekWord(cursor);
    const declare = (): void => {
      advanceWord(cursor);
      variables.push(first.text);
      cursor.variables.push(first.text);
    };
    if (next.kind === 'assign' || next.kind === 'declare') {
      declare();
      return { variables, assigns: next.kind === 'assign' };
    }
    if (next.kind !== 'char' || next.text !== ',') {
      cursor.next = start;
      return { variables, assigns: false };
    }
    declare();
    if (context !== 'range' || variables.length >= 2) throw fault(cursor, `too many declarations in ${context}`);
    const follows = peekWord(cursor).kind;
    if (follows !== 'variable' && follows !== 'right' && follows !== ')') {
      throw fault(cursor, 'range can only initialize variables');
    }
  }
}

function checkPipeline(cursor: Cursor, commands: readonly Command[], context: string): void {
  if (commands.length === 0) throw fault(cursor, `missing value for ${context}`);
  for (const [i, { operands }] of commands.entries()) {
    if (i > 0 && ['bool', 'dot', 'nil', 'number', 'string'].includes(operands[0]!.kind)) {
      throw fault(cursor, `non executable command in pipeline stage ${i + 1}`);
    }
  }
}

function parseCommand(cursor: Cursor): Command {
  const { at } = peekWord(cursor);
  const operands: Operand[] = [];
  for (;;) {
    peekWord(cursor);
    const operand = parseOperand(cursor);
    if (operand !== undefined) operands.push(operand);
    const token = advance(cursor);
    if (token.kind === 'space') continue;
    if (token.kind === 'right' || token.kind === ')') cursor.next--;
    else if (token.kind !== 'pipe') throw unexpected(cursor, token, 'operand');
    break;
  }
  if (operands.length === 0) throw fault(cursor, 'empty command');
  return { at, operands };
}

function parseOperand(cursor: Cursor): Operand | undefined {
  const term = parseTerm(cursor);
  const first = peek(cursor);
  if (term === undefined || first.kind !== 'field') return term;
  const path: string[] = [];
  while (peek(cursor).kind === 'field') path.push(advance(cursor).text.slice(1));
  switch (term.kind) {
    case 'field':
    case 'variable':
      return { ...term, at: first.at, path: [...term.path, ...path] };
    case 'bool':
    case 'string':
    case 'number':
    case 'nil':
    case 'dot':
      throw fault(cursor, `unexpected . after term ${JSON.stringify(formatNode(term))}`);
    default:
      return { kind: 'chain', at: first.at, of: term, path };
  }
}

function parseTerm(cursor: Cursor): Operand | undefined {
  const token = peekWord(cursor);
  const { at, text } = token;
  if (!OPERANDS.has(token.kind)) return undefined;
  advanceWord(cursor);
  switch (token.kind) {
    case 'identifier':
      if (!cursor.functions.has(text)) throw fault(cursor, `function ${JSON.stringify(text)} not defined`);
      return { kind: 'function', at, name: text };
    case 'dot':
    case 'nil':
      return { kind: token.kind, at };
    case 'variable':
      if (!cursor.variables.includes(text)) throw fault(cursor, `undefined variable ${JSON.stringify(text)}`);
      return { kind: 'variable', at, name: text, path: [] };
    case 'field':
      return { kind: 'field', at, path: [text.slice(1)] };
    case 'bool':
      return { kind: 'bool', at, value: text === 'true' };
    case '(': {
      if (++cursor.depth > MOST_NESTED) throw fault(cursor, 'max expression depth exceeded');
      const inner = parsePipeline(cursor, 'parenthesized pipeline', ')');
      cursor.depth--;
      return inner;
    }
    case 'number':
      return numberOf(cursor, token);
    case 'char-constant': {
      const [char, ...more] = [...unquoted(cursor, token)];
      if (char === undefined || more.length > 0) throw fault(cursor, `malformed character constant: ${text}`);
      const code = char.codePointAt(0)!;
      return { kind: 'number', at, text, int: BigInt(code), float: code };
    }
    default:
      return { kind: 'string', at, quoted: text, value: unquoted(cursor, token) };
  }
}

const INTEGER = /^([+-]?)(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|0|[1-9][0-9]*)$/;
const FLOAT = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;
const LARGEST = 2n ** 63n - 1n;

function numberOf(cursor: Cursor, { at, text }: Token): NumberNode {
  const plain = text.replaceAll('_', '');
  const whole = INTEGER.exec(plain);
  if (whole !== null) {
    const digits = whole[2]!.replace(/^0(?=[0-7])/, '0o');
    const int = (whole[1] === '-' ? -1n : 1n) * BigInt(digits);
    if (int > LARGEST || int < -LARGEST - 1n) throw fault(cursor, `integer overflow: ${JSON.stringify(text)}`);
    return { kind: 'number', at, text, int, float: Number(int) };
  }
  if (/^[+-]?\d+$/.test(plain)) throw fault(cursor, `integer overflow: ${JSON.stringify(text)}`);
  if (!FLOAT.test(plain)) throw fault(cursor, `illegal number syntax: ${JSON.stringify(text)}`);
  const float = Number(plain);
  return { kind: 'number', at, text, float, int: Number.isSafeInteger(float) ? BigInt(float) : undefined };
}

function unquoted(cursor: Cursor, { text }: Token): string {
  const value = unquote(text);
  if (typeof value !== 'string') throw fault(cursor, 'invalid syntax');
  return value;
}

function expectRight(cursor: Cursor, context: string): void {
  const token = advanceWord(cursor);
  if (token.kind !== 'right') throw unexpected(cursor, token, context);
}

function peek({ tokens, next }: Cursor): Token {
  return tokens[Math.min(next, tokens.length - 1)]!;
}

function advance(cursor: Cursor): Token {
  const token = peek(cursor);
  cursor.next++;
  return token;
}

/** The next that is no space, which is skipped. */
function peekWord(cursor: Cursor): Token {
  while (peek(cursor).kind === 'space') cursor.next++;
  return peek(cursor);
}

function advanceWord(cursor: Cursor): Token {
  peekWord(cursor);
  return advance(cursor);
}

function unexpected(cursor: Cursor, token: Token, context: string): TemplateSyntaxError {
  if (token.kind !== 'error') return fault(cursor, `unexpected ${describe(token)} in ${context}`);
  if (cursor.actionLine === 0 || cursor.actionLine === token.line) return fault(cursor, token.text);
  const where = ` in action started at ${cursor.name}:${cursor.actionLine}`;
  return fault(cursor, token.text + (token.text.endsWith(' action') ? where.slice(' in action'.length) : where));
}

function describe({ kind, text }: Token): string {
  if (kind === 'end') return 'EOF';
  if (kind === 'keyword' || kind === 'dot' || kind === 'nil') return `<${text}>`;
  return text.length > 10 ? `${JSON.stringify(text.slice(0, 10))}...` : JSON.stringify(text);
}

/** At the token that was read last. */
function fault({ name, tokens, next }: Cursor, message: string): TemplateSyntaxError {
  const { at, line } = tokens[Math.min(Math.max(next - 1, 0), tokens.length - 1)]!;
  return new TemplateSyntaxError(`template: ${name}:${line}: ${message}`, at);
}
