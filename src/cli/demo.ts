import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { parse as parseYaml } from 'yaml';
import { loadSettings, type Settings } from '../config/load.ts';
import { openDemoApi } from '../demo/api.ts';
import { type BoundsMove, openDemoCluster } from '../demo/cluster.ts';
import type { ReplayRow } from '../demo/replay-table.ts';
import { type DemoDeps, type DemoPolicy, nameOf, runDemo, timeOf } from '../demo/run-demo.ts';
import { loadDemoState, saveDemoState } from '../demo/state-file.ts';
import { DEMO_WORKLOADS } from '../demo/workloads.ts';
import type { Clock } from '../model/clock.ts';
import { DAY, type TimeRange } from '../model/time.ts';
import type { Cluster } from '../scaling/cluster.ts';
import { parsePolicy } from '../scaling/policy.ts';

/** A server of this process. Disposing it stops it and leaves everything as it is. */
export interface RunningApp extends AsyncDisposable {
  readonly url: string;
}

export interface DemoCommandDeps {
  readonly version: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly startApp: (options: DemoAppOptions) => Promise<RunningApp>;
  /** Serves a settings file until aborted. */
  readonly serve: (file: string) => Promise<void>;
  readonly replay: DemoDeps['replay'];
}

export interface DemoAppOptions {
  readonly settings: Settings;
  readonly cluster: Cluster;
  readonly clusterName: string;
  /** The what-if table for the page. Undefined while there is none. */
  readonly replayTable: () => { readonly range: TimeRange; readonly rows: readonly ReplayRow[] } | undefined;
}

const SETTINGS_FILE = 'foresail.yaml';

/** `foresail demo`, which is what `npm start` runs: the real program on workloads that are made up. */
export function demoCommand(program: Command, deps: DemoCommandDeps): void {
  program
    .command('demo')
    .description(
      `Play three made-up workloads against the real program; with a ${SETTINGS_FILE} here, serve that instead`,
    )
    .option('--data <folder>', 'where the store is kept; a second start continues', './data')
    .option('--listen <host:port>', 'where to serve; port 0 takes a free one', '127.0.0.1:7070')
    .addHelpText('after', '\nExample:\n  $ foresail demo --data ./data --listen 127.0.0.1:7070')
    .action(async (flags: { readonly data: string; readonly listen: string }) => {
      if (existsSync(SETTINGS_FILE)) {
        console.log(`serving ${SETTINGS_FILE}, which is here, instead of the demo`);
        await deps.serve(SETTINGS_FILE);
        return;
      }
      await playDemo(flags, deps);
    });
}

/** Four weeks of history are read, and a restart a month later must find them. */
const RETENTION = 60 * DAY;
const JUDGED = 3 * DAY;

async function playDemo(
  flags: { readonly data: string; readonly listen: string },
  deps: DemoCommandDeps,
): Promise<void> {
  const { clock, signal, version } = deps;
  const settings = demoSettings(flags);
  await mkdir(settings.dataFolder, { recursive: true });
  const stateFile = join(settings.dataFolder, 'demo.json');
  const state = await loadDemoState(stateFile);
  const firstStart = state?.firstStart ?? clock.now();
  // A plan may be acted on before it is told: its moves wait until then.
  let held: BoundsMove[] | null = [];
  const cluster = openDemoCluster({
    workloads: DEMO_WORKLOADS,
    firstStart,
    clock,
    saved: state?.cluster,
    onMove: (move) => {
      if (held === null) print('bounds', formatMove(move));
      else held.push(move);
    },
  });
  const save = () => saveDemoState(stateFile, { version: 1, firstStart, cluster: cluster.save() });
  let replayed: ReturnType<DemoAppOptions['replayTable']>;

  await using app = await deps.startApp({ settings, cluster, clusterName: 'demo', replayTable: () => replayed });
  const folder = relative(process.cwd(), settings.dataFolder) || settings.dataFolder;
  console.log(
    `Foresail ${version}, the demo: ${app.url}/  (data in ${folder}; Ctrl-C stops it, a second start continues)\n`,
  );
  try {
    await runDemo({
      ...deps,
      url: app.url,
      api: openDemoApi(app.url, signal),
      workloads: DEMO_WORKLOADS,
      firstStart,
      cluster,
      policies: demoPolicies(),
      onReplayed: (rows) => {
        const end = clock.now();
        replayed = { range: { start: end - JUDGED, end }, rows };
      },
      onPlansTold: () => {
        for (const move of held ?? []) print('bounds', formatMove(move));
        held = null;
      },
      save,
      print,
    });
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await save();
  }
}

function demoSettings(flags: { readonly data: string; readonly listen: string }): Settings {
  const settings = loadSettings({ flags: { ...flags, logLevel: 'warn' } });
  return { ...settings, retentionMs: RETENTION, kubernetes: { kind: 'off' } };
}

/** The files of `scaling-policies/demo/`, which the package carries beside `dist/`. */
function demoPolicies(): readonly DemoPolicy[] {
  const folder = fileURLToPath(new URL('../../scaling-policies/demo/', import.meta.url));
  const policies = readdirSync(folder).map((file) => {
    const yaml = readFileSync(join(folder, file), 'utf8');
    return { yaml, policy: parsePolicy(parseYaml(yaml)) };
  });
  const order = DEMO_WORKLOADS.map(({ app }) => app);
  return policies.sort((a, b) => order.indexOf(a.policy.name) - order.indexOf(b.policy.name));
}

const LABEL_WIDTH = 8;

/** A label and a text; further lines of the text stand below it. */
function print(label: string, text: string): void {
  const indent = ' '.repeat(LABEL_WIDTH + 2);
  console.log(`${label.padEnd(LABEL_WIDTH)}  ${text.replaceAll('\n', `\n${indent}`)}`);
}

function formatMove({ ref, at, before, after }: BoundsMove): string {
  const max = before.max === after.max ? '' : `, max ${before.max} → ${after.max}`;
  return `${nameOf(ref)} min ${before.min} → ${after.min}${max}  at ${timeOf(at)}`;
}
