import { basename } from 'node:path';
import type { Command } from 'commander';
import { createDetector, type DetectorState, judge, type Verdict } from '../anomaly/detector.ts';
import { type CsvRow, formatValue, openSink, quoteCell, readRows } from './csv.ts';
import { detectPicture, type JudgedColumns, noteJudged } from './detect-picture.ts';
import { seedOption } from './forecast-options.ts';
import { parseReportFile, writeReport } from './report/write-report.ts';

interface Flags {
  readonly input: string;
  readonly output?: string;
  readonly json?: boolean;
  readonly picture?: string;
}

/** Series that a picture has at most. */
const MOST_PANELS = 20;

/** `foresail detect`: a score for each row of a CSV file, from the rows above it alone. */
export function detectCommand(program: Command): void {
  program
    .command('detect')
    .description('Score each row of a CSV file for how unusual it is, from the rows above it alone.')
    .requiredOption('--input <file>', 'CSV with a header: timestamp,value or series,timestamp,value; .gz too')
    .option('--output <file>', 'write there instead of to standard output')
    .option(
      '--picture <file>',
      'draw each series with what was expected and its anomalies: .html or .svg',
      parseReportFile,
    )
    .addOption(seedOption())
    .option('--json', 'one JSON object a row')
    .addHelpText('after', '\nExample:\n  $ foresail detect --input demand.csv --output scores.csv --picture scores.svg')
    .action(runDetect);
}

async function runDetect({ input, output, json, picture }: Flags): Promise<void> {
  const sink = openSink(output);
  const detectors = new Map<string, DetectorState>();
  const drawn = new Map<string, JudgedColumns>();
  if (!json) await sink.write('series,timestamp,value,expected,lower,upper,score,anomaly');
  for await (const row of readRows(input)) {
    let detector = detectors.get(row.series);
    if (detector === undefined) {
      detector = createDetector();
      detectors.set(row.series, detector);
    }
    const verdict = judge(detector, row.time, row.value);
    if (picture !== undefined) noteJudged(drawn, row, verdict);
    await sink.write(json ? asJson(row, verdict) : asLine(row, verdict));
  }
  await sink.close();
  if (picture !== undefined) writeReport(picture, detectPicture(drawn, basename(input), MOST_PANELS));
}

function asLine({ series, timeText, valueText }: CsvRow, verdict: Verdict): string {
  const { expected, lower, upper, score, anomaly } = verdict;
  const numbers = [expected, lower, upper, score].map(formatValue);
  return [quoteCell(series), quoteCell(timeText), valueText, ...numbers, anomaly ? 1 : 0].join(',');
}

function asJson({ series, value, timeText }: CsvRow, verdict: Verdict): string {
  return JSON.stringify({ series, timestamp: timeText, value, ...verdict });
}
