import { writeFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { parseInstant } from '../model/time.ts';
import { askServerText, type ServerOptions, serverOptions } from './client.ts';
import { asArgument } from './forecast-options.ts';
import { fileTrouble } from './read-text.ts';
import { type ToldReport, tellReport } from './tell-cost-report.ts';
import { UsageError } from './usage-error.ts';

interface ReportOptions extends ServerOptions {
  readonly period: 'week' | 'month';
  readonly at?: number;
  readonly format?: 'html' | 'csv' | 'json';
  readonly output?: string;
  readonly savings: boolean;
  readonly wait?: string;
}

/** `foresail cost report`: what a tenant spent in a week or a month, and what was saved. */
export function costReportCommand(cost: Command, { signal }: { readonly signal: AbortSignal }): void {
  const command = cost
    .command('report')
    .description('What was spent in a week or a month (UTC), by workload, label and region, and what was saved')
    .addOption(new Option('--period <period>', 'week or month').choices(['week', 'month']).default('month'))
    .option('--at <time>', 'an instant of the period (default: now)', (text) => asArgument(() => parseInstant(text)))
    .addOption(new Option('--format <format>', 'in place of a table').choices(['html', 'csv', 'json']))
    .option('--output <file>', 'write it to a file; .html, .csv and .json say the format')
    .option('--no-savings', 'without the simulation of what was saved')
    .option('--wait <duration>', 'for simulations that are under way (default: 10s)');
  serverOptions(command)
    .addHelpText('after', '\nExample:\n  $ foresail cost report --period month --output costs.html')
    .action(async (options: ReportOptions) => {
      const { output } = options;
      const format = options.format ?? formatOf(output);
      const query = new URLSearchParams({ period: options.period, format: format ?? 'json' });
      if (options.at !== undefined) query.set('at', String(options.at / 1000));
      if (!options.savings) query.set('savings', 'false');
      if (options.wait !== undefined) query.set('wait', options.wait);
      const answer = await askServerText(options, `/api/v1/cost/report?${query}`, { signal });
      const report = () => (JSON.parse(answer) as { readonly data: ToldReport }).data;
      const text =
        format === undefined
          ? tellReport(report())
          : format === 'json'
            ? `${JSON.stringify(report(), null, 2)}\n`
            : answer;
      if (output === undefined) process.stdout.write(text);
      else write(output, text);
    });
}

function formatOf(file: string | undefined): 'html' | 'csv' | 'json' | undefined {
  return (['html', 'csv', 'json'] as const).find((format) => file?.endsWith(`.${format}`) === true);
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw new UsageError(`cannot write ${file}: ${fileTrouble(error)}`, { cause: error });
  }
}
