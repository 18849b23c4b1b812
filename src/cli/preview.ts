import type { Command } from 'commander';
import { formatDuration, parseDuration } from '../model/time.ts';
import { askServer, type ServerOptions, serverOptions } from './client.ts';
import { asArgument } from './forecast-options.ts';
import { accuracyRows, type PreviewAnswer, strategyRows } from './preview-answer.ts';
import { readText } from './read-text.ts';
import { previewReport } from './report/preview-report.ts';
import { parseReportFile, writeReport } from './report/write-report.ts';
import { tableLines } from './table-lines.ts';

interface Flags extends ServerOptions {
  readonly file: string;
  readonly judge?: number;
  readonly report?: string;
  readonly json?: boolean;
}

/** `foresail preview`: what a policy would have foreseen and done on the server's own history, before it is saved. */
export function previewCommand(program: Command, { signal }: { readonly signal: AbortSignal }): void {
  const command = program
    .command('preview')
    .description("Try a policy on a running server's history: its forecasts, and its floors against other strategies")
    .requiredOption('-f, --file <file>', 'a ScalingPolicy, as YAML or JSON; nothing of it is saved')
    .option('--judge <duration>', 'how much of the end of the history is judged (default: 3d)', (text) =>
      asArgument(() => parseDuration(text)),
    );
  serverOptions(command)
    .option('--report <file>', 'draw a picture there: a page where it ends in .html, an image in .svg', parseReportFile)
    .option('--json', "print the server's answer as JSON")
    .addHelpText('after', '\nExample:\n  $ foresail preview -f checkout.yaml --report checkout.html')
    .action(async (flags: Flags) => {
      const answer = await ask(flags, signal);
      if (flags.report !== undefined) writeReport(flags.report, previewReport(answer));
      if (flags.json) console.log(JSON.stringify(answer, undefined, 2));
      else for (const line of linesOf(answer)) console.log(line);
      if (answer.demands.every((demand) => 'noForecast' in demand)) process.exitCode = 1;
    });
}

async function ask(flags: Flags, signal: AbortSignal): Promise<PreviewAnswer> {
  const query = flags.judge === undefined ? '' : `?judge=${flags.judge / 1000}`;
  const call = { method: 'POST', body: readText(flags.file), contentType: 'application/yaml', signal } as const;
  const answer = await askServer(flags, `/api/v1/policies/preview${query}`, call);
  return (answer as { readonly data: PreviewAnswer }).data;
}

function linesOf(answer: PreviewAnswer): readonly string[] {
  const { policy, judgedSeconds, demands, whatIf } = answer;
  const { namespace, name } = policy.metadata;
  const forecasts = accuracyRows(answer);
  return [
    `${namespace}/${name}: the last ${formatDuration(judgedSeconds * 1000)} again, each moment from what came before it`,
    '',
    ...demands.flatMap((one) =>
      'noForecast' in one ? [`no forecast of ${one.demand}: ${one.noForecast.message}`] : [],
    ),
    ...(forecasts.length > 1 ? tableLines(forecasts) : []),
    '',
    ...('message' in whatIf ? [`no simulation: ${whatIf.message}`] : tableLines(strategyRows(whatIf))),
  ];
}
