import { AGGREGATORS } from './ast.ts';
import { scanNumeric } from './scan-numeric.ts';
import type { Span } from './span.ts';

export type TokenKind =
  | 'number'
  | 'duration'
  | 'string'
  | 'identifier'
  | 'metric'
  | 'keyword'
  | 'symbol'
  | 'end'
  | 'error';

/** `text` is as written, except for a keyword (lower case) and an error (the message). */
export interface Token extends Span {
  readonly kind: TokenKind;
  readonly text: string;
}

const AGGREGATOR_WORDS: ReadonlySet<string> = new Set(AGGREGATORS);
const OPERATOR_WORDS = new Set(['and', 'or', 'unless', 'atan2']);
const MODIFIER_WORDS = new Set([
  ...['offset', 'smoothed', 'anchored', 'by', 'without', 'on', 'ignoring', 'group_left', 'group_right'],
  ...['fill', 'fill_left', 'fill_right', 'bool'],
]);
const CONTEXT_WORDS = new Set(['start', 'end', 'step', 'range', 'max_of', 'min_of']);
const BRACKET_WORDS = new Set(['step', 'range', 'max_of', 'min_of']);
const FILL_WORDS = new Set(['fill', 'fill_left', 'fill_right']);

const NO_DURATION = 'unexpected character in duration expression';

const SPACE = /[ \t\r\n]*/y;
const COMMENT = /#[^\r\n]*/y;
const WORD = /[a-zA-Z_][a-zA-Z0-9_]*/y;
const METRIC_WORD = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const NUMERIC = /\.?\d/y;
const HEX = /^0[xX]_?[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*$/;
const DECIMAL = /^(?:\d+(?:_\d+)*(?:\.(?:\d+(?:_\d+)*)?)?|\.\d+(?:_\d+)*)(?:[eE][+-]?\d+(?:_\d+)*)?$/;
const SYMBOLS = ['==', '!=', '<=', '</', '<', '>=', '>/', '>', '+', '-', '*', '/', '%', '^', '(', ')', ',', '@', '='];
const OPERATOR_SYMBOLS = new Set([
  '==',
  '!=',
  '<=',
  '</',
  '<',
  '>=',
  '>/',
  '>',
  '+',
  '-',
  '*',
  '/',
  '%',
  '^',
  '@',
  '=~',
  '!~',
]);
const MATCH_SYMBOLS = ['=~', '=', '!~', '!=', ','];

/** Cuts a query into tokens. What cannot be a token ends the list as an `error`, so that earlier faults are told first. */
export function lex(query: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let parens = 0;
  let inBraces = false;
  let inBrackets = false;
  /** A number was read since the bracket opened: a colon, an operator or the end may follow. */
  let sized = false;

  const emit = (kind: TokenKind, start: number, text: string): void => {
    tokens.push({ kind, text, start, end: at });
  };
  const fail = (message: string, start = at): readonly Token[] => {
    tokens.push({ kind: 'error', text: message, start, end: query.length });
    return tokens;
  };

  for (;;) {
    at = skip(query, at);
    const start = at;
    const char = query[at];
    if (char === undefined) {
      if (inBraces) return fail('unexpected end of input inside braces');
      if (inBrackets && !sized) return fail('unexpected end of input in duration expression');
      if (parens > 0) return fail('unclosed left parenthesis');
      if (inBrackets) return fail('unclosed left bracket');
      emit('end', start, '');
      return tokens;
    }
    if (char === '"' || char === "'" || char === '`') {
      const end = stringEnd(query, at);
      if (typeof end === 'string') return fail(end, start);
      at = end;
      emit('string', start, query.slice(start, at));
      continue;
    }
    if (inBraces) {
      const word = match(WORD, query, at);
      const symbol = word ?? MATCH_SYMBOLS.find((text) => query.startsWith(text, at));
      if (symbol !== undefined) {
        at += symbol.length;
        emit(word === undefined ? 'symbol' : 'identifier', start, symbol);
        continue;
      }
      if (char === '{') return fail(`unexpected left brace '{'`);
      if (char === '!') return fail(`unexpected character after '!' inside braces: ${quoteChar(query, at + 1)}`);
      if (char !== '}') return fail(`unexpected character inside braces: ${quoteChar(query, at)}`);
      inBraces = false;
      at++;
      emit('symbol', start, '}');
      continue;
    }
    if (match(NUMERIC, query, at) !== undefined) {
      const { kind, end } = scanNumeric(query, at);
      const numeric = query.slice(at, end);
      if (kind === undefined) return fail(`bad number or duration syntax: ${JSON.stringify(numeric)}`);
      const why = kind === 'number' ? numberFault(numeric) : undefined;
      if (why !== undefined) {
        return fail(`error parsing number: strconv.ParseFloat: parsing ${JSON.stringify(numeric)}: ${why}`);
      }
      at = end;
      sized = true;
      emit(kind, start, numeric);
      continue;
    }
    const word = match(inBrackets ? WORD : METRIC_WORD, query, at);
    if (word !== undefined) {
      const lower = word.toLowerCase();
      if (inBrackets && !BRACKET_WORDS.has(lower)) {
        const found = quoteChar(query, at);
        return fail(sized ? `unexpected character: ${found}, expected ':'` : `${NO_DURATION}: ${found}`);
      }
      at += word.length;
      if (lower === 'inf' || lower === 'nan') emit('number', start, lower);
      else if (isKeyword(lower) && !(FILL_WORDS.has(lower) && query[skip(query, at)] !== '('))
        emit('keyword', start, lower);
      else emit(word.includes(':') ? 'metric' : 'identifier', start, word);
      continue;
    }
    const symbol = SYMBOLS.find((text) => query.startsWith(text, at)) ?? char;
    at += symbol.length;
    switch (symbol) {
      case '(':
        parens++;
        break;
      case ')':
        if (parens === 0) return fail(`unexpected right parenthesis ')'`);
        parens--;
        break;
      case '{':
        if (inBrackets) return fail(`${NO_DURATION}: '{'`, start);
        inBraces = true;
        break;
      case '[':
        if (inBrackets) return fail(`unexpected left bracket '['`, start);
        inBrackets = true;
        sized = false;
        break;
      case ']':
        if (!inBrackets) return fail(`unexpected right bracket ']'`, start);
        inBrackets = false;
        break;
      case '=':
        if (query[at] === '~') return fail(`unexpected character after '=': '~'`, start);
        break;
      case '!':
        return fail(`unexpected character after '!': ${quoteChar(query, at)}`, start);
      case ':':
        break;
      default:
        if (!SYMBOLS.includes(symbol)) return fail(`unexpected character: ${quoteChar(query, start)}`, start);
    }
    emit('symbol', start, symbol);
  }
}

/** As Prometheus names a token in `unexpected …`. */
export function describeToken({ kind, text, start, end }: Token, query: string): string {
  switch (kind) {
    case 'end':
      return 'end of input';
    case 'symbol':
      return OPERATOR_SYMBOLS.has(text) ? `<op:${text}>` : JSON.stringify(text);
    case 'keyword': {
      // As it is written, which may be in capitals.
      const written = query.slice(start, end);
      if (AGGREGATOR_WORDS.has(text)) return `<aggr:${written}>`;
      if (OPERATOR_WORDS.has(text)) return `<op:${written}>`;
      return CONTEXT_WORDS.has(text) ? JSON.stringify(written) : `<${written}>`;
    }
    case 'metric':
      return `metric identifier ${JSON.stringify(text)}`;
    case 'error':
      return text;
    default: {
      // `NaN` and `Inf` may have capitals.
      const shown = kind === 'number' ? query.slice(start, end) : text;
      const short =
        kind !== 'identifier' && shown.length > 10 ? `${JSON.stringify(shown.slice(0, 10))}...` : JSON.stringify(shown);
      return `${kind} ${short}`;
    }
  }
}

function isKeyword(word: string): boolean {
  return AGGREGATOR_WORDS.has(word) || OPERATOR_WORDS.has(word) || MODIFIER_WORDS.has(word) || CONTEXT_WORDS.has(word);
}

function numberFault(text: string): string | undefined {
  if (!HEX.test(text) && !DECIMAL.test(text)) return 'invalid syntax';
  return Number.isFinite(Number(text.replaceAll('_', ''))) ? undefined : 'value out of range';
}

function skip(query: string, from: number): number {
  let at = from;
  for (;;) {
    at += match(SPACE, query, at)?.length ?? 0;
    const comment = match(COMMENT, query, at);
    if (comment === undefined) return at;
    at += comment.length;
  }
}

function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

/** The index after the closing quote, or what is wrong. Escapes are decoded, and checked, by `unquote`. */
function stringEnd(query: string, start: number): number | string {
  const quote = query[start]!;
  for (let at = start + 1; at < query.length; at++) {
    const char = query[at];
    if (char === quote) return at + 1;
    if (quote === '`') continue;
    if (char === '\n') return 'unterminated quoted string';
    if (char === '\\') at++;
  }
  return quote === '`' ? 'unterminated raw string' : 'unterminated quoted string';
}

function quoteChar(query: string, at: number): string {
  const code = query.codePointAt(at);
  return code === undefined ? 'end of input' : `'${String.fromCodePoint(code)}'`;
}
