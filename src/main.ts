#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { accuracyCommand } from './cli/accuracy.ts';
import { backtestCommand } from './cli/backtest.ts';
import { checkCommand } from './cli/check.ts';
import { decomposeCommand } from './cli/decompose.ts';
import { demoCommand } from './cli/demo.ts';
import { detectCommand } from './cli/detect.ts';
import { explainCommand } from './cli/explain.ts';
import { forecastCommand } from './cli/forecast.ts';
import { importCommand } from './cli/import.ts';
import { initCommand } from './cli/init.ts';
import { planCommand } from './cli/plan.ts';
import { previewCommand } from './cli/preview.ts';
import { queryCommand } from './cli/query.ts';
import { releaseCommand } from './cli/release.ts';
import { seasonsCommand } from './cli/seasons.ts';
import { serveCommand } from './cli/serve.ts';
import { simulateCommand } from './cli/simulate.ts';
import { trainCommand } from './cli/train.ts';
import { CodedError } from './model/errors.ts';
import { systemClock } from './system-clock.ts';
import { VERSION } from './version.ts';

/** Commands that run until they are told to stop, whoever reads what they print. */
const SERVERS: readonly string[] = ['demo', 'serve'];
/** Commands that compute and wait for nothing: a signal ends them at once, as it ends any program that says nothing of it. */
const OFFLINE: readonly string[] = [
  'init',
  'check',
  'simulate',
  'forecast',
  'backtest',
  'decompose',
  'seasons',
  'detect',
];
/** Codes of errors that another command line, or another settings file, mends. */
const WRONG_USAGE: readonly string[] = ['usage', 'invalid_settings'];
/** A shell's exit code of a program that a signal ended. */
const INTERRUPTED = { SIGINT: 130, SIGTERM: 143 } as const;

const stop = new AbortController();
let interrupted: number | undefined;

try {
  await programOf(stop.signal).parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}

function programOf(signal: AbortSignal): Command {
  const program = new Command('foresail')
    .description('Forecasts the demand on Kubernetes workloads and raises their replica floors before it arrives.')
    .version(VERSION)
    .configureOutput({ outputError: (text, write) => write(`${oneLine(text)} (foresail --help lists the commands)\n`) })
    .exitOverride()
    .addHelpText(
      'after',
      '\nExample:\n  $ foresail demo            (then foresail COMMAND --help has an example of each)',
    )
    .hook('preAction', (_program, command) => prepare(command.name()));
  const server = { clock: systemClock, signal };

  demoCommand(program, server);
  serveCommand(program, server);
  initCommand(program);
  checkCommand(program);
  queryCommand(program, server);
  planCommand(program, server);
  previewCommand(program, server);
  explainCommand(program, server);
  accuracyCommand(program, server);
  releaseCommand(program, server);
  importCommand(program, { ...server, random: Math.random });
  simulateCommand(program);
  forecastCommand(program);
  backtestCommand(program);
  decomposeCommand(program);
  trainCommand(program, server);
  seasonsCommand(program);
  detectCommand(program);
  return program;
}

/** Signals end what waits, and a reader that goes away ends what only prints. */
function prepare(command: string): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE' && !SERVERS.includes(command)) process.exit();
    });
  }
  if (OFFLINE.includes(command)) return;
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => {
      interrupted = INTERRUPTED[name];
      stop.abort(new Error(`stopped by ${name}`));
    });
  }
}

/** Prints what went wrong, once, in one line; a broken invariant also shows where. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (interrupted !== undefined) return interrupted;
  console.error(error instanceof CodedError ? error.message : error);
  return error instanceof CodedError && WRONG_USAGE.includes(error.code) ? 2 : 1;
}

/** Commander puts what it thinks was meant on a line of its own. */
function oneLine(text: string): string {
  return text
    .replace(/^error: /, '')
    .trim()
    .replaceAll('\n', ' ');
}
