import type { Command } from 'commander';
import type { Matcher } from '../model/matcher.ts';
import { formatInstant, MINUTE } from '../model/time.ts';
import { parseQuery } from '../promql/parse.ts';
import { serverOptions } from './client.ts';
import { importFileCommands } from './import-files.ts';
import {
  type CommonImportOptions,
  collect,
  headersOf,
  type ImportCommandDeps,
  lengthOf,
  rangeOf,
  rateOf,
  wordOf,
} from './import-options.ts';
import { readSlices, type Slice, type SourceOptions } from './import-prometheus.ts';
import { offersRemoteRead, readRemoteSlices } from './import-remote-read.ts';
import { openResume } from './import-resume.ts';
import { openImport } from './import-total.ts';
import { UsageError } from './usage-error.ts';

/** Scrapes and remote writes come late. */
const UNSETTLED_MS = 30 * MINUTE;

interface PrometheusOptions extends CommonImportOptions {
  readonly from: string;
  readonly match: readonly string[];
  readonly start: string;
  readonly end: string;
  readonly step?: string;
  readonly header: readonly string[];
  readonly via: string;
  readonly resume?: string;
}

/** `foresail import …`: fills the past of the running server's store. Importing twice changes nothing. */
export function importCommand(program: Command, deps: ImportCommandDeps): void {
  const command = program
    .command('import')
    .description("Fill the past of the running server's store; importing again changes nothing")
    .addHelpText('after', '\nExample:\n  $ foresail import csv --input demand.csv --metric demand_rps');

  serverOptions(
    command
      .command('prometheus')
      .description('Import from the HTTP API of a Prometheus, VictoriaMetrics, Thanos or Mimir')
      .requiredOption('--from <url>', 'the server to read from')
      .requiredOption('--match <selector>', 'series to import; may be given several times', collect, [])
      .requiredOption('--start <time>', 'ISO 8601, epoch seconds, or a duration ago such as 28d')
      .option('--end <time>', 'the same', '0s')
      .option('--step <duration>', 'one value a step, as a range query gives; without it samples as they are stored')
      .option(
        '--via <way>',
        'remote-read (a stream of chunks), query, or auto: remote-read where it is offered',
        'auto',
      )
      .option('--header <name:value>', 'sent to the server to read from; may be given several times', collect, []),
  )
    .option('--resume <file>', 'keeps how far it came, and goes on there the next time')
    .option('--rate <samples>', 'samples a second at most')
    .option('--json', 'print JSON', false)
    .addHelpText(
      'after',
      "\nExample:\n  $ foresail import prometheus --from http://127.0.0.1:9090 --match 'http_requests_total' --start 28d",
    )
    .action((options: PrometheusOptions) => importPrometheus(options, deps));

  importFileCommands(command, deps);
}

async function importPrometheus(options: PrometheusOptions, deps: ImportCommandDeps): Promise<void> {
  const range = rangeOf(options.start, options.end, deps.clock.now());
  const stepMs = options.step === undefined ? undefined : lengthOf('--step', options.step);
  const wanted = wordOf('--via', options.via, ['auto', 'remote-read', 'query'] as const);
  if (wanted === 'remote-read' && stepMs !== undefined) {
    throw new UsageError('--step: only a query gives one value a step; leave --via out');
  }
  const selectors = options.match.map((selector) => ({ selector, matchers: matchersOf(selector) }));
  const source = { ...deps, url: options.from, headers: headersOf(options.header) };
  const rate = rateOf(options.rate);
  const { from, url: to, tenant = '' } = options;
  const resume = openResume(options.resume, { from, to, tenant }, deps.clock.now() - UNSETTLED_MS);
  const total = openImport(options, { ...deps, rate });
  const remote = await goesByRemoteRead(wanted, stepMs, source);
  for (const { selector, matchers } of selectors) {
    // One value a step is not what is stored: the same selector without a step is not done with it.
    const what = stepMs === undefined ? selector : `${selector} --step ${options.step}`;
    const done = resume.doneUntil(what, range.start) ?? Number.NEGATIVE_INFINITY;
    const rest = { start: Math.max(range.start, done + 1), end: range.end };
    const slices: AsyncIterable<Slice> = remote
      ? readRemoteSlices({ selector, matchers, ...rest }, source)
      : readSlices({ selector, ...rest, stepMs }, source);
    for await (const slice of slices) {
      await total.send(slice.lines, slice.samples, { nativeHistograms: slice.histograms });
      if (slice.end < rest.start) continue;
      resume.done(what, range.start, slice.end);
      const share = (slice.end - range.start + 1) / (range.end - range.start + 1);
      total.progress(`${selector}: ${Math.floor(share * 100)} %, up to ${formatInstant(slice.end)}`);
    }
  }
  total.finish();
}

async function goesByRemoteRead(
  wanted: 'auto' | 'remote-read' | 'query',
  stepMs: number | undefined,
  source: SourceOptions,
): Promise<boolean> {
  if (wanted === 'query' || stepMs !== undefined) return false;
  const isOffered = await offersRemoteRead(source);
  if (wanted === 'auto' || isOffered) return isOffered;
  throw new UsageError(`--via remote-read: ${source.url} does not offer /api/v1/read; leave --via out`);
}

/** @throws {UsageError} If it is not a selector. */
function matchersOf(selector: string): readonly Matcher[] {
  try {
    const expr = parseQuery(selector);
    if (expr.kind === 'selector' && expr.offset === undefined && expr.at === undefined) return expr.matchers;
  } catch (cause) {
    throw new UsageError(`--match: ${(cause as Error).message}`, { cause });
  }
  throw new UsageError(`--match: expected a selector such as http_requests_total{job="api"}, got "${selector}"`);
}
