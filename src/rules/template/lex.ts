/** What a template's text is made of. Keywords are tokens of their own word. */
export type TokenKind =
  | 'text'
  | 'left'
  | 'right'
  | 'space'
  | 'identifier'
  | 'keyword'
  | 'field'
  | 'variable'
  | 'dot'
  | 'nil'
  | 'bool'
  | 'number'
  | 'char-constant'
  | 'string'
  | 'raw-string'
  | 'pipe'
  | 'assign'
  | 'declare'
  | '('
  | ')'
  | 'char'
  | 'error'
  | 'end';

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** In UTF-16 units of the whole text. */
  readonly at: number;
  /** From 1. */
  readonly line: number;
}

const KEYWORDS = new Set('block break continue define else end if range template with'.split(' '));
const SPACE = /[ \t\r\n]/;
const WORD = /[\p{L}\p{Nd}_]/u;
const NUMBER = /[+-]?(?:0[xX][0-9a-fA-F_]*|0[oO][0-7_]*|0[bB][01_]*|[0-9_]*)(?:\.[0-9a-fA-F_]*)?/y;
const EXPONENT = /(?:[eE][+-]?[0-9_]*|[pP][+-]?[0-9_]*)/y;
/** What may stand right behind a word. */
const TERMINATORS = '.,|:)(';

/** Reads a template of Go's text/template up to its end or the first mistake, which is the last token then. */
export function lex(text: string): readonly Token[] {
  const tokens: Token[] = [];
  const state: State = { text, tokens, at: 0, line: 1, depth: 0 };
  while (lexText(state) && lexAction(state)) {}
  return tokens;
}

interface State {
  readonly text: string;
  readonly tokens: Token[];
  at: number;
  line: number;
  /** Of parentheses. */
  depth: number;
}

/** Up to the next action. False: there is none, or what comes is a mistake. */
function lexText(state: State): boolean {
  const { text } = state;
  for (;;) {
    const open = text.indexOf('{{', state.at);
    const from = state.at;
    if (open === -1) {
      if (from < text.length) emit(state, 'text', text.length);
      emit(state, 'end', text.length);
      return false;
    }
    const trims = text[open + 2] === '-' && SPACE.test(text[open + 3] ?? '');
    const end = trims ? from + trimmedEnd(text.slice(from, open)) : open;
    if (end > from) emit(state, 'text', end);
    skip(state, open);
    const inside = open + (trims ? 4 : 2);
    if (!text.startsWith('/*', inside)) {
      emit(state, 'left', open + 2);
      skip(state, inside);
      state.depth = 0;
      return true;
    }
    const close = text.indexOf('*/', inside + 2);
    if (close === -1) return mistake(state, 'unclosed comment');
    const behind = close + 2;
    const trimsAfter = SPACE.test(text[behind] ?? '') && text.startsWith('-}}', behind + 1);
    if (!trimsAfter && !text.startsWith('}}', behind)) return mistake(state, 'comment ends before closing delimiter');
    skip(state, behind + (trimsAfter ? 4 : 2));
    if (trimsAfter) skipSpace(state);
  }
}

/** Up to the end of the action. False: what comes is a mistake. */
function lexAction(state: State): boolean {
  const { text } = state;
  for (;;) {
    const trims = atTrimmedEnd(state);
    if (trims || text.startsWith('}}', state.at)) {
      if (state.depth > 0) return mistake(state, 'unclosed left paren');
      if (trims) skip(state, state.at + 2);
      emit(state, 'right', state.at + 2);
      if (trims) skipSpace(state);
      return true;
    }
    if (state.at >= text.length) return mistake(state, 'unclosed action');
    if (!lexItem(state)) return false;
  }
}

function lexItem(state: State): boolean {
  const { text, at } = state;
  const char = String.fromCodePoint(text.codePointAt(at)!);
  if (SPACE.test(char)) {
    let end = at + 1;
    while (SPACE.test(text[end] ?? '') && !text.startsWith('-}}', end + 1)) end++;
    return emit(state, 'space', end);
  }
  const next = text[at + 1] ?? '';
  if (char === '=') return emit(state, 'assign', at + 1);
  if (char === ':') return next === '=' ? emit(state, 'declare', at + 2) : mistake(state, 'expected :=');
  if (char === '|') return emit(state, 'pipe', at + 1);
  if (char === '"') return lexQuoted(state, '"', 'string', 'unterminated quoted string');
  if (char === "'") return lexQuoted(state, "'", 'char-constant', 'unterminated character constant');
  if (char === '`') return lexRaw(state);
  if (char === '$') return lexName(state, 'variable');
  if (char === '.' && !/[0-9]/.test(next)) return lexName(state, 'field');
  if (/[.+\-0-9]/.test(char)) return lexNumber(state);
  if (WORD.test(char)) return lexWord(state);
  if (char === '(') state.depth++;
  if (char === ')' && --state.depth < 0) return mistake(state, 'unexpected right paren');
  if (char === '(' || char === ')') return emit(state, char, at + 1);
  if (/[!-~]/.test(char)) return emit(state, 'char', at + 1);
  return mistake(state, `unrecognized character in action: ${codePoint(char)}`);
}

/** `.name` or `$name`; a lone dot is a kind of its own. */
function lexName(state: State, kind: 'field' | 'variable'): boolean {
  const { text, at } = state;
  const end = wordEnd(text, at + 1);
  if (!endsWord(state, end)) return badCharacter(state, end);
  return emit(state, kind === 'field' && end === at + 1 ? 'dot' : kind, end);
}

function lexWord(state: State): boolean {
  const end = wordEnd(state.text, state.at);
  const word = state.text.slice(state.at, end);
  if (!endsWord(state, end)) return badCharacter(state, end);
  if (KEYWORDS.has(word)) return emit(state, 'keyword', end);
  if (word === 'true' || word === 'false') return emit(state, 'bool', end);
  return emit(state, word === 'nil' ? 'nil' : 'identifier', end);
}

function lexNumber(state: State): boolean {
  const { text, at } = state;
  NUMBER.lastIndex = at;
  NUMBER.test(text);
  let end = NUMBER.lastIndex;
  EXPONENT.lastIndex = end;
  if (EXPONENT.test(text)) end = EXPONENT.lastIndex;
  if (WORD.test(text[end] ?? ''))
    return mistake(state, `bad number syntax: ${JSON.stringify(text.slice(at, end + 1))}`);
  return emit(state, 'number', end);
}

function lexQuoted(state: State, quote: string, kind: TokenKind, fault: string): boolean {
  const { text, at } = state;
  for (let end = at + 1; end < text.length && text[end] !== '\n'; end++) {
    if (text[end] === '\\' && text[end + 1] !== '\n') end++;
    else if (text[end] === quote) return emit(state, kind, end + 1);
  }
  return mistake(state, fault);
}

function lexRaw(state: State): boolean {
  const end = state.text.indexOf('`', state.at + 1);
  return end === -1 ? mistake(state, 'unterminated raw quoted string') : emit(state, 'raw-string', end + 1);
}

function wordEnd(text: string, from: number): number {
  let end = from;
  while (end < text.length) {
    const char = String.fromCodePoint(text.codePointAt(end)!);
    if (!WORD.test(char)) break;
    end += char.length;
  }
  return end;
}

function endsWord({ text }: State, end: number): boolean {
  const char = text[end];
  return char === undefined || SPACE.test(char) || TERMINATORS.includes(char) || text.startsWith('}}', end);
}

function badCharacter(state: State, at: number): boolean {
  return mistake(state, `bad character ${codePoint(String.fromCodePoint(state.text.codePointAt(at)!))}`);
}

function codePoint(char: string): string {
  return `U+${char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')} '${char}'`;
}

function atTrimmedEnd({ text, at }: State): boolean {
  return SPACE.test(text[at] ?? '') && text.startsWith('-}}', at + 1);
}

function trimmedEnd(text: string): number {
  let end = text.length;
  while (end > 0 && SPACE.test(text[end - 1]!)) end--;
  return end;
}

function skipSpace(state: State): void {
  let end = state.at;
  while (SPACE.test(state.text[end] ?? '')) end++;
  skip(state, end);
}

function emit(state: State, kind: TokenKind, end: number): true {
  state.tokens.push({ kind, text: state.text.slice(state.at, end), at: state.at, line: state.line });
  skip(state, end);
  return true;
}

function mistake(state: State, message: string): false {
  state.tokens.push({ kind: 'error', text: message, at: Math.min(state.at, state.text.length), line: state.line });
  return false;
}

function skip(state: State, to: number): void {
  for (let i = state.text.indexOf('\n', state.at); i !== -1 && i < to; i = state.text.indexOf('\n', i + 1))
    state.line++;
  state.at = to;
}
