import type { Command } from 'commander';
import { createDetector, type DetectorState, judge } from '../anomaly/detector.ts';
import { type CsvRow, formatValue, openSink, quoteCell, readRows } from './csv.ts';
import { seedOption } from './forecast-options.ts';

interface Flags {
  readonly input: string;
  readonly output?: string;
  readonly json?: boolean;
}

/** `foresail detect`: a score for each row of a CSV file, from the rows above it alone. */
export function detectCommand(program: Command): void {
  program
    .command('detect')
    .description('Score each row of a CSV file for how unusual it is, from the rows above it alone.')
    .requiredOption('--input <file>', 'CSV with a header: timestamp,value or series,timestamp,value; .gz too')
    .option('--output <file>', 'write there instead of to standard output')
    .addOption(seedOption())
    .option('--json', 'one JSON object a row')
    .addHelpText('after', '\nExample:\n  $ foresail detect --input demand.csv --output scores.csv')
    .action(runDetect);
}

async function runDetect({ input, output, json }: Flags): Promise<void> {
  const sink = openSink(output);
  const detectors = new Map<string, DetectorState>();
  if (!json) await sink.write('series,timestamp,value,expected,lower,upper,score,anomaly');
  for await (const row of readRows(input)) {
    let detector = detectors.get(row.series);
    if (detector === undefined) {
      detector = createDetector();
      detectors.set(row.series, detector);
    }
    await sink.write(json ? asJson(detector, row) : asLine(detector, row));
  }
  await sink.close();
}

function asLine(detector: DetectorState, { series, time, value, timeText, valueText }: CsvRow): string {
  const { expected, lower, upper, score, anomaly } = judge(detector, time, value);
  const numbers = [expected, lower, upper, score].map(formatValue);
  return [quoteCell(series), quoteCell(timeText), valueText, ...numbers, anomaly ? 1 : 0].join(',');
}

function asJson(detector: DetectorState, { series, time, value, timeText }: CsvRow): string {
  return JSON.stringify({ series, timestamp: timeText, value, ...judge(detector, time, value) });
}
