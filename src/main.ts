#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import type { Clock } from './model/clock.ts';
import { CodedError } from './model/errors.ts';
import { systemClock } from './system-clock.ts';
import { VERSION } from './version.ts';

/** Commands that run until they are told to stop, whoever reads what they print. */
const SERVERS: readonly string[] = ['demo', 'serve'];
/** Commands that compute and wait for nothing: a signal ends them at once, as it ends any program that says nothing of it. */
const OFFLINE: readonly string[] = [
  'init',
  'check',
  'rules',
  'restore',
  'simulate',
  'tune',
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

type AddCommand = (program: Command, server: { readonly clock: Clock; readonly signal: AbortSignal }) => Promise<void>;

/** In the order of the help; what a command needs is loaded when it is asked for, since all of it takes a third of a second. */
const COMMANDS: Readonly<Record<string, AddCommand>> = {
  demo: async (program, server) => (await import('./cli/demo.ts')).demoCommand(program, server),
  serve: async (program, server) => (await import('./cli/serve.ts')).serveCommand(program, server),
  init: async (program) => (await import('./cli/init.ts')).initCommand(program),
  check: async (program) => (await import('./cli/check.ts')).checkCommand(program),
  test: async (program) => (await import('./cli/test.ts')).testCommand(program),
  query: async (program, server) => (await import('./cli/query.ts')).queryCommand(program, server),
  plan: async (program, server) => (await import('./cli/plan.ts')).planCommand(program, server),
  preview: async (program, server) => (await import('./cli/preview.ts')).previewCommand(program, server),
  explain: async (program, server) => (await import('./cli/explain.ts')).explainCommand(program, server),
  slos: async (program, server) => (await import('./cli/slos.ts')).slosCommand(program, server),
  accuracy: async (program, server) => (await import('./cli/accuracy.ts')).accuracyCommand(program, server),
  anomalies: async (program, server) => (await import('./cli/anomalies.ts')).anomaliesCommand(program, server),
  advise: async (program, server) => (await import('./cli/advise.ts')).adviseCommand(program, server),
  alert: async (program, server) => (await import('./cli/alert.ts')).alertCommand(program, server),
  cost: async (program, server) => (await import('./cli/cost.ts')).costCommand(program, server),
  release: async (program, server) => (await import('./cli/release.ts')).releaseCommand(program, server),
  import: async (program, server) =>
    (await import('./cli/import.ts')).importCommand(program, { ...server, random: Math.random }),
  snapshot: async (program, server) => (await import('./cli/snapshot.ts')).snapshotCommand(program, server),
  restore: async (program) => (await import('./cli/restore.ts')).restoreCommand(program),
  simulate: async (program) => (await import('./cli/simulate.ts')).simulateCommand(program),
  tune: async (program) => (await import('./cli/tune.ts')).tuneCommand(program),
  forecast: async (program) => (await import('./cli/forecast.ts')).forecastCommand(program),
  backtest: async (program) => (await import('./cli/backtest.ts')).backtestCommand(program),
  decompose: async (program) => (await import('./cli/decompose.ts')).decomposeCommand(program),
  train: async (program, server) => (await import('./cli/train.ts')).trainCommand(program, server),
  seasons: async (program) => (await import('./cli/seasons.ts')).seasonsCommand(program),
  detect: async (program) => (await import('./cli/detect.ts')).detectCommand(program),
};

const stop = new AbortController();
let interrupted: number | undefined;
let running = '';

// A reader that goes away ends what only prints, help as well.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' && !SERVERS.includes(running)) process.exit();
  });
}

try {
  await (await programOf(stop.signal)).parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}

async function programOf(signal: AbortSignal): Promise<Command> {
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
  const [word = ''] = process.argv.slice(2);
  const asked = Object.hasOwn(COMMANDS, word) ? [COMMANDS[word]!] : Object.values(COMMANDS);
  for (const add of asked) await add(program, server);
  return program;
}

/** Signals end what waits. */
function prepare(command: string): void {
  running = command;
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
