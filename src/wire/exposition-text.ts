import type { ExpositionSink, FamilyFact } from './exposition.ts';
import { ExpositionScanner } from './exposition-scanner.ts';
import type { SeenLines } from './seen-lines.ts';

/** How one of the text formats writes what both have. */
export interface Dialect {
  readonly isOpenMetrics: boolean;
  /** What the comment at `at` says. */
  comment(scan: ExpositionScanner): FamilyFact | 'nothing' | 'end';
  /** Reads what stands behind a series, up to the end of the line. */
  rest(scan: ExpositionScanner, series: number, sink: ExpositionSink): void;
}

/** As assembly/scrape-lines.ts has them. */
const ENDED = 0;
const FULL = 1;
const NEW_SERIES = 2;
const ODD_REST = 3;
/** Readers may look this far behind what they were given. */
const SLACK_BYTES = 64;

/**
 * Reads a text exposition. Lines that were seen before are read in the module's memory, and no text is made of them;
 * those that are new or unusual are read here, one by one.
 * @param body Valid UTF-8.
 * @throws {ExpositionError} With the line. What stands before it was given to the sink.
 */
export function readExpositionText(body: Uint8Array, dialect: Dialect, seen: SeenLines, sink: ExpositionSink): void {
  seen.tidy();
  const { memory } = seen;
  const start = memory.allocate(body.length + SLACK_BYTES);
  try {
    memory.bytes.set(body, start);
    new TextReader(body, start, dialect, seen, sink).read();
  } finally {
    memory.core.release(start);
  }
}

class TextReader {
  readonly #body: Uint8Array;
  /** Of the body in the module's memory. */
  readonly #start: number;
  readonly #dialect: Dialect;
  readonly #seen: SeenLines;
  readonly #sink: ExpositionSink;
  /** What the last TYPE line says `le` and `quantile` to be. */
  #type = 'unknown';

  constructor(body: Uint8Array, start: number, dialect: Dialect, seen: SeenLines, sink: ExpositionSink) {
    this.#body = body;
    this.#start = start;
    this.#dialect = dialect;
    this.#seen = seen;
    this.#sink = sink;
  }

  read(): void {
    const { isOpenMetrics } = this.#dialect;
    const { core } = this.#seen.memory;
    const end = this.#start + this.#body.length;
    let at = this.#start;
    let ended = false;
    while (!ended) {
      at = core.scanLines(this.#seen.table, at, end, isOpenMetrics ? 1 : 0) >>> 0;
      this.#emit();
      const stop = core.scanStop();
      if (stop === ENDED) break;
      if (stop === FULL) continue;
      const lineEnd = core.scanEnd() >>> 0;
      if (stop === NEW_SERIES) this.#readSeries(at, lineEnd);
      else if (stop === ODD_REST) this.#readRest(core.scanRest() >>> 0, lineEnd, core.scanSeries());
      else ended = this.#readComment(at, lineEnd);
      at = Math.min(lineEnd + 1, end);
    }
    if (!isOpenMetrics) return;
    const scan = this.#scan(at, at);
    if (!ended) throw scan.fault('expected # EOF at the end, got none');
    if (at < end) throw scan.fault('expected nothing after # EOF');
  }

  /** What was known of the lines up to the stop. */
  #emit(): void {
    const { memory } = this.#seen;
    const { core } = memory;
    const type = core.scannedType();
    if (type !== 0) this.#type = this.#seen.fact(type).text;
    const count = core.scannedLines();
    if (count === 0) return;
    const series = memory.words(core.scannedSeries(), count);
    const values = memory.numbers(core.scannedValues(), count);
    const times = memory.numbers(core.scannedTimes(), count);
    for (let i = 0; i < count; i++) this.#sink.sample(series[i]!, values[i]!, times[i]!);
  }

  #readSeries(start: number, end: number): void {
    const scan = this.#scan(start, end);
    const labels = scan.labelsOfSeries();
    const isAscii = scan.body.length === end - start;
    const length = isAscii ? scan.at : UTF8.encode(scan.body.substring(0, scan.at)).length;
    const series = this.#sink.unseen(labels);
    this.#seen.learn(series, start, length);
    this.#dialect.rest(scan, series, this.#sink);
  }

  #readRest(start: number, end: number, series: number): void {
    this.#dialect.rest(this.#scan(start, end), series, this.#sink);
  }

  /** True at the end of the exposition. */
  #readComment(start: number, end: number): boolean {
    const fact = this.#dialect.comment(this.#scan(start, end));
    if (fact === 'end') return true;
    if (fact === 'nothing') return false;
    this.#seen.learnFact(fact, start, end - start);
    this.#sink.describe(fact);
    if (fact.kind === 'type') this.#type = fact.text;
    return false;
  }

  #scan(start: number, end: number): ExpositionScanner {
    const first = start - this.#start;
    const text = textOf(this.#body.subarray(first, first + end - start));
    const lineOf = () => {
      let line = 1;
      for (let i = 0; i < first; i++) if (this.#body[i] === NEWLINE) line++;
      return line;
    };
    return new ExpositionScanner(text, { type: this.#type, blanksInLabels: !this.#dialect.isOpenMetrics, lineOf });
  }
}

const NEWLINE = 10;
const UTF8 = new TextEncoder();
const TEXT = new TextDecoder('utf-8', { ignoreBOM: true });
/** A decoder takes longer to begin than so many bytes take one by one. */
const SHORT = 32;

function textOf(bytes: Uint8Array): string {
  if (bytes.length > SHORT || bytes.some((byte) => byte >= 0x80)) return TEXT.decode(bytes);
  return String.fromCharCode(...bytes);
}
