import type { Command } from 'commander';
import { askServer, type ServerOptions, serverOptions } from './client.ts';
import { parsePolicyName } from './policy-name.ts';
import { type AccuracyRow, tellAccuracy } from './tell-accuracy.ts';
import { UsageError } from './usage-error.ts';

interface AccuracyOptions extends ServerOptions {
  readonly namespace?: string;
  readonly policy?: string;
  readonly limit: string;
  readonly check: boolean;
  readonly json: boolean;
}

/** A forecast that nobody has trusted yet is learning; it has not failed. */
const LEARNING = ['InsufficientHistory', 'ForecastMissing'];

/** `foresail accuracy`: how good the issued forecasts proved to be, the worst first. */
export function accuracyCommand(program: Command, { signal }: { readonly signal: AbortSignal }): void {
  const command = program
    .command('accuracy')
    .description('Show how good the issued forecasts proved to be, and which are trusted: the worst first')
    .option('--namespace <name>', 'only the policies of this namespace')
    .option('--policy <policy>', 'only this policy, as NAMESPACE/NAME, or as NAME in any namespace')
    .option('--limit <n>', 'at most so many demands; 0 for all', '20')
    .option('--check', 'exit code 1 if a forecast is demoted that is past learning', false);
  serverOptions(command)
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nExample:\n  $ foresail accuracy --namespace shop')
    .action(async (options: AccuracyOptions) => {
      const { data } = (await askServer(options, `/api/v1/accuracy?${parametersOf(options)}`, { signal })) as {
        data: readonly AccuracyRow[];
      };
      // What is checked is everything; what is shown may be less.
      const shown = Number(options.limit) === 0 ? data : data.slice(0, Number(options.limit));
      const isDemoted = data.some(({ state, reason }) => state === 'demoted' && !LEARNING.includes(reason?.code ?? ''));
      if (options.check && isDemoted) process.exitCode = 1;
      if (options.json) console.log(JSON.stringify(shown, null, 2));
      else console.log(tellAccuracy(shown, data.length));
    });
}

function parametersOf({ namespace, policy, limit }: AccuracyOptions): URLSearchParams {
  if (!/^\d{1,9}$/.test(limit)) throw new UsageError(`--limit: expected a whole number, got "${limit}"`);
  const parameters = new URLSearchParams();
  const named = policy?.includes('/') === true ? parsePolicyName(policy) : { namespace, name: policy };
  if (named.namespace !== undefined && namespace !== undefined && named.namespace !== namespace) {
    throw new UsageError(`--policy ${policy} is not in the namespace ${namespace} that --namespace names`);
  }
  if (named.namespace !== undefined) parameters.set('namespace', named.namespace);
  if (named.name !== undefined) parameters.set('policy', named.name);
  return parameters;
}
