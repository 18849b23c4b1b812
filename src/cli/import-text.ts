import { type Labels, labelsKey, labelsOf, NO_LABELS } from '../model/labels.ts';
import { ExpositionError } from '../wire/errors.ts';
import type { ExpositionSink } from '../wire/exposition.ts';
import { ExpositionScanner, HASH } from '../wire/exposition-scanner.ts';
import type { Dialect } from '../wire/exposition-text.ts';
import { OPEN_METRICS } from '../wire/open-metrics.ts';
import { TEXT_FORMAT } from '../wire/text-format.ts';
import { ImportLines, jsonValue } from './import-lines.ts';
import { nameOf, readPieces } from './text-pieces.ts';
import { UsageError } from './usage-error.ts';

export type TextFormat = 'openmetrics' | 'text';

export interface ImportPart {
  readonly lines: readonly string[];
  /** Samples in them. */
  readonly samples: number;
  readonly exemplars: number;
}

const DIALECTS: Readonly<Record<TextFormat, Dialect>> = { openmetrics: OPEN_METRICS, text: TEXT_FORMAT };
const OTHER: Readonly<Record<TextFormat, string>> = {
  openmetrics: "; --format text is for Prometheus's text format, whose times are milliseconds",
  text: '; --format openmetrics is for OpenMetrics, whose times are seconds',
};

const LINE = 1;

/**
 * Reads a file of metrics with times, as `promtool tsdb create-blocks-from openmetrics` takes, as lines for the import
 * route. Every sample needs a time.
 * @throws {UsageError} With the line and the column of what cannot be read. What stands before it was given.
 */
export async function* readTextLines(
  path: string,
  format: TextFormat,
  extra: Readonly<Record<string, string>>,
): AsyncGenerator<ImportPart> {
  const dialect = DIALECTS[format];
  const lines = new ImportLines();
  let exemplars = 0;
  let type = 'unknown';
  let number = 0;
  let ended = false;
  let labels: Labels = NO_LABELS;
  // One line is read at a time: the series is that of the line.
  const sink: ExpositionSink = {
    unseen: () => LINE,
    sample(_series, value, time) {
      if (Number.isNaN(time)) {
        throw new ExpositionError('expected a time behind the value: a sample of the past needs one', number);
      }
      lines.add(labels, time, jsonValue(value), labelsKey(labels));
    },
    exemplar: () => void exemplars++,
    describe: () => {},
    histogram: () => {},
    badHistogram: () => {},
  };
  const take = (): ImportPart => {
    const taken = { samples: lines.held, exemplars, lines: lines.take() };
    exemplars = 0;
    return taken;
  };

  const readLine = (line: string) => {
    if (ended) throw new ExpositionError('expected nothing after # EOF', number);
    const scan = new ExpositionScanner(line, {
      type,
      blanksInLabels: !dialect.isOpenMetrics,
      lineOf: () => number,
    });
    if (!dialect.isOpenMetrics) scan.blanks();
    if (!dialect.isOpenMetrics && scan.isAtEnd) return;
    if (scan.code() === HASH) {
      const fact = dialect.comment(scan);
      if (fact === 'end') ended = true;
      else if (fact !== 'nothing' && fact.kind === 'type') type = fact.text;
      return;
    }
    labels = labelsOf([...Object.entries(extra), ...scan.labelsOfSeries()]);
    dialect.rest(scan, LINE, sink);
  };

  try {
    for await (const { text } of readPieces(path)) {
      for (let at = 0; at < text.length; ) {
        const end = text.indexOf('\n', at);
        number++;
        readLine(text.slice(at, end === -1 ? text.length : end));
        at = end === -1 ? text.length : end + 1;
      }
      if (lines.isFull) yield take();
    }
    if (dialect.isOpenMetrics && !ended) throw new ExpositionError('expected # EOF at the end, got none', number);
  } catch (error) {
    if (!(error instanceof ExpositionError)) throw error;
    const { line, column, why } = error;
    const where = [nameOf(path), line, column].filter((part) => part !== undefined).join(':');
    // A file of the other format fails at its first time, at a comment, or at its end.
    const hint = /a time in|# HELP|at the end/.test(why) ? OTHER[format] : '';
    throw new UsageError(`${where}: ${why}${hint}`, { cause: error });
  }
  yield take();
}
