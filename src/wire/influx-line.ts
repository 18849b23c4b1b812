/** A field of a line that has a number, with its line's tags. */
export interface InfluxPoint {
  readonly measurement: string;
  readonly tags: readonly (readonly [key: string, value: string])[];
  /** Numbers; true is 1 and false is 0. */
  readonly fields: readonly (readonly [key: string, value: number])[];
  /** Whole milliseconds. Undefined: the line has no time. */
  readonly time: number | undefined;
  /** Fields that are texts: no series can have them. */
  readonly texts: number;
  /** From 1. */
  readonly line: number;
}

/** A line that cannot be used; the others can. */
export interface InfluxFault {
  readonly line: number;
  /** The character of the line where reading ended, from 1. */
  readonly column: number;
  readonly why: string;
}

/** Nanoseconds unless said otherwise, by the names of both versions of the API. */
export type InfluxPrecision = keyof typeof NANOS;

const NANOS = { n: 1, ns: 1, u: 1e3, us: 1e3, µ: 1e3, ms: 1e6, s: 1e9, m: 6e10, h: 3.6e12 } as const;
const NANOS_OF_MS = 1e6;

export function isInfluxPrecision(text: string): text is InfluxPrecision {
  return Object.hasOwn(NANOS, text);
}

/**
 * Reads InfluxDB's line protocol: `measurement,tag=value field=1.5,other=2i 1700000000000000000`.
 * Lines end at a newline outside of a quoted text. Blank lines and those that begin with `#` are passed over.
 */
export function* readInfluxLines(text: string, precision: InfluxPrecision): Generator<InfluxPoint | InfluxFault, void> {
  const reader = new LineReader(text, precision);
  while (!reader.done()) {
    const read = reader.next();
    if (read !== undefined) yield read;
  }
}

class LineFault extends Error {}

class LineReader {
  readonly #text: string;
  readonly #precision: InfluxPrecision;
  #at = 0;
  #line = 0;

  constructor(text: string, precision: InfluxPrecision) {
    this.#text = text;
    this.#precision = precision;
  }

  done(): boolean {
    return this.#at >= this.#text.length;
  }

  next(): InfluxPoint | InfluxFault | undefined {
    this.#line++;
    const line = this.#line;
    this.#skip(' \t\r');
    if (this.done() || this.#peek() === '\n' || this.#peek() === '#') {
      this.#skipLine();
      return undefined;
    }
    try {
      return this.#point(line);
    } catch (error) {
      if (!(error instanceof LineFault)) throw error;
      const column = this.#at - this.#text.lastIndexOf('\n', this.#at - 1);
      this.#skipLine();
      return { line, column, why: error.message };
    }
  }

  #point(line: number): InfluxPoint {
    const measurement = this.#name(', ');
    if (measurement === '') throw new LineFault('it has no measurement');
    const tags: [string, string][] = [];
    while (this.#take(',')) {
      const key = this.#name('=, ');
      if (key === '' || !this.#take('=')) throw new LineFault('a tag has no name or no value');
      const value = this.#name(', =');
      if (value === '' || this.#peek() === '=') throw new LineFault(`the tag "${shorten(key)}" has no value`);
      tags.push([key, value]);
    }
    if (!this.#take(' ')) throw new LineFault('it has no fields');
    this.#skip(' ');
    const fields: [string, number][] = [];
    let texts = 0;
    do {
      const key = this.#name('=, ');
      if (key === '' || !this.#take('=')) throw new LineFault('a field has no name or no value');
      const value = this.#fieldValue(key);
      if (value === undefined) texts++;
      else fields.push([key, value]);
    } while (this.#take(','));
    const time = this.#time();
    return { measurement, tags, fields, texts, time, line };
  }

  /** Undefined: a text. */
  #fieldValue(key: string): number | undefined {
    if (this.#take('"')) {
      for (;;) {
        const char = this.#text[this.#at++];
        if (char === undefined) throw new LineFault(`the text of "${shorten(key)}" has no end`);
        if (char === '\\') this.#at++;
        else if (char === '\n') this.#line++;
        else if (char === '"') return undefined;
      }
    }
    const start = this.#at;
    while (!this.done() && !', \n\r'.includes(this.#peek())) this.#at++;
    const word = this.#text.slice(start, this.#at);
    const value = numberOf(word);
    if (value === undefined) throw new LineFault(`the field "${shorten(key)}" is no number, but "${shorten(word)}"`);
    return value;
  }

  #time(): number | undefined {
    const start = this.#at;
    while (!this.done() && this.#peek() !== '\n') this.#at++;
    const word = this.#text.slice(start, this.#at).trim();
    this.#at++;
    if (word === '') return undefined;
    if (!/^-?\d{1,19}$/.test(word)) {
      // The line is read to its end already.
      this.#at = start;
      throw new LineFault(`"${shorten(word)}" is no time`);
    }
    return millisOf(word, this.#precision);
  }

  /** A name up to one of `ends`, or the end of the line. A backslash takes the meaning from what may end a name. */
  #name(ends: string): string {
    let name = '';
    let start = this.#at;
    while (!this.done()) {
      const char = this.#peek();
      if (char === '\n' || char === '\r' || ends.includes(char)) break;
      if (char === '\\' && ', ='.includes(this.#text[this.#at + 1] ?? '\n')) {
        name += this.#text.slice(start, this.#at);
        start = this.#at + 1;
        this.#at++;
      }
      this.#at++;
    }
    return name + this.#text.slice(start, this.#at);
  }

  #peek(): string {
    return this.#text[this.#at] ?? '';
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #skip(chars: string): void {
    while (!this.done() && chars.includes(this.#peek())) this.#at++;
  }

  #skipLine(): void {
    const end = this.#text.indexOf('\n', this.#at);
    this.#at = end === -1 ? this.#text.length : end + 1;
  }
}

const NUMBER = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/;
const WHOLE = /^[-+]?\d+[iu]$/;
const TRUE = new Set(['t', 'T', 'true', 'True', 'TRUE']);
const FALSE = new Set(['f', 'F', 'false', 'False', 'FALSE']);

function numberOf(word: string): number | undefined {
  if (NUMBER.test(word)) return Number(word);
  if (WHOLE.test(word)) return Number(word.slice(0, -1));
  if (TRUE.has(word)) return 1;
  return FALSE.has(word) ? 0 : undefined;
}

/** Cut off towards the past, exactly: nanoseconds do not fit a double. */
function millisOf(word: string, precision: InfluxPrecision): number {
  const nanos = NANOS[precision];
  if (nanos >= NANOS_OF_MS) return Number(word) * (nanos / NANOS_OF_MS);
  const per = BigInt(NANOS_OF_MS / nanos);
  const value = BigInt(word);
  return Number((value - (((value % per) + per) % per)) / per);
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
