/**
 * From a sample received to bounds patched, on a real API server.
 *
 *   npm run build && npx tsx bench/sample-to-patch.ts [POLICIES [RAISES EACH [JSON FILE]]]
 *
 * The built program with its default settings. Each policy has a forecast that is trusted and says 3 replicas; at a
 * random moment one sample says that the demand needs 9, and the time is taken from the beginning of its remote write
 * until a watch of the API server shows the HPA's new minimum; then back, and again. Wall time: the load of the machine
 * is printed beside it. Needs the programs that KUBEBUILDER_ASSETS names.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type KubeApi, openKubeApi } from '../src/kube/api.ts';
import { inParallel } from '../src/loops/in-parallel.ts';
import { labelsOf } from '../src/model/labels.ts';
import { HOUR, SECOND } from '../src/model/time.ts';
import { findControlPlane, NO_CONTROL_PLANE, startControlPlane, waitFor } from '../src/testing/control-plane.ts';
import { encodeWriteRequest } from '../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../src/wire/snappy.ts';
import { type RunningProgram, startProgram } from '../test/program.ts';
import { deployment, hpa, policy, requestPolicy } from '../test/real/shop-objects.ts';

const POLICIES = Number(process.argv[2] ?? 40);
const RAISES = Number(process.argv[3] ?? 10);
const JSON_FILE = process.argv[4];
/** The default of `loops.scale`, and the target of this figure. */
const INTERVAL_MS = 15 * SECOND;
/** So long that no forecast is made meanwhile: what moves the floor is the present demand. */
const STEP_MS = 6 * HOUR;
const HISTORY_STEPS = 50;
const [LOW, HIGH] = [26, 80];
const LATEST_MS = 120 * SECOND;

const names = Array.from({ length: POLICIES }, (_, i) => `app-${i}`);
const URL_PATH = '/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers';

const assets = await findControlPlane();
if (assets === undefined) {
  console.error(NO_CONTROL_PLANE);
  process.exitCode = 2;
} else await run(assets);

async function run(folder: string): Promise<void> {
  const own = await mkdtemp(join(tmpdir(), 'foresail-sample-to-patch-'));
  try {
    await using plane = await startControlPlane(folder);
    await using api = await openKubeApi({ kubeconfig: plane.kubeconfig });
    await plane.kubectl(['create', 'namespace', 'shop']);
    const items = names.flatMap((name) => [deployment(name, { replicas: 2 }), hpa(name, { min: 2, max: 40 })]);
    await plane.kubectl(['create', '-f', '-'], { apiVersion: 'v1', kind: 'List', items });
    const settings = join(own, 'foresail.yaml');
    await writeFile(settings, `kubernetes: {kubeconfig: ${plane.kubeconfig}}\ncustomResources: off\n`);
    await using program = await startProgram(['--config', settings]);
    await importPast(program, own);
    const stop = new AbortController();
    const seen = watchFloors(api, stop.signal);
    try {
      await inParallel(names, 8, async (name) => {
        await send(program, name, LOW);
        await requestPolicy(program.url, 'PUT', name, steady(name));
      });
      await waitFor('every policy to have its forecast', async () => names.every((name) => seen.floor(name) === 3));
      console.error(`${POLICIES} policies have their floor; ${RAISES} raises each`);
      const began = performance.now();
      const taken = (await Promise.all(names.map((name) => raises(program, name, seen)))).flat();
      await report(taken, (performance.now() - began) / SECOND);
    } finally {
      stop.abort();
      await seen.ended;
    }
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}

/** Milliseconds of each raise; Infinity where none came. */
async function raises(program: RunningProgram, name: string, seen: Floors): Promise<readonly number[]> {
  const taken: number[] = [];
  for (let i = 0; i < RAISES; i++) {
    await delay(Math.random() * INTERVAL_MS);
    const began = performance.now();
    await send(program, name, HIGH);
    taken.push((await seen.reaches(name, (floor) => floor >= 9)) - began);
    await delay(Math.random() * INTERVAL_MS);
    await send(program, name, LOW);
    await seen.reaches(name, (floor) => floor === 3);
  }
  return taken;
}

async function report(taken: readonly number[], seconds: number): Promise<void> {
  const sorted = [...taken].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]! / SECOND;
  const figures = { count: taken.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), largest: at(1) };
  const [load] = loadavg();
  console.log(
    `sample received to bounds patched, ${POLICIES} policies, ${taken.length} raises in ${seconds.toFixed(0)} s: ` +
      `p50 ${figures.p50.toFixed(2)}, p95 ${figures.p95.toFixed(2)}, p99 ${figures.p99.toFixed(2)}, ` +
      `largest ${figures.largest.toFixed(2)} s; an interval is ${INTERVAL_MS / SECOND} s; load ${load!.toFixed(1)}`,
  );
  if (JSON_FILE !== undefined) await writeFile(JSON_FILE, JSON.stringify({ figures, taken }));
}

interface Floors {
  floor(name: string): number | undefined;
  /** When the watch first showed a floor like that from now on; Infinity where it has not for two minutes. */
  reaches(name: string, like: (floor: number) => boolean): Promise<number>;
  readonly ended: Promise<void>;
}

/** The minima of all HPAs as a watch shows them. */
function watchFloors(api: KubeApi, signal: AbortSignal): Floors {
  const floors = new Map<string, number>();
  const waiting = new Set<(name: string, floor: number, at: number) => void>();
  async function watch(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = '';
    const query = { watch: '1', timeoutSeconds: '3600' };
    const { parts } = await api.stream({ method: 'GET', path: URL_PATH, query }, signal);
    for await (const part of parts) {
      const at = performance.now();
      const lines = (rest + decoder.decode(part, { stream: true })).split('\n');
      rest = lines.pop()!;
      for (const line of lines) {
        const { object } = JSON.parse(line) as WatchEvent;
        const { name } = object.metadata;
        floors.set(name, object.spec.minReplicas);
        for (const heard of waiting) heard(name, object.spec.minReplicas, at);
      }
    }
  }
  return {
    floor: (name) => floors.get(name),
    reaches: (name, like) =>
      new Promise((done) => {
        const settle = (at: number) => {
          clearTimeout(timer);
          waiting.delete(heard);
          done(at);
        };
        const heard = (of: string, floor: number, at: number) => void (of === name && like(floor) && settle(at));
        const timer = setTimeout(() => settle(Number.POSITIVE_INFINITY), LATEST_MS);
        waiting.add(heard);
        if (like(floors.get(name) ?? Number.NaN)) settle(performance.now());
      }),
    ended: watch().catch((error: unknown) => {
      if (!signal.aborted) throw error;
    }),
  };
}

interface WatchEvent {
  readonly object: { readonly metadata: { readonly name: string }; readonly spec: { readonly minReplicas: number } };
}

function steady(name: string): object {
  return policy(name, {
    mode: 'enforce',
    target: { name },
    demand: { query: `demand{app="${name}"}`, step: '6h', history: '12d', capacity: { perReplica: 10 } },
    leadTime: '1m',
    replicas: { min: 3, max: 40 },
    forecast: { horizon: '1d', seasons: [] },
    safety: { minHistory: '1d', maxForecastAge: '7d', maxErrorVsNaive: 100 },
    ramp: { maxUpPerMinute: '1000%', maxDownPerMinute: '100%', holdDown: '0s' },
  });
}

/** A past of a demand that three replicas carry. */
async function importPast(program: RunningProgram, folder: string): Promise<void> {
  const end = Math.floor(Date.now() / STEP_MS) * STEP_MS;
  await inParallel(names, 2, async (name) => {
    const rows = Array.from({ length: HISTORY_STEPS }, (_, i) => {
      return `${(end - (HISTORY_STEPS - 1 - i) * STEP_MS) / SECOND},${LOW - 1 + (i % 7) / 7}`;
    });
    const csv = join(folder, `${name}.csv`);
    await writeFile(csv, `timestamp,value\n${rows.join('\n')}\n`);
    const words = ['import', 'csv', '--input', csv, '--metric', 'demand', '--label', `app=${name}`];
    await promisify(execFile)(process.execPath, [resolve('dist/main.js'), ...words, '--url', program.url]);
  });
}

async function send(program: RunningProgram, app: string, value: number): Promise<void> {
  const labels = labelsOf({ __name__: 'demand', app });
  const series = { labels, times: [Date.now()], values: Float64Array.of(value) };
  const body = encodeSnappy(encodeWriteRequest([series])) as Uint8Array<ArrayBuffer>;
  const headers = { 'content-encoding': 'snappy', 'content-type': 'application/x-protobuf' };
  const answer = await fetch(`${program.url}/api/v1/write`, { method: 'POST', headers, body });
  if (!answer.ok) throw new Error(`the program refused a sample: ${answer.status} ${await answer.text()}`);
}
