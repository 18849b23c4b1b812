#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { UsageError } from './cli/usage-error.ts';
import { CodedError } from './model/errors.ts';

/** Exit codes: 0 done, 1 the answer is no (or it could not be done), 2 wrong usage. */
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => stop.abort(new Error(`stopped by ${name}`)));
}

try {
  await programOf(stop.signal).parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}

function programOf(_signal: AbortSignal): Command {
  const program = new Command('foresail')
    .description('Forecasts the demand on Kubernetes workloads and raises their replica floors before it arrives.')
    .showHelpAfterError('(foresail --help lists the commands)')
    .exitOverride();
  return program;
}

/** Prints what went wrong, once, in one line; a broken invariant also shows where. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (stop.signal.aborted) return 0;
  if (error instanceof UsageError) {
    console.error(error.message);
    return 2;
  }
  console.error(error instanceof CodedError ? error.message : error);
  return 1;
}
