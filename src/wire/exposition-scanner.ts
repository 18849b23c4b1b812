import { type Label, METRIC_NAME } from '../model/labels.ts';
import { ExpositionError } from './errors.ts';
import { formatOpenMetricsFloat, parseFloatText } from './float-text.ts';

const TAB = 9;
export const SPACE = 32;
export const QUOTE = 34;
export const HASH = 35;
const COMMA = 44;
const MINUS = 45;
const DOT = 46;
const ZERO = 48;
const NINE = 57;
const EQUAL = 61;
const BACKSLASH = 92;
const SMALL_E = 101;
export const OPEN = 123;
const CLOSE = 125;

/** Powers of ten that doubles hold exactly: a whole number below 2^53 times or over one of them is rounded once. */
const EXACT_POWERS = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));
const EXACT_DIGITS = 15;

export interface ScannerOptions {
  readonly blanksInLabels: boolean;
  /** What the last TYPE line says `le` and `quantile` to be: numbers, kept in one form. */
  readonly type: string;
  /** The line, from 1, at which the text begins. */
  readonly lineOf: () => number;
}

/** Reads the parts that both text formats share, of one line. `at` is the next character. */
export class ExpositionScanner {
  readonly body: string;
  at = 0;
  readonly #options: ScannerOptions;

  constructor(body: string, options: ScannerOptions) {
    this.body = body;
    this.#options = options;
  }

  /** The labels of the series at `at`, which ends behind them. */
  labelsOfSeries(): readonly Label[] {
    const name = this.name();
    if (this.#options.blanksInLabels) {
      const end = this.at;
      this.blanks();
      if (this.code() !== OPEN) this.at = end;
    }
    const labels: Label[] = name === '' ? [] : [[METRIC_NAME, name]];
    const inBraces = this.code() === OPEN && this.labels(labels);
    if (labels.length === 0) throw this.expected('the name of a metric');
    if (name === '' && !inBraces) throw this.fault('a series has no metric name');
    return labels;
  }

  /**
   * Reads `{…}` into `labels`. A quoted text that stands alone is the metric name, where there is none yet.
   * @returns Whether there was such a one.
   */
  labels(labels: Label[], mayName = true): boolean {
    const { blanksInLabels } = this.#options;
    const free = mayName && labels.length === 0;
    let named = false;
    this.at++;
    for (;;) {
      if (blanksInLabels) this.blanks();
      if (this.code() === CLOSE) break;
      const quoted = this.code() === QUOTE;
      const name = quoted ? this.quoted() : this.labelName();
      if (name === '' && !quoted) throw this.expected('the name of a label');
      if (blanksInLabels) this.blanks();
      if (quoted && (this.code() === COMMA || this.code() === CLOSE)) {
        if (named || !free) throw this.expected('"="');
        named = true;
        labels.unshift([METRIC_NAME, name]);
      } else {
        if (this.code() !== EQUAL) throw this.expected('"="');
        this.at++;
        if (blanksInLabels) this.blanks();
        if (this.code() !== QUOTE) throw this.expected('the value of a label in double quotes');
        const value = this.quoted();
        labels.push([name, this.#normalized(name, value)]);
      }
      if (blanksInLabels) this.blanks();
      if (this.code() === COMMA) this.at++;
      else if (!blanksInLabels && this.code() !== CLOSE) throw this.expected('"," or "}"');
    }
    this.at++;
    return named;
  }

  #normalized(name: string, value: string): string {
    return normalizedLabel(this.#options.type, name, value);
  }

  /** A text in double quotes at `at`. */
  quoted(): string {
    const end = this.#closingQuote(this.at);
    if (end < 0) throw this.expected('a text whose double quotes close');
    const text = this.body.substring(this.at + 1, end);
    this.at = end + 1;
    return text.includes('\\') ? unescaped(text) : text;
  }

  #closingQuote(open: number): number {
    const { body } = this;
    for (let at = open + 1; at < body.length; at++) {
      const code = body.charCodeAt(at);
      if (code === QUOTE) return at;
      if (code === BACKSLASH) at++;
    }
    return -1;
  }

  /** A metric name without quotes; empty where none stands here. */
  name(): string {
    const start = this.at;
    if (isDigit(this.code())) return '';
    while (isNameCode(this.body.charCodeAt(this.at))) this.at++;
    return this.body.substring(start, this.at);
  }

  labelName(): string {
    const start = this.at;
    if (isDigit(this.code())) return '';
    while (isNameCode(this.code()) && this.code() !== 58) this.at++;
    return this.body.substring(start, this.at);
  }

  /** A number up to the next blank or the end of the line. */
  number(): number {
    const { body } = this;
    let at = this.at;
    let code = body.charCodeAt(at);
    const negative = code === MINUS;
    if (negative) code = body.charCodeAt(++at);
    let whole = 0;
    let digits = 0;
    let scale = 0;
    while (code >= ZERO && code <= NINE) {
      whole = whole * 10 + (code - ZERO);
      digits++;
      code = body.charCodeAt(++at);
    }
    if (code === DOT) {
      code = body.charCodeAt(++at);
      while (code >= ZERO && code <= NINE) {
        whole = whole * 10 + (code - ZERO);
        digits++;
        scale--;
        code = body.charCodeAt(++at);
      }
    }
    if (code === SMALL_E && digits > 0) {
      code = body.charCodeAt(++at);
      const down = code === MINUS;
      if (down || code === 43) code = body.charCodeAt(++at);
      // A text without digits here goes the long way, and is refused there.
      let power = code >= ZERO && code <= NINE ? 0 : 1000;
      while (code >= ZERO && code <= NINE) {
        power = power * 10 + (code - ZERO);
        code = body.charCodeAt(++at);
      }
      scale += down ? -power : power;
    }
    if (digits === 0 || digits > EXACT_DIGITS || scale < -22 || scale > 22 || !isEnd(code)) return this.#longNumber();
    this.at = at;
    const value = scale < 0 ? whole / EXACT_POWERS[-scale]! : whole * EXACT_POWERS[scale]!;
    return negative ? -value : value;
  }

  #longNumber(): number {
    const start = this.at;
    let end = start;
    while (end < this.body.length && !isEnd(this.body.charCodeAt(end))) end++;
    const value = parseFloatText(this.body.substring(start, end));
    if (value === undefined) throw this.expected('a number');
    this.at = end;
    return value;
  }

  code(): number {
    return this.body.charCodeAt(this.at);
  }

  blanks(): void {
    let code = this.body.charCodeAt(this.at);
    while (code === SPACE || code === TAB) code = this.body.charCodeAt(++this.at);
  }

  /** What is left of the line. */
  rest(): string {
    return this.body.slice(this.at);
  }

  get isAtEnd(): boolean {
    return this.at >= this.body.length;
  }

  expected(what: string): ExpositionError {
    const rest = this.body.slice(this.at, this.at + 40).split('\n', 1)[0]!;
    return this.fault(`expected ${what}, got ${rest === '' ? 'the end of the line' : JSON.stringify(rest)}`);
  }

  fault(why: string): ExpositionError {
    let line = this.#options.lineOf();
    for (let i = this.body.indexOf('\n'); i >= 0 && i < this.at; i = this.body.indexOf('\n', i + 1)) line++;
    const column = this.at - this.body.lastIndexOf('\n', this.at - 1);
    return new ExpositionError(why, line, { column });
  }
}

/** Prometheus keeps the `le` of histograms and the `quantile` of summaries in one form, however a target writes them. */
function normalizedLabel(type: string, name: string, value: string): string {
  const isNumber = (type === 'histogram' && name === 'le') || (type === 'summary' && name === 'quantile');
  if (!isNumber) return value;
  const number = parseFloatText(value);
  return number === undefined ? value : formatOpenMetricsFloat(number);
}

/** `\n`, `\"` and `\\`; any other backslash stands for itself. */
export function unescaped(text: string): string {
  return text.replace(/\\([n"\\])/g, (_, letter: string) => (letter === 'n' ? '\n' : letter));
}

export function isBlank(code: number): boolean {
  return code === SPACE || code === TAB;
}

function isEnd(code: number): boolean {
  return !(code > SPACE || code < TAB);
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE;
}

/** Letters, digits, `_` and `:`. */
function isNameCode(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= ZERO && code <= 58) || code === 95;
}
