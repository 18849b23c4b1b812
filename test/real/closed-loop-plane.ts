import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type KubeApi, openKubeApi } from '../../src/kube/api.ts';
import { labelsOf } from '../../src/model/labels.ts';
import { type DemandTrace, demandTrace } from '../../src/scaling/simulation/demand-trace.ts';
import { type ControlPlane, startControlPlane, waitFor } from '../../src/testing/control-plane.ts';
import { serveMetricsApis } from '../../src/testing/metrics-apis.ts';
import { encodeWriteRequest } from '../../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../../src/wire/snappy.ts';
import { type RunningProgram, startProgram } from '../program.ts';
import { SPEED, type SqueezedDemand, STEP_MS } from './closed-loop-demand.ts';
import { deployment, policy, requestPolicy } from './shop-objects.ts';

/** Who scales a workload: the HPA alone, or the HPA over Foresail's floor. All else about the two is the same. */
export const ARMS = ['reactive', 'foresail'] as const;
export type Arm = (typeof ARMS)[number];

export interface ClosedLoopOptions {
  /** The folder with etcd, kube-apiserver and the rest. */
  readonly assets: string;
  readonly demands: readonly SqueezedDemand[];
  /** Demand that is played before it is judged. Longer where forecasts take longer to be trusted. */
  readonly warmUpMs: number;
  readonly judgedMs: number;
  readonly say?: (line: string) => void;
}

/** What the cluster itself said of one workload at one moment. */
export interface Reading {
  readonly at: number;
  /** Of its Deployment's status: pods that are Ready, and all that are not on their way out. */
  readonly ready: number;
  readonly pods: number;
  /** Of its Deployment's spec. */
  readonly replicas: number;
  /** Of its HPA's spec. */
  readonly floor: number;
}

export interface PlayedDemand {
  readonly name: string;
  readonly perReplica: number;
  readonly demand: DemandTrace;
  readonly readings: Readonly<Record<Arm, readonly Reading[]>>;
}

export interface PlayedLoop {
  readonly from: number;
  readonly to: number;
  readonly demands: readonly PlayedDemand[];
}

/** Squeezed: the metric is the mean over a minute, a minute late, to the HPA and to Foresail. */
const LAG_MS = 60_000 / SPEED;
const SYNC_MS = 15_000 / SPEED;
const HPA_TARGET = 0.7;
const READ_EVERY_MS = 1_000;
const MAX_REPLICAS = 160;
/** Rows are known a second before the steps at which Foresail asks: it sees neither more nor less than is due. */
const BEFORE_STEP_MS = 1_000;
const TRUST_MS = 10 * 60_000;

/**
 * Plays demands to two Deployments each on one real control plane at the same time: real HPAs on a metric that comes
 * through the real aggregator, pods that kwok makes Ready 20 to 40 s after they were bound, and the built program with
 * the past of each demand in its store.
 */
export async function playClosedLoop(options: ClosedLoopOptions): Promise<PlayedLoop> {
  const undo: (() => PromiseLike<unknown>)[] = [];
  try {
    return await play(options, undo);
  } finally {
    for (const step of undo.reverse()) await step();
  }
}

async function play(
  { assets, demands, warmUpMs, judgedMs, say = () => {} }: ClosedLoopOptions,
  undo: (() => PromiseLike<unknown>)[],
): Promise<PlayedLoop> {
  const held = <T extends AsyncDisposable>(resource: T): T => {
    undo.push(() => resource[Symbol.asyncDispose]());
    return resource;
  };
  const folder = await mkdtemp(join(tmpdir(), 'foresail-closed-loop-'));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  const sync = [`--horizontal-pod-autoscaler-sync-period=${SYNC_MS}ms`];
  const plane = held(
    await startControlPlane(assets, { controllers: true, flags: { 'kube-controller-manager': sync } }),
  );
  const api = held(await openKubeApi({ kubeconfig: plane.kubeconfig }));
  const settings = join(folder, 'foresail.yaml');
  const lines = [
    `kubernetes: {kubeconfig: ${plane.kubeconfig}}`,
    `loops: {scale: ${SYNC_MS}ms}`,
    'customResources: off',
    'training: {every: off}',
  ];
  await writeFile(settings, `${lines.join('\n')}\n`);
  const program = held(await startProgram(['--config', settings]));

  const planned = Math.ceil((Date.now() + warmUpMs) / STEP_MS) * STEP_MS - BEFORE_STEP_MS;
  const timed = demands.map((demand) => ({ ...demand, ...placed(demand, planned) }));
  held(await serveDemands(plane, timed));
  await plane.kubectl(['create', 'namespace', 'shop']);
  await plane.kubectl(['create', '-f', '-'], { apiVersion: 'v1', kind: 'List', items: timed.flatMap(objectsOf) });

  const stop = new AbortController();
  const background: Promise<void>[] = [];
  undo.push(() => {
    stop.abort();
    return Promise.all(background);
  });
  for (const { name, times, rows } of timed) {
    const known = times.findLastIndex((time) => time + LAG_MS <= Date.now());
    await importPast(program, folder, name, times.subarray(0, known + 1), rows);
    background.push(sendLive(program, name, times, rows, known + 1, stop.signal));
    say(`${name}: ${known + 1} rows imported`);
  }
  // Lead times are learned from pods that are Ready.
  await waitFor('the first pods to be ready', async () => {
    const readings = [...(await readAll(api)).values()];
    return readings.every(({ ready, pods }) => pods > 0 && ready === pods);
  });
  for (const demand of timed) {
    await requestPolicy(program.url, 'PUT', `${demand.name}-foresail`, squeezedPolicy(demand));
  }
  for (const { name } of timed) {
    await waitFor(`a forecast of ${name} that is trusted`, () => isTrusted(program, `${name}-foresail`), TRUST_MS);
  }
  const from = Math.max(planned, Date.now());
  say(`all forecasts are trusted ${Math.round((planned - Date.now()) / 1000)} s before the judged time was to begin`);

  const readings = new Map<string, Reading[]>();
  const to = from + judgedMs;
  await delay(from - Date.now());
  say(`judged from ${new Date(from).toISOString()} for ${judgedMs / 1000} s`);
  for (let next = from; next <= to; next += READ_EVERY_MS) {
    await delay(Math.max(0, next - Date.now()));
    for (const [name, reading] of await readAll(api)) readings.set(name, [...(readings.get(name) ?? []), reading]);
  }
  return {
    from,
    to,
    demands: timed.map(({ name, perReplica, demand }) => ({
      name,
      perReplica,
      demand,
      readings: { reactive: readings.get(`${name}-reactive`)!, foresail: readings.get(`${name}-foresail`)! },
    })),
  };
}

/** The metrics adapter: the demand as monitoring knows it, for HPAs alone. */
function serveDemands(plane: ControlPlane, timed: readonly { readonly name: string; readonly demand: DemandTrace }[]) {
  return serveMetricsApis(plane, async ({ metric, labelSelector }) => {
    const found = timed.find(({ name }) => labelSelector === `demand=${name}`);
    if (found === undefined) return { failure: `there is no demand ${labelSelector}` };
    const known = Date.now() - LAG_MS;
    const value = `${Math.round(1000 * found.demand.mean(known - STEP_MS, known))}m`;
    const item = { metricName: metric, metricLabels: {}, timestamp: new Date(known).toISOString(), value };
    return { body: { kind: 'ExternalMetricValueList', items: [item] } };
  });
}

/** Its rows in real time: the judged time begins at `from`. */
function placed({ rows, from }: SqueezedDemand, at: number) {
  const times = Float64Array.from(rows, (_, i) => at + (i - from) * STEP_MS);
  return { times, demand: demandTrace({ times, values: rows }) };
}

function objectsOf({ name, demand, perReplica }: SqueezedDemand & { readonly demand: DemandTrace }) {
  const replicas = Math.ceil(demand.at(Date.now()) / perReplica / HPA_TARGET);
  return ARMS.flatMap((arm) => {
    const own = `${name}-${arm}`;
    // As the controller has it by default, in squeezed time: twice or four more a sync, and a window of five minutes.
    const pace = Math.ceil(SYNC_MS / 1000);
    const doubling = { type: 'Percent', value: 100, periodSeconds: pace };
    const behavior = {
      scaleUp: { stabilizationWindowSeconds: 0, policies: [doubling, { type: 'Pods', value: 4, periodSeconds: pace }] },
      scaleDown: { stabilizationWindowSeconds: 300 / SPEED, policies: [doubling] },
    };
    const averageValue = `${Math.round(1000 * HPA_TARGET * perReplica)}m`;
    const metric = { name: 'demand', selector: { matchLabels: { demand: name } } };
    const metrics = [{ type: 'External', external: { metric, target: { type: 'AverageValue', averageValue } } }];
    const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: own };
    return [
      deployment(own, { replicas }),
      {
        apiVersion: 'autoscaling/v2',
        kind: 'HorizontalPodAutoscaler',
        metadata: { name: own, namespace: 'shop' },
        spec: { scaleTargetRef, minReplicas: 1, maxReplicas: MAX_REPLICAS, metrics, behavior },
      },
    ];
  });
}

/** The defaults in squeezed time: durations are a sixth, rates per minute six times what they would be. */
function squeezedPolicy({ name, perReplica, seasons }: SqueezedDemand) {
  return policy(`${name}-foresail`, {
    mode: 'enforce',
    target: { name: `${name}-foresail` },
    demand: {
      query: `demand{demand="${name}"}`,
      step: `${STEP_MS / 1000}s`,
      history: `${(28 * 24) / SPEED}h`,
      capacity: { perReplica },
    },
    replicas: { min: 1, max: MAX_REPLICAS },
    forecast: { horizon: `${120 / SPEED}m`, seasons },
    safety: { minHistory: `${48 / SPEED}h`, maxForecastAge: `${(15 * 60) / SPEED}s` },
    ramp: { maxUpPerMinute: `${100 * SPEED}%`, maxDownPerMinute: '100%', holdDown: `${180 / SPEED}s` },
  });
}

/** What monitoring had seen by now: each row under the time at which it was known. */
async function importPast(
  program: RunningProgram,
  folder: string,
  name: string,
  times: Float64Array,
  rows: Float64Array,
): Promise<void> {
  const csv = join(folder, `${name}.csv`);
  const text = Array.from(times, (time, i) => `${(time + LAG_MS) / 1000},${rows[i]}`);
  await writeFile(csv, `timestamp,value\n${text.join('\n')}\n`);
  const words = ['import', 'csv', '--input', csv, '--metric', 'demand', '--label', `demand=${name}`];
  await promisify(execFile)(process.execPath, [resolve('dist/main.js'), ...words, '--url', program.url]);
}

async function sendLive(
  program: RunningProgram,
  name: string,
  times: Float64Array,
  rows: Float64Array,
  first: number,
  signal: AbortSignal,
): Promise<void> {
  for (let i = first; i < rows.length && !signal.aborted; i++) {
    const at = times[i]! + LAG_MS;
    await delay(Math.max(0, at - Date.now()), undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    const labels = labelsOf({ __name__: 'demand', demand: name });
    const body = encodeSnappy(encodeWriteRequest([{ labels, times: [at], values: Float64Array.of(rows[i]!) }]));
    const headers = { 'content-encoding': 'snappy', 'content-type': 'application/x-protobuf' };
    await fetch(`${program.url}/api/v1/write`, { method: 'POST', headers, body }).catch(() => {});
  }
}

async function isTrusted(program: RunningProgram, name: string): Promise<boolean> {
  const answer = (await requestPolicy(program.url, 'GET', `${name}/decisions`)) as {
    readonly data: readonly { readonly reasons: readonly { readonly code: string }[] }[];
  };
  return answer.data[0]?.reasons.some(({ code }) => code === 'ForecastPeak') ?? false;
}

async function readAll(api: KubeApi): Promise<ReadonlyMap<string, Reading>> {
  const [deployments, hpas] = await Promise.all([
    list<RawDeployment>(api, '/apis/apps/v1/namespaces/shop/deployments'),
    list<RawHpa>(api, '/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers'),
  ]);
  const at = Date.now();
  const floors = new Map(hpas.map(({ metadata, spec }) => [metadata.name, spec.minReplicas]));
  return new Map(
    deployments.map(({ metadata: { name }, spec, status }) => {
      const { replicas: pods = 0, readyReplicas: ready = 0 } = status ?? {};
      return [name, { at, ready, pods, replicas: spec.replicas, floor: floors.get(name) ?? 1 }] as const;
    }),
  );
}

async function list<T>(api: KubeApi, path: string): Promise<readonly T[]> {
  const { status, body } = await api.request({ method: 'GET', path });
  if (status !== 200) throw new Error(`cannot list ${path}: ${status}`);
  return (body as { readonly items: readonly T[] }).items;
}

interface RawDeployment {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly replicas: number };
  readonly status?: { readonly replicas?: number; readonly readyReplicas?: number };
}

interface RawHpa {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly minReplicas: number };
}
