import { type Command, Option } from 'commander';
import { parseDuration, parseInstant } from '../model/time.ts';
import { callServer, ServerError, type ServerOptions, serverOptions } from './client.ts';
import { renderChart } from './query-chart.ts';
import { type QueryStats, renderExplanation } from './query-explain.ts';
import { type QueryData, renderCaret, renderCsv, renderTable } from './query-render.ts';
import { UsageError } from './usage-error.ts';

export interface QueryOptions extends ServerOptions {
  readonly time?: string;
  readonly start?: string;
  readonly end?: string;
  readonly step?: string;
  readonly json?: boolean;
  readonly csv?: boolean;
  readonly chart?: boolean;
  readonly explain?: boolean;
}

type Answer =
  | {
      readonly status: 'success';
      readonly data: QueryData & { readonly stats?: QueryStats };
      readonly warnings?: string[];
      readonly infos?: string[];
    }
  | { readonly status: 'error'; readonly errorType: string; readonly error: string };

const EXAMPLES = `
Examples:
  $ foresail query 'sum by (namespace) (rate(http_requests_total[5m]))'
  $ foresail query 'foresail_demand' --start -6h --step 5m --csv > demand.csv
  $ foresail query 'up' --time 2026-08-03T10:00:00Z --json
  $ foresail query 'sum(rate(http_requests_total[5m]))' --start -6h --step 5m --chart
  $ foresail query 'rate(http_requests_total[5m])' --explain

A time is ISO 8601, epoch seconds, or a length of time before now such as -1h.`;

/** `foresail query 'PROMQL'`: asks a running server over its HTTP API. Any Prometheus answers too. */
export function queryCommand(program: Command, { signal }: { readonly signal?: AbortSignal } = {}): void {
  const command = program
    .command('query')
    .description('Ask a running server a PromQL query, at one instant or over a range')
    .argument('<promql>', 'the query');
  serverOptions(command)
    .option('--time <time>', 'the instant to evaluate at; without it now')
    .option('--start <time>', 'the first instant of a range')
    .option('--end <time>', 'the last instant of a range; without it now')
    .option('--step <duration>', 'the distance between the instants of a range; without it 1m')
    .addOption(new Option('--json', 'print the whole answer as JSON').conflicts('csv'))
    .addOption(new Option('--csv', 'print series,timestamp,value').conflicts('chart'))
    .addOption(new Option('--chart', 'draw each series of a range as a line').conflicts('json'))
    .addOption(
      new Option('--explain', 'tell what was selected and where the time went, in place of the answer').conflicts([
        'json',
        'csv',
        'chart',
      ]),
    )
    .addHelpText('after', EXAMPLES)
    .action(async (query: string, options: QueryOptions) => {
      const { output, notes } = await answerQuery(query, options, Date.now(), signal);
      process.stdout.write(output);
      for (const note of notes) console.error(note);
    });
}

/**
 * Asks, and renders the answer as the options want it. Notes are the warnings that came with it.
 * @throws {UsageError} If the options or the query are wrong: with a caret under the place.
 * @throws {ServerError} If the server cannot answer.
 */
export async function answerQuery(
  query: string,
  options: QueryOptions,
  now: number,
  signal?: AbortSignal,
): Promise<{ readonly output: string; readonly notes: readonly string[] }> {
  const { path, parameters } = requestOf(query, options, now);
  const call = {
    method: 'POST',
    body: String(parameters),
    contentType: 'application/x-www-form-urlencoded',
    signal,
  } as const;
  const { status, body } = await callServer(options, path, call);
  const answer = body as Answer | null;
  if (answer?.status === 'success') {
    const notes = [...(answer.warnings ?? []), ...(answer.infos ?? [])];
    return { output: render(answer.data, body, options), notes };
  }
  if (typeof answer?.error !== 'string')
    throw new ServerError(`cannot use the answer of ${path}: status ${status}`, status);
  const message = `${answer.error}\n${renderCaret(query, answer.error)}`.trimEnd();
  throw answer.errorType === 'bad_data' ? new UsageError(message) : new ServerError(message, status);
}

function render(
  data: QueryData & { readonly stats?: QueryStats },
  body: unknown,
  { json, csv, chart, explain }: QueryOptions,
): string {
  if (json === true) return `${JSON.stringify(body)}\n`;
  if (explain === true) return renderExplanation(data.stats);
  if (chart === true) return renderChart(data);
  return csv === true ? renderCsv(data) : renderTable(data);
}

function requestOf(query: string, { time, start, end, step, explain }: QueryOptions, now: number) {
  const parameters = new URLSearchParams({ query, ...(explain === true && { stats: 'all' }) });
  if (start === undefined) {
    if (end !== undefined || step !== undefined) throw new UsageError('--end and --step need --start');
    if (time !== undefined) parameters.set('time', seconds(instantOf(time, '--time', now)));
    return { path: '/api/v1/query', parameters };
  }
  if (time !== undefined) throw new UsageError('--time is for one instant and --start for a range: give one of them');
  parameters.set('start', seconds(instantOf(start, '--start', now)));
  parameters.set('end', seconds(end === undefined ? now : instantOf(end, '--end', now)));
  parameters.set('step', seconds(read('--step', () => parseDuration(step ?? '1m'))));
  return { path: '/api/v1/query_range', parameters };
}

function instantOf(text: string, option: string, now: number): number {
  const before = /^-\d+[a-z]/.test(text);
  return read(option, () => (before ? now - parseDuration(text.slice(1)) : parseInstant(text)));
}

function read<T>(option: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new UsageError(`${option}: ${(cause as Error).message}`, { cause });
  }
}

function seconds(ms: number): string {
  return String(ms / 1000);
}
