import { type Command, InvalidArgumentError } from 'commander';
import { MINUTE, type Millis, parseInstant } from '../model/time.ts';
import { parseSpread, type Spread } from '../scaling/simulation/spread.ts';
import { STRATEGIES, type StrategyName } from '../scaling/simulation/strategies.ts';
import { asArgument, parseCount, seedNumber } from './forecast-options.ts';
import type { SimulateFlags } from './run-simulation.ts';
import { traceOptions } from './trace-source.ts';

/** `foresail simulate`: what a policy would have done over a recorded demand, against other strategies. */
export function simulateCommand(program: Command): void {
  const command = program
    .command('simulate')
    .description('Replay a demand trace in a closed loop: what a policy would have done, against other strategies.');
  traceOptions(command).option(
    '--from <time>',
    'judge from here; all before is history (default: the last 3 days)',
    parseTime,
  );
  worldOptions(command)
    .option('--against <strategies>', `of ${STRATEGIES.join(', ')}`, parseStrategies, DEFAULT_AGAINST)
    .option('--decisions <file>', 'write one JSON line whenever the bounds change')
    .option('--svg <file>', 'write a picture')
    .option('--report <file>', 'write the picture and the table as an HTML page')
    .option('--json', 'print JSON instead of a table')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: SimulateFlags) => {
      const { runSimulation } = await import('./run-simulation.ts');
      await runSimulation(flags);
    });
}

const EXAMPLES = `
Examples:
  $ foresail simulate --trace demand.csv --policy checkout.yaml --against reactive,yesterday,oracle --svg week.svg
  $ foresail simulate --server http://127.0.0.1:7070 --policy shop/checkout --report week.html
  $ foresail simulate --server http://prometheus:9090 --query 'sum(rate(http_requests_total[2m]))' --policy checkout.yaml

A length of time that varies is a range (60s..180s) or log-normal (p50=60s,p95=180s).`;

/** The options that say what the simulated world is like. */
export function worldOptions(command: Command): Command {
  return command
    .option('--start-up <duration>', 'from asking for a pod to a ready one; may vary', parseTimes, 3 * MINUTE)
    .option('--metric-lag <duration>', 'how late a sample is known; may vary', parseTimes, MINUTE)
    .option('--node-delay <duration>', 'pods wait this long for a node where none has room; may vary', parseTimes)
    .option('--pods-per-node <count>', 'pods of this workload that a node has room for', parseCount, 10)
    .option('--hpa-target <ratio>', 'how full the reactive autoscaler wants replicas to be', parseRatio, 0.7)
    .option('--seed <number>', 'of lengths of time that vary (default: 1)', seedNumber);
}

const DEFAULT_AGAINST: readonly StrategyName[] = ['reactive', 'yesterday', 'oracle'];

export function parseTime(text: string): Millis {
  return asArgument(() => parseInstant(text));
}

function parseTimes(text: string): Spread {
  return asArgument(() => parseSpread(text));
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
