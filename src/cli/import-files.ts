import type { Command } from 'commander';
import { isInfluxPrecision } from '../wire/influx-line.ts';
import { serverOptions } from './client.ts';
import { readCsvLines } from './import-csv.ts';
import { readInfluxFile } from './import-influx.ts';
import {
  type CommonImportOptions,
  collect,
  type ImportCommandDeps,
  labelsIn,
  rateOf,
  wordOf,
} from './import-options.ts';
import { readTextLines } from './import-text.ts';
import { openImport } from './import-total.ts';
import { nameOf } from './text-pieces.ts';
import { UsageError } from './usage-error.ts';

interface FileOptions extends CommonImportOptions {
  readonly input: string;
  readonly label: readonly string[];
}

interface CsvOptions extends FileOptions {
  readonly metric: string;
}

interface TextOptions extends FileOptions {
  readonly format: string;
}

interface InfluxOptions extends FileOptions {
  readonly precision: string;
  readonly database: string;
}

/** `foresail import csv | openmetrics | influx`. */
export function importFileCommands(command: Command, deps: ImportCommandDeps): void {
  common(
    command.command('csv'),
    'Import a CSV file: timestamp,value or series,timestamp,value with a header row; .gz too',
  )
    .requiredOption('--metric <name>', 'the name of the metric; the series column becomes the label series')
    .addHelpText(
      'after',
      '\nExample:\n  $ foresail import csv --input demand.csv --metric demand_rps --label app=checkout',
    )
    .action(async (options: CsvOptions) => {
      const total = openImport(options, { ...deps, rate: rateOf(options.rate) });
      const labels = { ...labelsIn(options.label), __name__: options.metric };
      for await (const { lines, samples, rows, gaps } of readCsvLines(options.input, labels)) {
        await total.send(lines, samples, { gaps });
        total.progress(`${options.input}: ${rows} rows`);
      }
      total.finish();
    });

  common(
    command.command('openmetrics'),
    "Import OpenMetrics with times, as `promtool tsdb create-blocks-from openmetrics` takes it, or Prometheus's text format; gzip too",
  )
    .option(
      '--format <format>',
      'openmetrics (times in seconds, # EOF at the end) or text (milliseconds)',
      'openmetrics',
    )
    .addHelpText('after', '\nExample:\n  $ promtool tsdb dump-openmetrics data | foresail import openmetrics --input -')
    .action(async (options: TextOptions) => {
      const format = wordOf('--format', options.format, ['openmetrics', 'text'] as const);
      const total = openImport(options, { ...deps, rate: rateOf(options.rate) });
      let read = 0;
      for await (const { lines, samples, exemplars } of readTextLines(options.input, format, labelsIn(options.label))) {
        await total.send(lines, samples, { exemplars });
        read += samples;
        total.progress(`${nameOf(options.input)}: ${read} samples`);
      }
      total.finish();
    });

  common(command.command('influx'), "Import InfluxDB's line protocol, as `influx_inspect export` writes it; gzip too")
    .option('--precision <unit>', 'of its times: ns, us, ms, s, m or h', 'ns')
    .option('--database <name>', 'becomes the label db', '')
    .addHelpText('after', '\nExample:\n  $ foresail import influx --input telegraf.lp.gz --database telegraf')
    .action(async (options: InfluxOptions) => {
      const { precision, database } = options;
      if (!isInfluxPrecision(precision)) {
        throw new UsageError(`--precision: expected ns, us, ms, s, m or h, got "${precision}"`);
      }
      const total = openImport(options, { ...deps, rate: rateOf(options.rate) });
      let read = 0;
      const labels = labelsIn(options.label);
      for await (const { lines, samples, texts } of readInfluxFile(options.input, { precision, database, labels })) {
        await total.send(lines, samples, { texts });
        read += samples;
        total.progress(`${nameOf(options.input)}: ${read} samples`);
      }
      total.finish();
    });
}

function common(command: Command, description: string): Command {
  return serverOptions(
    command
      .description(description)
      .requiredOption('--input <file>', 'the file')
      .option('--label <name=value>', 'a label of every series; may be given several times', collect, []),
  )
    .option('--rate <samples>', 'samples a second at most')
    .option('--json', 'print JSON', false);
}
