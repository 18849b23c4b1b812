import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse as parseYaml } from 'yaml';
import { startApp } from '../app.ts';
import { loadSettings, type Settings } from '../config/load.ts';
import { openDemoApi } from '../demo/api.ts';
import { type BoundsMove, openDemoCluster } from '../demo/cluster.ts';
import type { ReplayRow } from '../demo/replay-table.ts';
import { type DemoPolicy, nameOf, runDemo, timeOf } from '../demo/run-demo.ts';
import { loadDemoState, saveDemoState } from '../demo/state-file.ts';
import { DEMO_WORKLOADS } from '../demo/workloads.ts';
import type { ReplayTable } from '../http/deps.ts';
import type { Samples } from '../model/series.ts';
import { DAY } from '../model/time.ts';
import { parsePolicy, type ScalingPolicy } from '../scaling/policy.ts';
import { createLogger } from '../telemetry/logger.ts';
import { nodeDisk } from '../tsdb/disk.ts';
import { replayInThread } from '../workers/replay.ts';
import type { ServerDeps } from './run-server.ts';

export interface DemoFlags {
  readonly data: string;
  readonly listen: string;
}

/** Four weeks of history are read, and a restart a month later must find them. */
const RETENTION = 60 * DAY;
const JUDGED = 3 * DAY;

/** Serves, plays the workloads and tells what happens, until it is told to stop. */
export async function playDemo(flags: DemoFlags, { clock, signal }: ServerDeps): Promise<void> {
  const settings = demoSettings(flags);
  await nodeDisk.ensureFolder(settings.dataFolder);
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
  let table: ReplayTable | undefined;

  await using app = await startApp({
    settings,
    clock,
    log: createLogger(settings.logLevel),
    cluster: { name: 'demo', cluster, close: save },
    replay: () => table,
  });
  const folder = relative(process.cwd(), settings.dataFolder) || settings.dataFolder;
  console.log(`Foresail's demo: ${app.url}/  (data in ${folder}; Ctrl-C stops it, a second start continues)\n`);
  const demo = runDemo({
    url: app.url,
    api: openDemoApi(app.url, signal),
    workloads: DEMO_WORKLOADS,
    firstStart,
    cluster,
    clock,
    signal,
    policies: demoPolicies(),
    replay: (policy, demand) => replayPolicy(policy, demand, signal),
    onReplayed: (rows) => {
      const end = clock.now();
      table = { range: { start: end - JUDGED, end }, rows };
    },
    onPlansTold: () => {
      for (const move of held ?? []) print('bounds', formatMove(move));
      held = null;
    },
    save,
    print,
  });
  try {
    await Promise.all([app.run(signal), demo]);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function replayPolicy(
  policy: ScalingPolicy,
  demand: Samples,
  signal: AbortSignal,
): Promise<readonly ReplayRow[]> {
  const { namespace, name } = policy;
  const { startUpMs } = DEMO_WORKLOADS.find(({ app }) => app === policy.target.name)!;
  const results = await replayInThread({ policy, demand, startUpMs }, signal);
  return results.map((result) => ({ namespace, policy: name, ...result }));
}

function demoSettings(flags: DemoFlags): Settings {
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
