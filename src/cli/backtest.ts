import type { Command } from 'commander';
import { parseInstant } from '../model/time.ts';
import type { BacktestFlags } from './backtest-flags.ts';
import { calendarOptions } from './calendar-options.ts';
import { compareModels } from './compare-models.ts';
import { loadSeries } from './csv.ts';
import { asArgument, parseCount, parseModels, parseStep } from './forecast-options.ts';
import { seriesOptions } from './series-command.ts';
import { UsageError } from './usage-error.ts';
import { writeRolling } from './write-rolling.ts';

/** `foresail backtest`: how every model would have done, or the deployed mix's rolling forecasts themselves. */
export function backtestCommand(program: Command): void {
  calendarOptions(
    seriesOptions(
      program
        .command('backtest')
        .description('Forecast the past of each series of a CSV file, causally, and compare with what came.'),
    ),
  )
    .requiredOption('--horizon <steps>', 'steps ahead', parseCount)
    .option('--windows <count>', 'how many stretches of the horizon, counted from the end, are forecast', parseCount)
    .option('--origins-every <duration>', 'rolling form: time between two origins', parseStep)
    .option('--from <instant>', 'rolling form: the first origin', (text) => asArgument(() => parseInstant(text)))
    .option('--forecasts <file>', "rolling form: write the mix's forecasts there (- for standard output)")
    .option(
      '--models <names>',
      'windows form: only these models in the mix, such as ridge,theta (mstl takes part only so)',
      parseModels,
    )
    .option('--no-network', 'forecast without the pre-trained network, to compare')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Columns: WAPE and sMAPE in per cent; MASE against the season before; pinball: mean over the quantiles 0.1, 0.5, 0.9 and
0.95, in per cent of the mean demand; cover95: share inside the central 95 % interval; CPU seconds.
The mix is what is deployed; last-value, yesterday and last-week are the naive forecasts that it has to beat.

Examples:
  $ foresail backtest --input demand.csv --horizon 24 --windows 5 --report backtest.html
  $ foresail backtest --input demand.csv --horizon 12 --step 5m --origins-every 30m --from 2026-08-01T00:00:00Z --forecasts rolling.csv`,
    )
    .action(runBacktest);
}

async function runBacktest(flags: BacktestFlags): Promise<void> {
  const { windows, originsEvery, from, forecasts } = flags;
  const rolling = originsEvery !== undefined || from !== undefined || forecasts !== undefined;
  if (!rolling) {
    if (windows !== undefined) return compareModels(await loadSeries(flags.input), { ...flags, windows });
    throw new UsageError(
      'expected --windows, such as --windows 5 (or the rolling form: --origins-every, --from, --forecasts)',
    );
  }
  if (flags.models !== undefined) throw new UsageError('the rolling form has no --models');
  if (originsEvery === undefined || from === undefined || forecasts === undefined) {
    throw new UsageError('the rolling form needs --origins-every, --from and --forecasts together');
  }
  if (windows !== undefined)
    throw new UsageError('the rolling form has no --windows: --origins-every and --from say how often');
  await writeRolling(await loadSeries(flags.input), { ...flags, originsEvery, from, forecasts });
}
