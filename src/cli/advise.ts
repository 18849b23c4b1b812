import type { Command } from 'commander';
import { parseDuration } from '../model/time.ts';
import { askServer, type ServerOptions, serverOptions } from './client.ts';
import { asArgument } from './forecast-options.ts';
import { parsePolicyName, policyPath } from './policy-name.ts';
import { type ToldAdvice, tellAdvice } from './tell-advice.ts';

interface AdviseOptions extends ServerOptions {
  readonly judge?: number;
  readonly check: boolean;
  readonly json: boolean;
}

/** `foresail advise`: what the HPA and the requests of a workload could be set to, and what that would change. */
export function adviseCommand(program: Command, { signal }: { readonly signal: AbortSignal }): void {
  const command = program
    .command('advise')
    .description('Advise on the target, the other settings of the HPA and requests, from the past; nothing is changed')
    .argument('<policy>', 'NAMESPACE/NAME')
    .option('--judge <duration>', 'how much of the end of the history is replayed (default: 3d)', (text) =>
      asArgument(() => parseDuration(text)),
    )
    .option('--check', 'exit code 1 if a setting of the HPA is a risk', false);
  serverOptions(command)
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nExample:\n  $ foresail advise shop/checkout')
    .action(async (policy: string, options: AdviseOptions) => {
      const query = options.judge === undefined ? '' : `?judge=${options.judge / 1000}`;
      const path = policyPath(parsePolicyName(policy), `advice${query}`);
      const { data } = (await askServer(options, path, { signal })) as { readonly data: ToldAdvice };
      console.log(options.json ? JSON.stringify(data, null, 2) : tellAdvice(data));
      const { replay, findings, requests } = data;
      const isRisk = !('message' in findings) && findings.some(({ kind }) => kind === 'risk');
      const isSilent = 'message' in findings && !('perReplica' in replay) && !('containers' in requests);
      if (isSilent || (options.check && isRisk)) process.exitCode = 1;
    });
}
