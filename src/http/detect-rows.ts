import { z } from 'zod';
import { type Millis, parseInstant } from '../model/time.ts';
import { UnreadableBodyError } from './errors.ts';

/** One sample to be scored. `value` is NaN where there is a gap. */
export interface DetectRow {
  readonly series: string;
  readonly time: Millis;
  readonly value: number;
}

const Row = z.strictObject({
  series: z.string().max(1000).default(''),
  timestamp: z.union([z.string(), z.number()]),
  value: z.number().nullable(),
});

/** `{"rows": […], "timeZone": "Europe/Berlin"}` */
export const DetectRequest = z.strictObject({
  rows: z.array(Row).describe('In order of time within each series. Timestamps are seconds since 1970, or ISO 8601.'),
  timeZone: z.string().max(64).default('UTC').describe('By whose days and weeks the series go.'),
});

/**
 * Rows of CSV with a header as `foresail detect` reads them.
 * @throws {UnreadableBodyError} With the line.
 */
export function csvRows(text: string): readonly DetectRow[] {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const names = cellsOf(lines[0] ?? '').map((name) => name.trim().toLowerCase());
  const [series, timestamp, value] = ['series', 'timestamp', 'value'].map((name) => names.indexOf(name));
  if (timestamp! < 0 || value! < 0) {
    throw new UnreadableBodyError(
      'line 1: expected a header with the columns timestamp and value (series is optional)',
    );
  }
  const rows: DetectRow[] = [];
  for (let i = 1; i < lines.length; i++) {
    if (lines[i] === '') continue;
    const cells = cellsOf(lines[i]!);
    const number = cells[value!]?.trim() ?? '';
    const isGap = /^(|nan|null|na)$/i.test(number);
    if (!isGap && !Number.isFinite(Number(number))) {
      throw new UnreadableBodyError(`line ${i + 1}: expected a number, got ${JSON.stringify(number.slice(0, 40))}`);
    }
    rows.push({
      series: series! < 0 ? '' : (cells[series!] ?? ''),
      time: timeOf(cells[timestamp!] ?? '', `line ${i + 1}`),
      value: isGap ? Number.NaN : Number(number),
    });
  }
  return rows;
}

/** @throws {UnreadableBodyError} Where a timestamp is none. */
export function documentRows({ rows }: z.infer<typeof DetectRequest>): readonly DetectRow[] {
  return rows.map(({ series, timestamp, value }, i) => ({
    series,
    time: timeOf(String(timestamp), `rows[${i}]`),
    value: value ?? Number.NaN,
  }));
}

function timeOf(text: string, where: string): Millis {
  try {
    return parseInstant(text);
  } catch (error) {
    throw new UnreadableBodyError(`${where}: ${(error as Error).message}`, { cause: error });
  }
}

/** Cells of one line; quotes as in RFC 4180. */
function cellsOf(line: string): readonly string[] {
  if (!line.includes('"')) return line.split(',');
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '',
  );
}
