/**
 * The closed loop on a real control plane: the same demand to two workloads at once, one scaled by its HPA alone and
 * one by its HPA over Foresail's floor, for ten minutes.
 *
 *   npm run build && npx tsx bench/closed-loop.ts [--demand traces|wave] [--traces FOLDER] [--only NAME,...]
 *     [--minutes 10] [--warm-up 5] [--json FILE] [--svg FILE]
 *
 * `traces` are the recorded workloads of ../shared/data/crane-k8s, six times as fast, from 20 rows before the steepest
 * rise of their last three days; `wave` is a made demand with a period of five minutes. HPA: sync, metric delay, metric
 * window and down window are a sixth of 15 s, 60 s, 60 s and 300 s; target 0.7; the metric comes through the aggregator.
 * Pods are kwok's, Ready 20 to 40 s after they were bound. The policy has the defaults, in squeezed time. Ready pods,
 * pods and floors are read from the API server once a second. Needs the programs that KUBEBUILDER_ASSETS names.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { reportSvg } from '../src/cli/report/report-svg.ts';
import { tableLines } from '../src/cli/table-lines.ts';
import { MINUTE, SECOND } from '../src/model/time.ts';
import { findControlPlane, NO_CONTROL_PLANE } from '../src/testing/control-plane.ts';
import { STEP_MS, squeezedTraces, wave } from '../test/real/closed-loop-demand.ts';
import { ARMS, playClosedLoop } from '../test/real/closed-loop-plane.ts';
import { closedLoopFigures, closedLoopPicture, closedLoopTable } from '../test/real/closed-loop-report.ts';

const { values: options } = parseArgs({
  options: {
    demand: { type: 'string', default: 'traces' },
    traces: { type: 'string', default: join(import.meta.dirname, '../../shared/data/crane-k8s') },
    only: { type: 'string', default: '' },
    minutes: { type: 'string', default: '10' },
    'warm-up': { type: 'string', default: '5' },
    json: { type: 'string' },
    svg: { type: 'string' },
  },
});
const judgedMs = Number(options.minutes) * MINUTE;
const warmUpMs = Number(options['warm-up']) * MINUTE;
const names = options.only.split(',').filter((name) => name !== '');
const demands =
  options.demand === 'wave'
    ? [wave({ history: 9000, rows: Math.ceil((judgedMs + 10 * MINUTE) / STEP_MS) })]
    : squeezedTraces(options.traces, names);
const assets = await findControlPlane();

if (assets === undefined) fail(NO_CONTROL_PLANE);
else if (demands.length === 0) fail(`there are no traces in ${options.traces}: give --traces or --demand wave`);
else await run(assets);

async function run(folder: string): Promise<void> {
  const began = Date.now();
  const say = (line: string) => console.error(`${((Date.now() - began) / SECOND).toFixed(0).padStart(4)} s  ${line}`);
  const loop = await playClosedLoop({ assets: folder, demands, warmUpMs, judgedMs, say });
  const figures = closedLoopFigures(loop);
  console.log(
    `${options.minutes} minutes, by the cluster's own state, ${figures.sum.reactive.readings} readings an arm`,
  );
  console.log(tableLines(closedLoopTable(figures)).join('\n'));
  if (options.json !== undefined) {
    const readings = loop.demands.map(({ name, perReplica, demand, readings: read }) => ({
      name,
      perReplica,
      arms: ARMS.map((arm) => ({ arm, readings: read[arm].map((row) => ({ ...row, demand: demand.at(row.at) })) })),
    }));
    await writeFile(options.json, JSON.stringify({ from: loop.from, to: loop.to, figures, readings }));
  }
  if (options.svg !== undefined) {
    const notes = [
      'Demand in replicas; pods become Ready 20 to 40 s after they were bound; time is squeezed six-fold.',
    ];
    await writeFile(options.svg, reportSvg(closedLoopPicture(loop, 'The closed loop on a real control plane', notes)));
  }
}

function fail(message: string): void {
  console.error(message);
  process.exitCode = 2;
}
