import type { Command } from 'commander';
import type { SeasonCandidate, SeasonVerdict } from '../forecast/seasonality.ts';
import { formatDuration } from '../model/time.ts';
import { type ClockFlags, clockOption, loadClock } from './calendar-options.ts';
import { loadSeries, openSink, quoteCell } from './csv.ts';
import { parseStep, parseThreads } from './forecast-options.ts';
import { type ShownSeasons, seasonsReport } from './report/seasons-report.ts';
import { worstFirst } from './report/worst-first.ts';
import { parseReportFile, writeReport } from './report/write-report.ts';
import { forEachSeries, inputOf } from './series-command.ts';

interface Flags extends ClockFlags {
  readonly input: string;
  readonly step?: number;
  readonly output?: string;
  readonly threads?: number;
  readonly progress?: boolean;
  readonly report?: string;
  readonly json?: boolean;
}

const REASONS: Readonly<Record<SeasonVerdict, string>> = {
  found: '',
  'too-few-steps': 'the step is too long for it to have a shape',
  'too-few-cycles': 'the history has too few cycles of it',
  'no-peak': 'the series does not resemble itself more one such length later than somewhat sooner or later',
  'cycles-differ': 'its cycles do not resemble each other enough, or it explains too little',
  'part-of-another': 'it is part of the shape of a season found, or a multiple of one',
};

/** `foresail seasons`: the seasons of each series of a CSV file, what they rest on, and why other lengths are none. */
export function seasonsCommand(program: Command): void {
  clockOption(
    program
      .command('seasons')
      .description('Find the seasons of each series of a CSV file, and say why other lengths are none.'),
  )
    .requiredOption('--input <file>', 'CSV with a header: timestamp,value or series,timestamp,value; .gz too')
    .option(
      '--step <duration>',
      'length of a step, such as 5m (default: the median distance of the samples)',
      parseStep,
    )
    .option('--output <file>', 'write there instead of to standard output')
    .option('--report <file>', 'draw a picture there: a page where it ends in .html, an image in .svg', parseReportFile)
    .option('--json', 'one JSON object a series')
    .option('--threads <count>', 'threads to compute with (default: one for each core)', parseThreads)
    .option('--progress', 'say how far it is, though standard error is no terminal')
    .option('--no-progress', 'say nothing on the way')
    .addHelpText('after', '\nExample:\n  $ foresail seasons --input demand.csv --step 5m --report seasons.html')
    .action(runSeasons);
}

const COLUMNS = 'series,season,steps,origin,verdict,strength,autocorrelation,cycles,confidence,reason';

async function runSeasons(flags: Flags): Promise<void> {
  const { threads, progress, report, json } = flags;
  const { series } = await loadSeries(flags.input);
  const calendar = await loadClock(flags, series);
  const sink = openSink(flags.output);
  if (!json) await sink.write(COLUMNS);
  const shown = worstFirst<ShownSeasons>();
  let answered = 0;
  await forEachSeries({
    what: 'seasons',
    series,
    threads,
    progress,
    job: (one) => ({ kind: 'seasons', ...inputOf(one, flags, calendar), withAutocorrelation: report !== undefined }),
    async take({ name }, result) {
      if (result.kind !== 'seasons') {
        console.error(`series "${name}" is left out: it has fewer than two finite values at different times`);
        return;
      }
      answered++;
      for (const line of json ? [jsonOf(name, result)] : rowsOf(name, result)) await sink.write(line);
      // Those without a season are what needs a look.
      if (report !== undefined) shown.add({ name, ...result }, -result.seasons.length);
    },
  });
  await sink.close();
  if (report !== undefined) {
    writeReport(report, seasonsReport({ input: flags.input, shown: shown.list(), series: answered }));
  }
  if (answered === 0) process.exitCode = 1;
}

interface Answer {
  readonly stepMs: number;
  readonly candidates: readonly SeasonCandidate[];
}

function rowsOf(name: string, { candidates }: Answer): string[] {
  const cell = quoteCell(name);
  return candidates.map((one) =>
    [
      cell,
      formatDuration(one.lengthMs),
      one.length,
      one.origin,
      one.verdict,
      ...[one.strength, one.autocorrelation].map((share) => share.toFixed(3)),
      one.cycles,
      one.confidence.toFixed(3),
      quoteCell(REASONS[one.verdict]),
    ].join(','),
  );
}

function jsonOf(name: string, { stepMs, candidates }: Answer): string {
  const told = candidates.map(({ lengthMs, length, ...rest }) => ({
    season: formatDuration(lengthMs),
    lengthSeconds: lengthMs / 1000,
    steps: length,
    ...rest,
    ...(rest.verdict !== 'found' && { reason: REASONS[rest.verdict] }),
  }));
  const found = told.filter(({ verdict }) => verdict === 'found').map(({ steps }) => steps);
  return JSON.stringify({ series: name, stepSeconds: stepMs / 1000, seasons: found, candidates: told });
}
