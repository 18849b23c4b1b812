import { type Command, Option } from 'commander';
import { parseDuration, parseInstant } from '../model/time.ts';
import { type QueryData, renderCaret, renderCsv, renderTable } from './query-render.ts';

interface QueryFlags {
  readonly url: string;
  readonly time?: string;
  readonly start?: string;
  readonly end?: string;
  readonly step?: string;
  readonly tenant?: string;
  readonly json?: boolean;
  readonly csv?: boolean;
}

type Answer =
  | { readonly status: 'success'; readonly data: QueryData; readonly warnings?: string[]; readonly infos?: string[] }
  | { readonly status: 'error'; readonly errorType: string; readonly error: string };

/** What the command needs of the world around it. */
export interface QueryDeps {
  readonly now: () => number;
  readonly write: (text: string) => void;
  readonly writeError: (text: string) => void;
  readonly signal?: AbortSignal;
}

/** 0: answered. 1: the server cannot answer. 2: the flags or the query are wrong. */
type ExitCode = 0 | 1 | 2;

const EXAMPLES = `
Examples:
  foresail query 'sum by (namespace) (rate(http_requests_total[5m]))'
  foresail query 'foresail_demand' --start -6h --step 5m --csv > demand.csv
  foresail query 'up' --time 2026-08-03T10:00:00Z --json

A time is epoch seconds, ISO 8601, or a length of time before now such as -1h.`;

/** `foresail query 'PROMQL'`: asks a running server, over its HTTP API. Any Prometheus answers too. */
export function queryCommand(program: Command, deps: QueryDeps = processDeps()): void {
  program
    .command('query')
    .description('ask a running server a PromQL query')
    .argument('<promql>', 'the query')
    .option('--url <url>', 'address of the server', 'http://127.0.0.1:7070')
    .option('--time <time>', 'instant to evaluate at (default: now)')
    .option('--start <time>', 'first instant of a range query')
    .option('--end <time>', 'last instant of a range query (default: now)')
    .option('--step <duration>', 'distance of the instants (default: 1m)')
    .option('--tenant <id>', 'tenant, sent as X-Scope-OrgID')
    .addOption(new Option('--json', 'print the whole answer as JSON').conflicts('csv'))
    .option('--csv', 'print series,timestamp,value')
    .addHelpText('after', EXAMPLES)
    .action(async (query: string, flags: QueryFlags) => {
      process.exitCode = await runQuery(query, flags, deps);
    });
}

export async function runQuery(query: string, flags: QueryFlags, deps: QueryDeps): Promise<ExitCode> {
  let request: { path: string; parameters: URLSearchParams; url: URL };
  try {
    request = requestOf(query, flags, deps.now());
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
    deps.writeError(`foresail query: ${error.message}\n`);
    return 2;
  }
  let answer: Answer;
  try {
    answer = await ask(request, flags, deps.signal);
  } catch (error) {
    deps.writeError(`foresail query: cannot ask ${flags.url}: ${reasonOf(error)}\n`);
    return 1;
  }
  if (answer.status === 'error') {
    deps.writeError(`foresail query: ${answer.error}\n${renderCaret(query, answer.error)}`);
    return answer.errorType === 'bad_data' ? 2 : 1;
  }
  deps.write(
    flags.json === true ? `${JSON.stringify(answer)}\n` : (flags.csv === true ? renderCsv : renderTable)(answer.data),
  );
  for (const text of [...(answer.warnings ?? []), ...(answer.infos ?? [])]) deps.writeError(`${text}\n`);
  return 0;
}

function requestOf(query: string, { url, time, start, end, step }: QueryFlags, now: number) {
  const ranged = start !== undefined || end !== undefined || step !== undefined;
  if (ranged && start === undefined) throw new RangeError('--end and --step need --start');
  if (ranged && time !== undefined)
    throw new RangeError('--time is for one instant, --start for a range: give one of them');
  const parameters = new URLSearchParams({ query });
  if (!ranged) {
    if (time !== undefined) parameters.set('time', seconds(instantOf(time, '--time', now)));
    return { path: 'api/v1/query', parameters, url: new URL(url) };
  }
  const stepMs = within('--step', () => parseDuration(step ?? '1m'));
  parameters.set('start', seconds(instantOf(start!, '--start', now)));
  parameters.set('end', seconds(end === undefined ? now : instantOf(end, '--end', now)));
  parameters.set('step', seconds(stepMs));
  return { path: 'api/v1/query_range', parameters, url: new URL(url) };
}

async function ask(
  { path, parameters, url }: { path: string; parameters: URLSearchParams; url: URL },
  { tenant }: QueryFlags,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  const base = url.href.endsWith('/') ? url.href : `${url.href}/`;
  const response = await fetch(new URL(path, base), {
    method: 'POST',
    body: parameters,
    ...(tenant !== undefined && { headers: { 'X-Scope-OrgID': tenant } }),
    ...(signal && { signal }),
  });
  const text = await response.text();
  try {
    return JSON.parse(text) as Answer;
  } catch {
    throw new Error(`it answered ${response.status} without JSON: ${text.slice(0, 200)}`);
  }
}

function instantOf(text: string, flag: string, now: number): number {
  const before = /^-(?=\d+[a-z])/.test(text);
  return within(flag, () => (before ? now - parseDuration(text.slice(1)) : parseInstant(text)));
}

function within<T>(flag: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new RangeError(`${flag}: ${reasonOf(error)}`, { cause: error });
  }
}

function seconds(ms: number): string {
  return String(ms / 1000);
}

/** `fetch` hides the reason of a network error in its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && error.message === 'fetch failed' ? error.cause.message : error.message;
}

function processDeps(): QueryDeps {
  return {
    now: Date.now,
    write: (text) => process.stdout.write(text),
    writeError: (text) => process.stderr.write(text),
  };
}
