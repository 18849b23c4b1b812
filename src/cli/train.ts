import { existsSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { loadSettings } from '../config/load.ts';
import { inferGrid, toRegular } from '../forecast/prepare.ts';
import { dueForTraining } from '../forecast/regressor/due-for-training.ts';
import type { ModelVersion } from '../forecast/regressor/model-version.ts';
import type { Clock } from '../model/clock.ts';
import type { RegularSeries } from '../model/series.ts';
import { DEFAULT_TENANT, parseTenant } from '../model/tenant.ts';
import { DAY, formatDuration, formatInstant, MINUTE, type Millis } from '../model/time.ts';
import { type ModelVersions, openModelVersions, versionsFolder } from '../workers/model-versions.ts';
import { trainInThread } from '../workers/train.ts';
import { askServer, type ServerOptions, serverOptions } from './client.ts';
import { loadSeries } from './csv.ts';
import { parseCount, parseStep, seedNumber } from './forecast-options.ts';
import { UsageError } from './usage-error.ts';

interface Flags extends ServerOptions {
  readonly input?: readonly string[];
  readonly step?: number;
  readonly history: number;
  readonly config?: string;
  readonly data?: string;
  readonly fromScratch?: boolean;
  readonly epochs: number;
  readonly rows: number;
  readonly seed: number;
  readonly ifDue?: number;
  readonly list?: boolean;
  readonly rollback?: string | true;
  readonly json?: boolean;
}

const SETTINGS_FILE = 'foresail.yaml';
/** Steps that a series may have: more rows than are drawn from it say nothing new. */
const MOST_STEPS = 80_640;
/** A range query answers at most 11,000 points a series. */
const MOST_POINTS = 10_000;

const EXAMPLES = `
The candidate learns from the first three quarters of each series and is judged on the last: it comes into force only if
it beats the network in force there. Every version is kept. A running server with the same data folder takes up what is
put in force within a minute, and trains by itself as its setting training.every says.

Examples:
  $ foresail train --input demand.csv                    (from files)
  $ foresail train --url http://127.0.0.1:7070           (from the demands that a running server recorded)
  $ foresail train --url http://127.0.0.1:7070 --if-due 7d
  $ foresail train --list
  $ foresail train --rollback`;

/** `foresail train`: fine-tunes the network on a tenant's own demand, and keeps the versions. */
export function trainCommand(program: Command, deps: { readonly clock: Clock; readonly signal?: AbortSignal }): void {
  const command = program
    .command('train')
    .description("Train the forecasts' network further on your own demand, list its versions, or go back to one.")
    .option('--input <file...>', 'CSV with a header: timestamp,value or series,timestamp,value; .gz too');
  serverOptions(command)
    .option('--step <duration>', 'length of a step (default: that of the samples; 5m from a server)', parseStep)
    .option('--history <duration>', 'how much of the demands to read from a server', parseStep, 28 * DAY)
    .option('--config <file>', `the settings that name the data folder (default: ${SETTINGS_FILE} where it is here)`)
    .option('--data <folder>', 'the data folder; wins over the settings')
    .option('--from-scratch', 'start from random weights instead of the network in force')
    .option(
      '--epochs <count>',
      'passes over the rows at most; training stops early when it gains no more',
      parseCount,
      12,
    )
    .option('--rows <count>', 'rows to draw from the series', parseCount, 30_000)
    .addOption(new Option('--seed <number>', 'of all that is random').argParser(seedNumber).default(1))
    .option('--if-due <duration>', 'only if the last version is older than this', parseStep)
    .addOption(new Option('--list', 'list the versions with their scores').conflicts(['input', 'rollback']))
    .addOption(
      new Option('--rollback [version]', 'put the version before the current, or this one, in force').conflicts(
        'input',
      ),
    )
    .option('--json', 'print JSON')
    .addHelpText('after', EXAMPLES)
    .action((flags: Flags) => runTrain(flags, command.getOptionValueSource('url') === 'cli', deps));
}

async function runTrain(
  flags: Flags,
  asksServer: boolean,
  { clock, signal }: { readonly clock: Clock; readonly signal?: AbortSignal },
): Promise<void> {
  const file = flags.config ?? (existsSync(SETTINGS_FILE) ? SETTINGS_FILE : undefined);
  const { dataFolder } = loadSettings({
    ...(file !== undefined && { file }),
    ...(flags.data !== undefined && { flags: { data: flags.data } }),
  });
  const tenant = flags.tenant === undefined ? DEFAULT_TENANT : parseTenant(flags.tenant);
  const versions = openModelVersions(versionsFolder(dataFolder, tenant));
  if (flags.list === true) return printVersions(await versions.list(), flags.json === true);
  if (flags.rollback !== undefined) {
    const name = await versions.rollback(flags.rollback === true ? undefined : flags.rollback);
    console.log(flags.json === true ? JSON.stringify({ current: name }) : `${name} is in force for tenant ${tenant}`);
    return;
  }
  if (flags.input === undefined && !asksServer) {
    throw new UsageError('expected --input FILE or --url URL to learn from, or --list or --rollback');
  }
  if (flags.ifDue !== undefined) {
    const triedAt = (await versions.list()).at(-1)?.scores?.trainedAt;
    const due = dueForTraining({ now: clock.now(), triedAt, everyMs: flags.ifDue, demands: 0, drifted: 0 });
    if (due.kind === 'not-due') {
      console.log(`not due before ${formatInstant(due.at)}`);
      return;
    }
  }
  const series = flags.input === undefined ? await fromServer(flags, clock.now(), signal) : await fromFiles(flags);
  await train(series, versions, flags, { clock, signal });
}

async function train(
  series: readonly RegularSeries[],
  versions: ModelVersions,
  flags: Flags,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal | undefined },
): Promise<void> {
  const against = await versions.current();
  const { epochs, rows, seed } = flags;
  const result = await trainInThread(
    {
      ...{ series, epochs, rows, seed, current: await versions.read(against) },
      from: flags.fromScratch === true ? 'scratch' : 'current',
    },
    {
      onProgress: ({ epoch, loss, validation, best }) =>
        console.error(
          `epoch ${epoch} of at most ${epochs}: loss ${loss.toFixed(4)}, validation ${validation.toFixed(4)} (best ${best.toFixed(4)})`,
        ),
      ...(signal && { signal }),
    },
  );
  if (result.kind === 'too-little') {
    console.error(
      `nothing to learn from: none of the ${result.series} series has 384 values that are not all the same`,
    );
    process.exitCode = 1;
    return;
  }
  const { scores, isBetter, version: digest, bytes } = result;
  const name = await versions.add(bytes, { trainedAt: clock.now(), digest, against, scores }, isBetter);
  if (flags.json === true) {
    console.log(JSON.stringify({ version: name, digest, against, isCurrent: isBetter, scores }));
    return;
  }
  const verdict = isBetter ? `${name} is in force` : `${against} stays in force; ${name} is kept`;
  console.log(`on the last quarter of ${scores.series} series (loss, less is better):`);
  console.log(
    `  ${name} ${scores.candidate.toFixed(4)}   ${against} ${scores.current.toFixed(4)}   last value ${scores.lastValue.toFixed(4)}`,
  );
  console.log(verdict);
}

async function fromFiles({ input, step }: Flags): Promise<RegularSeries[]> {
  const files = await Promise.all(input!.map((file) => loadSeries(file)));
  return files.flatMap(({ series }) =>
    series.flatMap((one) => {
      const grid = inferGrid(one.times, step);
      return grid === undefined ? [] : [toRegular(one, { ...grid, mostSteps: MOST_STEPS }).series];
    }),
  );
}

/** The demands that the server recorded, as their series in its store have them. */
async function fromServer(flags: Flags, now: Millis, signal: AbortSignal | undefined): Promise<RegularSeries[]> {
  const stepMs = flags.step ?? 5 * MINUTE;
  const steps = Math.min(MOST_POINTS, Math.floor(flags.history / stepMs));
  const end = Math.floor(now / stepMs) * stepMs;
  const start = end - (steps - 1) * stepMs;
  const form = new URLSearchParams({
    query: 'avg_over_time(foresail_demand[STEP])'.replace('STEP', formatDuration(stepMs)),
    start: String(start / 1000),
    end: String(end / 1000),
    step: String(stepMs / 1000),
  });
  const answer = (await askServer(flags, `/api/v1/query_range?${form}`, { signal })) as {
    readonly data: { readonly result: readonly { readonly values: readonly (readonly [number, string])[] }[] };
  };
  return answer.data.result.map(({ values }) => {
    const samples = { times: values.map(([t]) => t * 1000), values: values.map(([, value]) => Number(value)) };
    return toRegular(samples, { stepMs, phaseMs: 0 }).series;
  });
}

function printVersions(versions: readonly ModelVersion[], json: boolean): void {
  if (json) {
    console.log(JSON.stringify({ versions }));
    return;
  }
  console.log('   version   trained at                 loss    of the one before   of the last value   series');
  for (const { name, isCurrent, scores } of versions) {
    const mark = isCurrent ? '*' : ' ';
    if (scores === undefined) {
      console.log(`${mark}  ${name}`);
      continue;
    }
    const { candidate, current, lastValue, series } = scores.scores;
    console.log(
      `${mark}  ${name.padEnd(8)}  ${formatInstant(scores.trainedAt).padEnd(25)}  ${candidate.toFixed(4)}  ${current.toFixed(4)} (${scores.against})  ${lastValue.toFixed(4)}  ${series}`,
    );
  }
}
