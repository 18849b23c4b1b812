import type { Command } from 'commander';
import { formatInstant, parseInstant } from '../model/time.ts';
import { askServer, ServerError, type ServerOptions, serverOptions } from './client.ts';
import { parsePolicyName, policyPath } from './policy-name.ts';
import { type ToldDecision, tellDecision } from './tell-decision.ts';
import { UsageError } from './usage-error.ts';

interface ExplainOptions extends ServerOptions {
  readonly at?: string;
  readonly json: boolean;
}

/** `foresail explain WORKLOAD [--at T]`: tells the decision in force at that time, with its numbers. */
export function explainCommand(program: Command, { signal }: { readonly signal: AbortSignal }): void {
  const command = program
    .command('explain')
    .description('Tell why a workload has the floor it has, now or at an earlier time')
    .argument('<workload>', 'NAMESPACE/NAME of its policy')
    .option('--at <time>', 'ISO 8601 or epoch seconds; without it the last decision');
  serverOptions(command)
    .option('--json', 'print the decision as JSON: `foresail plan --record FILE` computes it again', false)
    .addHelpText('after', '\nExample:\n  $ foresail explain shop/checkout --at 2026-11-20T18:30:00Z')
    .action(async (workload: string, options: ExplainOptions) => {
      const decision = await findDecision(workload, options, signal);
      console.log(options.json ? JSON.stringify(decision, null, 2) : tellDecision(decision));
    });
}

async function findDecision(workload: string, options: ExplainOptions, signal: AbortSignal): Promise<ToldDecision> {
  const policy = parsePolicyName(workload);
  // Decisions before an instant: a millisecond later, so that one made at that very time is found.
  const before = options.at === undefined ? '' : `&before=${(timeOf(options.at) + 1) / 1000}`;
  const list = await askServer(options, policyPath(policy, `decisions?limit=1${before}`), { signal });
  const [last] = (list as { data: readonly { id: string }[] }).data;
  if (last === undefined) {
    const when = options.at === undefined ? '' : ` at or before ${formatInstant(timeOf(options.at))}`;
    throw new ServerError(`there is no decision on ${workload}${when}`, 404);
  }
  const record = await askServer(options, `/api/v1/decisions/${encodeURIComponent(last.id)}`, { signal });
  return (record as { data: ToldDecision }).data;
}

function timeOf(text: string): number {
  try {
    return parseInstant(text);
  } catch (cause) {
    throw new UsageError(`--at: ${(cause as Error).message}`, { cause });
  }
}
