#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { backtestCommand } from './cli/backtest.ts';
import { checkCommand } from './cli/check.ts';
import { demoCommand } from './cli/demo.ts';
import { detectCommand } from './cli/detect.ts';
import { explainCommand } from './cli/explain.ts';
import { forecastCommand } from './cli/forecast.ts';
import { importCommand } from './cli/import.ts';
import { initCommand } from './cli/init.ts';
import { planCommand } from './cli/plan.ts';
import { queryCommand } from './cli/query.ts';
import { releaseCommand } from './cli/release.ts';
import { serve, serveCommand } from './cli/serve.ts';
import { simulateCommand } from './cli/simulate.ts';
import { UsageError } from './cli/usage-error.ts';
import { openKubeCluster } from './kube/cluster.ts';
import { CodedError } from './model/errors.ts';
import { parseQuery } from './promql/parse.ts';
import { systemClock } from './system-clock.ts';
import { VERSION } from './version.ts';

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

function programOf(signal: AbortSignal): Command {
  const program = new Command('foresail')
    .description('Forecasts the demand on Kubernetes workloads and raises their replica floors before it arrives.')
    .version(VERSION)
    .showHelpAfterError('(foresail --help lists the commands)')
    .exitOverride();
  const server = { clock: systemClock, signal };

  demoCommand(program, { ...server, serve: (file) => serve({ file }, server) });
  serveCommand(program, server);
  initCommand(program);
  checkCommand(program, { checkQuery: (expression) => void parseQuery(expression) });
  queryCommand(program, server);
  planCommand(program, server);
  explainCommand(program, server);
  releaseCommand(program, { ...server, openCluster: openKubeCluster });
  importCommand(program, { ...server, random: Math.random });
  simulateCommand(program);
  forecastCommand(program);
  backtestCommand(program);
  detectCommand(program);
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
