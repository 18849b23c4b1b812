import type { Command } from 'commander';
import type { Clock } from '../model/clock.ts';
import { formatInstant, type Millis, parseDuration, parseInstant } from '../model/time.ts';
import { type ServerOptions, serverOptions } from './client.ts';
import { readCsvLines } from './import-csv.ts';
import { readSlices } from './import-prometheus.ts';
import { openImport } from './import-total.ts';
import { UsageError } from './usage-error.ts';

export interface ImportCommandDeps {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly random: () => number;
}

interface CommonOptions extends ServerOptions {
  readonly json: boolean;
}

interface PrometheusOptions extends CommonOptions {
  readonly from: string;
  readonly match: readonly string[];
  readonly start: string;
  readonly end: string;
  readonly step?: string;
  readonly header: readonly string[];
}

interface CsvOptions extends CommonOptions {
  readonly input: string;
  readonly metric: string;
  readonly label: readonly string[];
}

/** `foresail import prometheus | csv`: fills the past of the running server's store. Importing twice changes nothing. */
export function importCommand(program: Command, deps: ImportCommandDeps): void {
  const command = program
    .command('import')
    .description("Fill the past of the running server's store; importing again changes nothing")
    .addHelpText('after', '\nExample:\n  $ foresail import csv --input demand.csv --metric demand_rps');

  serverOptions(
    command
      .command('prometheus')
      .description('Import from the HTTP API of a Prometheus, VictoriaMetrics, Thanos or Mimir')
      .requiredOption('--from <url>', 'the server to read from')
      .requiredOption('--match <selector>', 'series to import; may be given several times', collect, [])
      .requiredOption('--start <time>', 'ISO 8601, epoch seconds, or a duration ago such as 28d')
      .option('--end <time>', 'the same', '0s')
      .option('--step <duration>', 'one value a step, as a range query gives; without it samples as they are stored')
      .option('--header <name:value>', 'sent to the server to read from; may be given several times', collect, []),
  )
    .option('--json', 'print JSON', false)
    .addHelpText(
      'after',
      "\nExample:\n  $ foresail import prometheus --from http://127.0.0.1:9090 --match 'http_requests_total' --start 28d",
    )
    .action((options: PrometheusOptions) => importPrometheus(options, deps));

  serverOptions(
    command
      .command('csv')
      .description('Import a CSV file: timestamp,value or series,timestamp,value with a header row; .gz too')
      .requiredOption('--input <file>', 'the file')
      .requiredOption('--metric <name>', 'the name of the metric; the series column becomes the label series')
      .option('--label <name=value>', 'a label of every series; may be given several times', collect, []),
  )
    .option('--json', 'print JSON', false)
    .addHelpText(
      'after',
      '\nExample:\n  $ foresail import csv --input demand.csv --metric demand_rps --label app=checkout',
    )
    .action((options: CsvOptions) => importCsv(options, deps));
}

async function importPrometheus(options: PrometheusOptions, deps: ImportCommandDeps): Promise<void> {
  const now = deps.clock.now();
  const start = instantOf('--start', options.start, now);
  const end = instantOf('--end', options.end, now);
  if (start > end) throw new UsageError(`--start ${formatInstant(start)} is after --end ${formatInstant(end)}`);
  const stepMs = options.step === undefined ? undefined : lengthOf('--step', options.step);
  const source = { ...deps, url: options.from, headers: headersOf(options.header) };
  const total = openImport(options, deps.signal);
  for (const selector of options.match) {
    for await (const slice of readSlices({ selector, start, end, stepMs }, source)) {
      await total.send(slice.lines, { nativeHistograms: slice.histograms });
      const done = (slice.end - start + 1) / (end - start + 1);
      total.progress(`${selector}: ${Math.floor(done * 100)} %, up to ${formatInstant(slice.end)}`);
    }
  }
  total.finish();
}

async function importCsv(options: CsvOptions, deps: ImportCommandDeps): Promise<void> {
  const total = openImport(options, deps.signal);
  const labels = { ...labelsIn(options.label), __name__: options.metric };
  for await (const { lines, rows, gaps } of readCsvLines(options.input, labels)) {
    await total.send(lines, { gaps });
    total.progress(`${options.input}: ${rows} rows`);
  }
  total.finish();
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

/** An instant, or how long before now. */
function instantOf(option: string, text: string, now: Millis): Millis {
  if (/[a-z]$/.test(text)) return now - lengthOf(option, text);
  try {
    return parseInstant(text);
  } catch (cause) {
    throw new UsageError(`${option}: ${(cause as Error).message}`, { cause });
  }
}

function lengthOf(option: string, text: string): number {
  try {
    return parseDuration(text);
  } catch (cause) {
    throw new UsageError(`${option}: ${(cause as Error).message}`, { cause });
  }
}

function headersOf(headers: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    headers.map((header) => {
      const at = header.indexOf(':');
      if (at < 1) throw new UsageError(`--header: expected NAME:VALUE, got "${header}"`);
      return [header.slice(0, at).trim(), header.slice(at + 1).trim()];
    }),
  );
}

function labelsIn(labels: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    labels.map((label) => {
      const at = label.indexOf('=');
      if (at < 1) throw new UsageError(`--label: expected NAME=VALUE, got "${label}"`);
      return [label.slice(0, at), label.slice(at + 1)];
    }),
  );
}
