import { RE2JS, RE2JSSyntaxException } from 're2js';

/** What of a text compiles in some ten milliseconds, in about a microsecond each, once the code is warm. */
const MOST_COST = 16_000;
/** Longer lists are compiled in parts: what a list takes grows faster than its length. */
const PART_CHARS = 2_048;
/** A class of Unicode, as `\pL` is, and a range of a class whose letters are looked for in both cases. */
const UNICODE_CLASS_COST = 160;
const FOLDED_RANGE_COST = 2_400;
/** Compiled ones that are remembered, and how long they may be together. */
const MOST_KEPT = 64;

const kept = new Map<string, (value: string) => boolean>();

/**
 * A test of whole values by a regular expression: RE2's, whose dot matches line breaks. Lists of texts (`a|b\.c`), `.*`
 * and `.+` need no automaton, and may be of any length.
 *
 * @throws {RangeError} If it is not valid, or would take the thread for too long to compile: in Go's words.
 */
export function wholeValueTest(pattern: string): (value: string) => boolean {
  if (pattern === '.*') return () => true;
  if (pattern === '.+') return (text) => text !== '';
  const texts = listedTexts(pattern);
  if (texts !== undefined) return (text) => texts.has(text);
  const known = kept.get(pattern);
  if (known !== undefined) return known;
  const made = compiled(pattern);
  if (kept.size >= MOST_KEPT) kept.delete(kept.keys().next().value!);
  kept.set(pattern, made);
  return made;
}

/**
 * Before a pattern is compiled.
 * @throws {RangeError} If that would take too long.
 */
export function checkRegexSize(pattern: string): void {
  if (compileCost(pattern) > MOST_COST) throw new RangeError('error parsing regexp: expression too large');
}

function compiled(pattern: string): (value: string) => boolean {
  checkRegexSize(pattern);
  try {
    const parts = partsOf(pattern).map((part) => RE2JS.compile(part, RE2JS.DOTALL));
    const [only] = parts;
    if (parts.length === 1) return (text) => only!.matches(text);
    return (text) => parts.some((part) => part.matches(text));
  } catch (error) {
    if (!(error instanceof RE2JSSyntaxException)) throw error;
    throw new RangeError(wholeMessage(pattern, error), { cause: error });
  }
}

/** Of the whole, as Go tells it: without the flags that hold for it here. */
function wholeMessage(pattern: string, { message }: RE2JSSyntaxException): string {
  return message.replace(`\`(?s)${pattern}\``, `\`${pattern}\``);
}

/** The texts of a list that has nothing but texts in it, characters escaped or not; else undefined. */
function listedTexts(pattern: string): ReadonlySet<string> | undefined {
  const texts = new Set<string>();
  let text = '';
  let from = 0;
  for (let at = 0; at < pattern.length; at++) {
    const code = pattern.charCodeAt(at);
    if (code === BAR) {
      texts.add(text + pattern.slice(from, at));
      text = '';
      from = at + 1;
    } else if (code === BACKSLASH) {
      const next = at + 1 < pattern.length ? pattern[at + 1]! : '';
      if (!ESCAPABLE.test(next)) return undefined;
      text += pattern.slice(from, at);
      from = ++at;
    } else if (SPECIAL.has(code)) return undefined;
  }
  return texts.add(text + pattern.slice(from));
}

const BAR = '|'.charCodeAt(0);
const BACKSLASH = '\\'.charCodeAt(0);
const SPECIAL = new Set(Array.from('.+*?()[]{}^$', (each) => each.charCodeAt(0)));
const ESCAPABLE = /^[!-/:-@[-`{-~]$/;

/** A long list in parts. A flag that is set for what follows would not hold in the next part: such a list is one. */
function partsOf(pattern: string): readonly string[] {
  if (pattern.length <= PART_CHARS || /\(\?[a-zA-Z-]+\)/.test(pattern)) return [pattern];
  const parts: string[] = [];
  let from = 0;
  for (const { at, kind, depth } of tokensOf(pattern)) {
    if (kind !== '|' || depth > 0 || at - from < PART_CHARS) continue;
    parts.push(pattern.slice(from, at));
    from = at + 1;
  }
  parts.push(pattern.slice(from));
  return parts;
}

/** Of a group so far. */
interface Cost {
  sum: number;
  /** The instructions of it, which repeating writes again: a class is made once. */
  written: number;
  /** Of them, those of what a repetition would repeat. */
  last: number;
}

/** About how long compiling takes, as a number of instructions: repetitions are written out. */
function compileCost(pattern: string): number {
  const isFolded = /\(\?[a-zA-Z]*i/.test(pattern);
  const groups: Cost[] = [{ sum: 0, written: 0, last: 0 }];
  for (const { at, kind, end } of tokensOf(pattern)) {
    const group = groups.at(-1)!;
    const add = (instructions: number, once = 0): void => {
      group.sum += instructions + once;
      group.written += instructions;
      group.last = instructions;
    };
    switch (kind) {
      case '(':
        groups.push({ sum: 2, written: 2, last: 0 });
        break;
      case ')': {
        if (groups.length === 1) break;
        const { sum, written } = groups.pop()!;
        const outer = groups.at(-1)!;
        outer.sum += sum;
        outer.written += written;
        outer.last = written;
        break;
      }
      case 'repeat': {
        const counts = pattern
          .slice(at + 1, end - 1)
          .split(',')
          .map(Number);
        const times = Math.max(1, ...counts.filter(Number.isFinite));
        group.sum += group.last * (times - 1);
        group.written += group.last * (times - 1);
        group.last *= times;
        break;
      }
      case 'class': {
        const text = pattern.slice(at, end);
        const unicode = text.match(/\\[pP]|\[:/g)?.length ?? 0;
        const wide = isFolded ? (text.match(/\\x\{|\\[pPWDS]/g)?.length ?? 0) : 0;
        const letters = isFolded ? (text.match(/[\u0080-\uffff]/g)?.length ?? 0) : 0;
        add(1, text.length + (unicode + letters) * UNICODE_CLASS_COST + wide * FOLDED_RANGE_COST);
        break;
      }
      case 'unicode':
        add(1, UNICODE_CLASS_COST);
        break;
      default:
        add(end - at);
    }
    if (groups.at(-1)!.sum > MOST_COST) return Number.POSITIVE_INFINITY;
  }
  return groups.reduce((sum, group) => sum + group.sum, 0);
}

interface Token {
  readonly kind: '(' | ')' | '|' | 'repeat' | 'class' | 'unicode' | 'other';
  readonly at: number;
  readonly end: number;
  /** Groups that it is in. */
  readonly depth: number;
}

/** Parts of a pattern, as far as what compiling takes depends on them. What is not valid is somehow read. */
function* tokensOf(pattern: string): Generator<Token> {
  let depth = 0;
  for (let at = 0; at < pattern.length; ) {
    const [kind, end] = tokenAt(pattern, at);
    if (kind === ')') depth = Math.max(0, depth - 1);
    yield { kind, at, end, depth };
    if (kind === '(') depth++;
    at = end;
  }
}

const REPEAT = /\{\d+(?:,\d*)?\}/y;

function tokenAt(pattern: string, at: number): readonly [Token['kind'], number] {
  switch (pattern[at]) {
    case '(':
    case ')':
    case '|':
      return [pattern[at] as '(' | ')' | '|', at + 1];
    case '[':
      return ['class', classEnd(pattern, at)];
    case '{': {
      REPEAT.lastIndex = at;
      const found = REPEAT.exec(pattern);
      return found === null ? ['other', at + 1] : ['repeat', at + found[0].length];
    }
    case '\\': {
      const next = pattern[at + 1];
      if (next === 'Q') {
        const end = pattern.indexOf('\\E', at + 2);
        return ['other', end === -1 ? pattern.length : end + 2];
      }
      if (next === 'p' || next === 'P') {
        const end = pattern[at + 2] === '{' ? pattern.indexOf('}', at) : at + 2;
        return ['unicode', end === -1 ? pattern.length : end + 1];
      }
      if (next === 'x' && pattern[at + 2] === '{') {
        const end = pattern.indexOf('}', at);
        return ['other', end === -1 ? pattern.length : end + 1];
      }
      return ['other', at + 2];
    }
    default:
      return ['other', at + 1];
  }
}

/** Behind the bracket that closes a class: one right behind the opening one is a character. */
function classEnd(pattern: string, start: number): number {
  let at = start + 1;
  if (pattern[at] === '^') at++;
  if (pattern[at] === ']') at++;
  while (at < pattern.length && pattern[at] !== ']') {
    if (pattern[at] === '\\') at++;
    else if (pattern.startsWith('[:', at)) {
      const end = pattern.indexOf(':]', at + 2);
      if (end !== -1) at = end + 1;
    }
    at++;
  }
  return Math.min(pattern.length, at + 1);
}
