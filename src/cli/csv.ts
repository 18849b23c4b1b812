import { createReadStream, createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { formatInstant, type Millis, parseInstant } from '../model/time.ts';
import { fileTrouble } from './read-text.ts';
import { UsageError } from './usage-error.ts';

/** One line of an input file. `value` is NaN for an empty cell or a written NaN: a gap. */
export interface CsvRow {
  readonly series: string;
  readonly time: Millis;
  readonly value: number;
  /** Both as they stand in the file. */
  readonly timeText: string;
  readonly valueText: string;
}

/** All samples of one series of a file, in the file's order. */
export interface CsvSeries {
  readonly name: string;
  readonly times: Millis[];
  readonly values: number[];
}

export interface CsvFile {
  readonly series: readonly CsvSeries[];
  /** Whether the file writes epoch seconds; results then do too. */
  readonly epochSeconds: boolean;
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const GAP = /^(|nan|null|na)$/i;
const EPOCH = /^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$/;

/**
 * Reads `timestamp,value` or `series,timestamp,value` line by line; other columns are ignored, `.gz` is unpacked.
 * @throws {UsageError} With the line, the column and what was expected.
 */
export async function* readRows(path: string): AsyncGenerator<CsvRow> {
  const lines = createInterface({ input: openText(path), crlfDelay: Number.POSITIVE_INFINITY });
  let columns: Columns | undefined;
  let line = 0;
  try {
    for await (const text of lines) {
      line++;
      if (columns === undefined) {
        columns = columnsOf(text, path);
        continue;
      }
      if (text !== '') yield parseRow(splitCells(text), columns, `${path}:${line}`);
    }
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`cannot read ${path}: ${fileTrouble(error)}`, { cause: error });
  }
  if (columns === undefined)
    throw new UsageError(`${path}:1: expected a header row such as timestamp,value; the file is empty`);
}

/** Reads a whole file, series in order of first appearance. */
export async function loadSeries(path: string): Promise<CsvFile> {
  const byName = new Map<string, CsvSeries>();
  let epochSeconds = false;
  for await (const row of readRows(path)) {
    let series = byName.get(row.series);
    if (series === undefined) {
      if (byName.size === 0) epochSeconds = EPOCH.test(row.timeText);
      series = { name: row.series, times: [], values: [] };
      byName.set(row.series, series);
    }
    series.times.push(row.time);
    series.values.push(row.value);
  }
  if (byName.size === 0) throw new UsageError(`${path}:2: expected at least one row below the header`);
  return { series: [...byName.values()], epochSeconds };
}

/** Where rows go: a file, or standard output. Waits when the other side is slow. */
export interface RowSink {
  write(line: string): Promise<void>;
  close(): Promise<void>;
}

export function openSink(path: string | undefined): RowSink {
  const stream: Writable = path === undefined ? process.stdout : createWriteStream(path);
  let failure: unknown;
  stream.on('error', (error) => {
    failure = error;
  });
  let buffer = '';
  const flush = async () => {
    if (failure !== undefined)
      throw new UsageError(`cannot write ${path ?? 'the output'}: ${fileTrouble(failure)}`, { cause: failure });
    const chunk = buffer;
    buffer = '';
    if (chunk !== '' && !stream.write(chunk)) await drained(stream);
  };
  return {
    async write(line) {
      buffer += `${line}\n`;
      if (buffer.length > 65_536) await flush();
    },
    async close() {
      await flush();
      if (path === undefined) return;
      stream.end();
      try {
        await finished(stream);
      } catch (error) {
        throw new UsageError(`cannot write ${path}: ${fileTrouble(error)}`, { cause: error });
      }
    },
  };
}

/** Resolves when a stream takes more, or is at its end: what went wrong then shows at the next write. */
function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      for (const event of ['drain', 'close', 'error']) stream.off(event, done);
      resolve();
    };
    for (const event of ['drain', 'close', 'error']) stream.on(event, done);
  });
}

/** A cell that may hold commas or quotes. */
export function quoteCell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Ten significant digits: more than any input has, and no 0.30000000000000004. */
export function formatValue(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(10))) : 'NaN';
}

export function formatTime(t: Millis, epochSeconds: boolean): string {
  return epochSeconds ? String(t / 1000) : formatInstant(t);
}

interface Columns {
  readonly series: number;
  readonly timestamp: number;
  readonly value: number;
}

function openText(path: string): Readable {
  const file = createReadStream(path);
  if (!path.endsWith('.gz')) return file;
  const text = createGunzip();
  file.on('error', (error) => text.destroy(error));
  return file.pipe(text);
}

function columnsOf(text: string, path: string): Columns {
  const names = splitCells(text.replace(/^\uFEFF/, '')).map((name) => name.trim().toLowerCase());
  const columns = {
    series: names.indexOf('series'),
    timestamp: names.indexOf('timestamp'),
    value: names.indexOf('value'),
  };
  for (const needed of ['timestamp', 'value'] as const) {
    if (columns[needed] < 0) {
      throw new UsageError(
        `${path}:1: expected a header row with the columns timestamp and value (series is optional), got "${text.slice(0, 80)}"`,
      );
    }
  }
  return columns;
}

function parseRow(cells: readonly string[], { series, timestamp, value }: Columns, where: string): CsvRow {
  const timeText = cells[timestamp];
  const valueText = cells[value]?.trim();
  const name = series < 0 ? '' : cells[series];
  if (timeText === undefined || valueText === undefined || name === undefined) {
    throw new UsageError(
      `${where}: expected ${Math.max(series, timestamp, value) + 1} columns or more, got ${cells.length}`,
    );
  }
  if (!GAP.test(valueText) && !NUMBER.test(valueText) && !/^[+-]?inf(inity)?$/i.test(valueText)) {
    throw new UsageError(`${where}: column ${value + 1}: expected a number, got "${valueText.slice(0, 40)}"`);
  }
  return {
    series: name,
    time: parseTime(timeText, timestamp, where),
    value: NUMBER.test(valueText) ? Number(valueText) : Number.NaN,
    timeText,
    valueText,
  };
}

function parseTime(text: string, column: number, where: string): Millis {
  try {
    return parseInstant(text);
  } catch (error) {
    throw new UsageError(`${where}: column ${column + 1}: ${fileTrouble(error)}`, { cause: error });
  }
}

/** RFC 4180 without line breaks inside quotes. */
function splitCells(text: string): string[] {
  if (!text.includes('"')) return text.split(',');
  const cells: string[] = [];
  let cell = '';
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (char === '"') {
      if (quoted && text[i + 1] === '"') {
        cell += '"';
        i++;
      } else quoted = !quoted;
    } else if (char === ',' && !quoted) {
      cells.push(cell);
      cell = '';
    } else cell += char;
  }
  cells.push(cell);
  return cells;
}
