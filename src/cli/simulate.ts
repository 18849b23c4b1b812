import { type Command, InvalidArgumentError } from 'commander';
import { MINUTE, type Millis, parseDuration, parseInstant } from '../model/time.ts';
import { STRATEGIES, type StrategyName } from '../scaling/simulation/strategies.ts';
import { asArgument, seedOption } from './forecast-options.ts';
import type { SimulateFlags } from './run-simulation.ts';

/** `foresail simulate`: what a policy would have done over a recorded demand, against other strategies. */
export function simulateCommand(program: Command): void {
  program
    .command('simulate')
    .description('Replay a demand trace in a closed loop: what a policy would have done, against other strategies.')
    .requiredOption('--trace <file>', 'CSV with a header: timestamp,value; one series; .gz too')
    .requiredOption('--policy <file>', 'a ScalingPolicy; its replicas are the bounds of the simulated autoscaler')
    .option('--from <time>', 'judge from here; all before is history (default: the last 3 days)', parseTime)
    .option('--start-up <duration>', 'from asking for a pod to a ready one', parseLength, 3 * MINUTE)
    .option('--metric-lag <duration>', 'how late a sample is known', parseLength, MINUTE)
    .option('--hpa-target <ratio>', 'how full the reactive autoscaler wants replicas to be', parseRatio, 0.7)
    .option('--against <strategies>', `of ${STRATEGIES.join(', ')}`, parseStrategies, DEFAULT_AGAINST)
    .option('--decisions <file>', 'write one JSON line whenever the bounds change')
    .option('--svg <file>', 'write a picture')
    .option('--report <file>', 'write the picture and the table as an HTML page')
    .addOption(seedOption())
    .option('--json', 'print JSON instead of a table')
    .addHelpText(
      'after',
      '\nExample:\n  $ foresail simulate --trace demand.csv --policy checkout.yaml --against reactive,yesterday,oracle --svg week.svg',
    )
    .action(async (flags: SimulateFlags) => {
      const { runSimulation } = await import('./run-simulation.ts');
      await runSimulation(flags);
    });
}

const DEFAULT_AGAINST: readonly StrategyName[] = ['reactive', 'yesterday', 'oracle'];

function parseTime(text: string): Millis {
  return asArgument(() => parseInstant(text));
}

function parseLength(text: string): number {
  return asArgument(() => parseDuration(text));
}

function parseRatio(text: string): number {
  const ratio = Number(text);
  if (!(ratio > 0 && ratio <= 1)) throw new InvalidArgumentError('expected a ratio above 0 and at most 1, such as 0.7');
  return ratio;
}

function parseStrategies(text: string): readonly StrategyName[] {
  return text.split(',').map((word) => {
    const name = STRATEGIES.find((strategy) => strategy === word.trim());
    if (name === undefined) throw new InvalidArgumentError(`expected some of ${STRATEGIES.join(',')}, got "${word}"`);
    return name;
  });
}
