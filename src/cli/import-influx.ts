import { type Label, labelsOf, METRIC_NAME } from '../model/labels.ts';
import { type InfluxPrecision, readInfluxLines } from '../wire/influx-line.ts';
import { ImportLines, jsonValue } from './import-lines.ts';
import { nameOf, readPieces } from './text-pieces.ts';
import { UsageError } from './usage-error.ts';

export interface InfluxPart {
  readonly lines: readonly string[];
  readonly samples: number;
  /** Fields that are texts, which no series can have. */
  readonly texts: number;
}

export interface InfluxFileOptions {
  readonly precision: InfluxPrecision;
  /** The label `db`, where it is not empty and no tag has that name. */
  readonly database: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** What `influx_inspect export` writes before the points. */
const STATEMENTS = /^CREATE (DATABASE|RETENTION POLICY) .*$/gm;

/**
 * Reads a file of line protocol as lines for the import route. A field is the series `measurement_field`, tags are its
 * labels, as at `/write`. Every line needs a time.
 * @throws {UsageError} With the line, and the column where reading ended. What stands before it was given.
 */
export async function* readInfluxFile(
  path: string,
  { precision, database, labels: extra }: InfluxFileOptions,
): AsyncGenerator<InfluxPart> {
  const lines = new ImportLines();
  let texts = 0;
  const take = (): InfluxPart => {
    const taken = { samples: lines.held, texts, lines: lines.take() };
    texts = 0;
    return taken;
  };
  for await (const { text, linesBefore } of readPieces(path, hasWholeQuotes)) {
    for (const read of readInfluxLines(text.replace(STATEMENTS, '#'), precision)) {
      const where = `${nameOf(path)}:${linesBefore + read.line}`;
      if ('why' in read) throw new UsageError(`${where}:${read.column}: ${read.why}`);
      const { measurement, tags, fields, time } = read;
      if (time === undefined) throw new UsageError(`${where}: expected a time: a sample of the past needs one`);
      texts += read.texts;
      const shared: Label[] = [...Object.entries(extra), ...tags];
      if (database !== '' && !tags.some(([key]) => key === 'db')) shared.push(['db', database]);
      for (const [field, value] of fields) {
        lines.add(labelsOf([...shared, [METRIC_NAME, `${measurement}_${field}`]]), time, jsonValue(value));
      }
      if (lines.isFull) yield take();
    }
  }
  yield take();
}

/** A text in quotes may hold a line break; a quote in a name makes a longer piece, and no harm. */
function hasWholeQuotes(text: string): boolean {
  let quotes = 0;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) {
    if (text.charCodeAt(at - 1) !== 92) quotes++;
  }
  return quotes % 2 === 0 || text.length > 8 << 20;
}
