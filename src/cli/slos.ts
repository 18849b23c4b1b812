import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { parseSloFile } from '../config/slo-files.ts';
import { formatLocated } from '../config/yaml-document.ts';
import type { SloView } from '../http/routes/slos.ts';
import { parseQuery } from '../promql/parse.ts';
import { sloRuleText } from '../rules/slo-rules.ts';
import { askServer, type ServerOptions, serverOptions } from './client.ts';
import { tellSlos } from './tell-slos.ts';

interface SlosOptions extends ServerOptions {
  readonly json: boolean;
  readonly rules?: string;
}

/** `foresail slos`: what is left of error budgets, and when they end. */
export function slosCommand(program: Command, { signal }: { readonly signal: AbortSignal }): void {
  const command = program
    .command('slos')
    .description('Show objectives (SLOs): what is left of their error budgets, how fast they burn, and when they end')
    .option('--rules <file>', 'ask no server: print the rules that are made of a file of objectives');
  serverOptions(command)
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nExamples:\n  $ foresail slos\n  $ foresail slos --rules slos.yaml > slo-rules.yaml')
    .action(async (options: SlosOptions) => {
      if (options.rules !== undefined) {
        printRules(options.rules);
        return;
      }
      const { data } = (await askServer(options, '/api/v1/slos', { signal })) as { data: readonly SloView[] };
      console.log(options.json ? JSON.stringify(data, null, 2) : tellSlos(data, Date.now()));
    });
}

function printRules(file: string): void {
  const checkQuery = (expression: string) => void parseQuery(expression);
  const { slos, problems } = parseSloFile(readFileSync(file, 'utf8'), file, { checkQuery });
  if (problems.length > 0) {
    console.error(problems.map(formatLocated).join('\n'));
    process.exitCode = 1;
    return;
  }
  // Each is a file of rules with one group: together they are one list of groups.
  const groups = slos.map((slo) => sloRuleText(slo).replace(/^groups:\n/, ''));
  console.log(`groups:\n${groups.join('').trimEnd()}`);
}
