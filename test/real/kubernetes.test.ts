import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openKubeCluster } from '../../src/kube/cluster.ts';
import { labelsOf } from '../../src/model/labels.ts';
import type { Cluster, TargetState } from '../../src/scaling/cluster.ts';
import {
  type ControlPlane,
  findControlPlane,
  NO_CONTROL_PLANE,
  startControlPlane,
  waitFor,
} from '../../src/testing/control-plane.ts';
import { encodeWriteRequest } from '../../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../../src/wire/snappy.ts';
import { type RunningProgram, startProgram } from '../program.ts';
import { deployment, hpa, policy, requestPolicy } from './shop-objects.ts';

const assets = await findControlPlane();
const TRACE = resolve('../shared/data/crane-k8s/crane_input11_1min.csv.gz');
const missing =
  assets === undefined
    ? NO_CONTROL_PLANE
    : existsSync(TRACE)
      ? undefined
      : 'there are no traces: the folder ../shared/data/crane-k8s is missing';

/** Time is squeezed twelve-fold: a row of one minute becomes 5 seconds, a day 2 hours. */
const STEP_MS = 5_000;
/** Rows before the steep rise at which "now" is: three minutes of squeezed time. */
const ROWS_BEFORE_RISE = 36;
/** Demand that one replica carries: some twenty replicas at the peak. */
const PER_REPLICA = 0.6;

/** The real program against a real control plane, on a real workload's demand. */
describe('enforce, observe and release on Kubernetes', () => {
  let plane: ControlPlane;
  let cluster: Cluster & AsyncDisposable;
  let program: RunningProgram;
  let folder: string | undefined;
  const stop = new AbortController();
  const demand = readDemand();
  const cut = steepestRise(demand) - ROWS_BEFORE_RISE;
  const cutAt = Math.floor(Date.now() / STEP_MS) * STEP_MS;
  const background: Promise<void>[] = [];
  /** The HPA `web` as it was seen, twice a second. */
  const seen: { readonly at: number; readonly state: TargetState }[] = [];

  beforeEach(({ skip }) => {
    if (missing !== undefined) skip(missing);
  });
  beforeAll(async () => {
    if (missing !== undefined) return;
    folder = await mkdtemp(join(tmpdir(), 'foresail-kubernetes-'));
    plane = await startControlPlane(assets!, { controllers: true });
    cluster = await openKubeCluster({ kubeconfig: plane.kubeconfig });
    await plane.kubectl(['create', 'namespace', 'shop']);
    for (const name of ['web', 'watched', 'applied', 'kept']) await apply(name, 2);
    const config = join(folder, 'foresail.yaml');
    await writeFile(config, `kubernetes: {kubeconfig: ${plane.kubeconfig}}\nloops: {scale: 1s}\n`);
    program = await startProgram(['--config', config]);

    const csv = join(folder, 'demand.csv');
    const rows = demand.slice(0, cut).map((value, i) => `${(cutAt - (cut - 1 - i) * STEP_MS) / 1000},${value}`);
    await writeFile(csv, `timestamp,value\n${rows.join('\n')}\n`);
    const words = ['import', 'csv', '--input', csv, '--metric', 'demand', '--label', 'app=web', '--url', program.url];
    await promisify(execFile)(process.execPath, [resolve('dist/main.js'), ...words]);

    background.push(sendLive(), watchWeb());
    await put('web', { mode: 'enforce' });
    await put('watched', { mode: 'observe' });
    await put('applied', { mode: 'enforce', replicas: { min: 6, max: 40 } });
    await put('kept', { mode: 'enforce', takeOver: 'never', replicas: { min: 6, max: 40 } });
  });
  afterAll(async () => {
    stop.abort();
    await Promise.all(background);
    await program?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
    await plane?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  test('an HPA from kubectl apply is taken over with its earlier value kept, and given up when it is set back twice', async () => {
    await waitFor('the take-over', async () => (await read('applied')).min >= 6);
    expect(await read('applied')).toMatchObject({
      minManagers: ['foresail'],
      maxManagers: ['kubectl-client-side-apply'],
      ownership: { policy: 'shop/applied', original: { min: 2, max: 40 }, takenFrom: ['kubectl-client-side-apply'] },
    });

    await apply('applied', 3);
    await waitFor('the second take-over', async () => (await read('applied')).min >= 6);
    expect((await read('applied')).ownership).toMatchObject({ original: { min: 3, max: 40 }, givenUp: null });

    await apply('applied', 3);
    await waitFor('giving up', async () => (await read('applied')).ownership?.givenUp !== null);
    await delay(5_000);
    expect(await read('applied')).toMatchObject({
      min: 3,
      minManagers: ['kubectl-client-side-apply'],
      ownership: { givenUp: { manager: 'kubectl-client-side-apply' } },
    });
    expect(JSON.stringify(await decisions('applied'))).toContain('kubectl-client-side-apply set minReplicas back');
    const described = await plane.kubectl(['-n', 'shop', 'describe', 'hpa', 'applied']);
    expect(described).toMatch(/TookOver .*kubectl-client-side-apply/);
    expect(described).toMatch(/Warning +GivenUp .*kubectl-client-side-apply/);
  });

  test('takeOver: never leaves an HPA alone from the start, and says who holds it', async () => {
    await waitFor('a decision', async () => (await decisions('kept')).length > 0);
    expect(await read('kept')).toMatchObject({
      min: 2,
      minManagers: ['kubectl-client-side-apply'],
      ownership: null,
    });
    expect(JSON.stringify(await decisions('kept'))).toContain(
      'kubectl-client-side-apply holds minReplicas, and the policy says takeOver: never',
    );
  });

  test('enforce raises minReplicas before the ramp, and the controller scales the Deployment because of it', async ({
    annotate,
  }) => {
    const last = cut + ROWS_BEFORE_RISE + 12;
    const half = Math.max(...demand.slice(cut, last)) / 2;
    const ramp = demand.findIndex((value, i) => i >= cut && value >= half);
    const rampAt = cutAt + (ramp - cut + 1) * STEP_MS;
    const replicas = Math.ceil(half / PER_REPLICA);
    await waitFor('the ramp to pass', async () => Date.now() > rampAt + 30_000, 10 * 60_000);

    const raised = seen.find(({ state }) => state.min >= replicas);
    const scaled = seen.find(({ state }) => state.specReplicas >= replicas);
    const lead = (at: number | undefined) => `${((rampAt - (at ?? Number.NaN)) / 1000).toFixed(1)} s before the ramp`;
    await annotate(`minReplicas ${replicas}: ${lead(raised?.at)}; Deployment: ${lead(scaled?.at)}`);
    expect(raised?.at).toBeLessThan(rampAt);
    expect(scaled?.at).toBeLessThan(rampAt);
    expect(raised?.state.minManagers).toEqual(['foresail']);
    expect(raised?.state.max).toBe(40);
    // Nothing but the floor moves it: the HPA's own metric is unknown all the time.
    expect(await plane.kubectl(['-n', 'shop', 'get', 'hpa', 'web'])).toContain('<unknown>');
  });

  test('observe plans the same and writes nothing', async () => {
    expect(await read('watched')).toMatchObject({
      min: 2,
      max: 40,
      specReplicas: 2,
      minManagers: ['kubectl-client-side-apply'],
      ownership: null,
    });
    const planned = (await decisions('watched')).map(({ bounds }) => bounds.min);
    expect(Math.max(...planned)).toBeGreaterThanOrEqual(10);
  });

  test('the original bounds are back after the policy is deleted, with nothing of Foresail left', async () => {
    expect((await read('web')).min).toBeGreaterThan(2);
    await requestPolicy(program.url, 'DELETE', 'web');
    await waitFor('the release', async () => (await read('web')).ownership === null, 5 * 60_000);
    expect(await read('web')).toMatchObject({ min: 2, max: 40, minManagers: ['kubectl-client-side-apply'] });
    const object = await plane.kubectl(['-n', 'shop', 'get', 'hpa', 'web', '-o', 'json', '--show-managed-fields']);
    expect(object).not.toContain('foresail');
  });

  test('stopping the program changes nothing', async () => {
    const before = await read('applied');
    process.kill(program.pid, 'SIGTERM');
    await waitFor('the program to end', async () => !program.alive());
    expect(await read('applied')).toMatchObject({ min: before.min, ownership: before.ownership });
  });

  async function read(name: string): Promise<TargetState> {
    const state = await cluster.read({ kind: 'HorizontalPodAutoscaler', namespace: 'shop', name });
    if (state.kind === 'missing') throw new Error(state.message);
    return state;
  }

  function apply(name: string, min: number) {
    return plane.kubectl(['apply', '-f', '-'], {
      apiVersion: 'v1',
      kind: 'List',
      items: [deployment(name), hpa(name, { min, max: 40 })],
    });
  }

  function put(name: string, how: object) {
    return requestPolicy(program.url, 'PUT', name, squeezedPolicy(name, how));
  }

  async function decisions(name: string): Promise<readonly { readonly bounds: { readonly min: number } }[]> {
    const answer = (await requestPolicy(program.url, 'GET', `${name}/decisions`)) as {
      data: { bounds: { min: number } }[];
    };
    return answer.data;
  }

  /** Sends each row of the rest when its time has come. */
  async function sendLive(): Promise<void> {
    for (let i = cut; i < demand.length && !stop.signal.aborted; i++) {
      const at = cutAt + (i - cut + 1) * STEP_MS;
      await delay(Math.max(0, at - Date.now()), undefined, { signal: stop.signal }).catch(() => {});
      if (stop.signal.aborted) return;
      const labels = labelsOf({ __name__: 'demand', app: 'web' });
      const body = encodeSnappy(encodeWriteRequest([{ labels, times: [at], values: Float64Array.of(demand[i]!) }]));
      const headers = { 'content-encoding': 'snappy', 'content-type': 'application/x-protobuf' };
      await fetch(`${program.url}/api/v1/write`, { method: 'POST', headers, body }).catch(() => {});
    }
  }

  async function watchWeb(): Promise<void> {
    while (!stop.signal.aborted) {
      seen.push({ at: Date.now(), state: await read('web') });
      await delay(500, undefined, { signal: stop.signal }).catch(() => {});
    }
  }
});

function readDemand(): readonly number[] {
  if (!existsSync(TRACE)) return [];
  const [, ...rows] = gunzipSync(readFileSync(TRACE)).toString('utf8').trim().split('\n');
  return rows.map((row) => Number(row.split(',')[1]));
}

/** The row within the last three days where ten rows are the most above the ten before them. */
function steepestRise(values: readonly number[]): number {
  const mean = (from: number) => values.slice(from, from + 10).reduce((sum, value) => sum + value, 0) / 10;
  let best = { row: 0, rise: 0 };
  for (let row = Math.max(10, values.length - 3 * 1440); row < values.length - 360; row++) {
    const rise = mean(row) - mean(row - 10);
    if (rise > best.rise) best = { row, rise };
  }
  return best.row;
}

/** A policy in squeezed time: durations are a twelfth, rates per minute twelve times what they would be. */
function squeezedPolicy(name: string, how: object) {
  return policy(name, {
    target: { name },
    demand: {
      name: 'web_demand',
      query: 'sum(demand{app="web"})',
      step: '5s',
      history: '32h',
      capacity: { perReplica: PER_REPLICA },
    },
    leadTime: '1m',
    replicas: { min: 1, max: 40 },
    forecast: { quantile: 0.9, horizon: '10m', seasons: ['2h', '14h'] },
    safety: { minHistory: '4h' },
    ramp: { maxUpPerMinute: '600%', maxDownPerMinute: '90%', holdDown: '50s' },
    ...how,
  });
}
