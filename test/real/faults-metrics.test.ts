import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { labelsOf } from '../../src/model/labels.ts';
import { MINUTE, SECOND } from '../../src/model/time.ts';
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
import { auditedWrites, auditFlags } from './replica-plane.ts';
import { deployment, hpa, policy, requestPolicy } from './shop-objects.ts';

const assets = await findControlPlane();
const STEP_MS = 5 * SECOND;
const ROWS = 3000;
/** A demotion holds the floor for ten minutes, however short the policy's own hold is. */
const HOLD_MS = 10 * MINUTE;
/** Then the ramp's first step: a floor of sixteen falls by one in the first minute. */
const RELEASE_MS = HOLD_MS + 5 * MINUTE;

interface Decision {
  readonly at: number;
  readonly bounds: { readonly min: number };
  readonly reasons: readonly { readonly code: string; readonly text: string }[];
}

/** The real program has raised a floor on a real API server when the metrics stop coming. */
describe('an outage of the metrics', () => {
  let plane: ControlPlane;
  let program: RunningProgram;
  let folder: string;
  let timer: NodeJS.Timeout | undefined;

  beforeEach(({ skip }) => {
    if (assets === undefined) skip(NO_CONTROL_PLANE);
  });
  beforeAll(async () => {
    if (assets === undefined) return;
    folder = await mkdtemp(join(tmpdir(), 'foresail-outage-'));
    plane = await startControlPlane(assets, { flags: { 'kube-apiserver': await auditFlags(folder) } });
    await plane.kubectl(['create', 'namespace', 'shop']);
    const items = [deployment('web', { replicas: 2 }), hpa('web', { min: 2, max: 40 })];
    await plane.kubectl(['apply', '-f', '-'], { apiVersion: 'v1', kind: 'List', items });
    const settings = join(folder, 'foresail.yaml');
    const lines = [
      `kubernetes: {kubeconfig: ${plane.kubeconfig}}`,
      'customResources: off',
      'loops: {scale: 1s}',
      'training: {every: off}',
    ];
    await writeFile(settings, `${lines.join('\n')}\n`);
    program = await startProgram(['--config', settings]);
    await importPast();
    timer = setInterval(() => void send(), SECOND);
    await requestPolicy(program.url, 'PUT', 'web', shortPolicy());
    await waitFor('a raised floor', async () => (await latest())?.reasons.some(isPeak) ?? false, 600_000);
    await waitFor('the floor to be written', async () => (await floorOf()) >= 15);
  });
  afterAll(async () => {
    clearInterval(timer);
    await program?.[Symbol.asyncDispose]();
    await plane?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  test('the raised floor holds and is then released slowly, its reason says so, and it recovers by itself', async () => {
    clearInterval(timer);
    const stopped = Date.now();
    await waitFor('the forecast to be too old', async () => (await latest())?.reasons[0]?.code === 'Demoted');
    const demoted = (await decisions()).findLast(({ at, reasons }) => at >= stopped && reasons[0]?.code === 'Demoted')!;
    expect(demoted.reasons[0]!.text).toMatch(
      /^the forecast of foresail_demand is \S+ old, and \S+ is the limit; the reactive autoscaler decides, over a floor of \d+ that is held and then released slowly$/,
    );
    const raised = demoted.bounds.min;
    expect(raised).toBeGreaterThanOrEqual(15);
    await waitFor('the slow release', async () => (await floorOf()) < raised, RELEASE_MS);

    // From then until the hold was over, nothing moved the floor.
    const held = (await decisions()).filter(({ at }) => at >= demoted.at && at < demoted.at + HOLD_MS);
    expect(new Set(held.map(({ bounds }) => bounds.min))).toEqual(new Set([raised]));
    const fallen = (await auditedWrites(folder)).filter(({ at, status, min }) => {
      return at >= demoted.at && status === 200 && min !== undefined;
    });
    expect(fallen[0]!.at).toBeGreaterThanOrEqual(demoted.at + HOLD_MS);
    // No step of the way down is more than the ramp's tenth a minute.
    expect(fallen[0]!.min).toBeGreaterThanOrEqual(Math.floor(raised * 0.9));

    timer = setInterval(() => void send(), SECOND);
    await waitFor('the forecast to be trusted again', async () => (await latest())!.reasons.some(isPeak), 600_000);
    await waitFor('the floor to be back', async () => (await floorOf()) >= 15);
    const codes = (await decisions()).flatMap(({ reasons }) => reasons.map(({ code }) => code));
    expect(codes).toContain('ForecastTrusted');
  });

  const isPeak = ({ code }: { readonly code: string }) => code === 'ForecastPeak';

  async function floorOf(): Promise<number> {
    return Number(await plane.kubectl(['-n', 'shop', 'get', 'hpa', 'web', '-o', 'jsonpath={.spec.minReplicas}']));
  }

  /** The newest first. */
  async function decisions(): Promise<readonly Decision[]> {
    const answer = (await requestPolicy(program.url, 'GET', 'web/decisions?limit=1000')) as { data: Decision[] };
    return answer.data.map((decision) => ({ ...decision, at: decision.at * SECOND }));
  }

  async function latest(): Promise<Decision | undefined> {
    return (await decisions())[0];
  }

  async function send(): Promise<void> {
    const labels = labelsOf({ __name__: 'demand', app: 'web' });
    const at = Date.now();
    const body = encodeSnappy(encodeWriteRequest([{ labels, times: [at], values: Float64Array.of(demandAt(at)) }]));
    const headers = { 'content-encoding': 'snappy', 'content-type': 'application/x-protobuf' };
    await fetch(`${program.url}/api/v1/write`, { method: 'POST', headers, body }).catch(() => {});
  }

  async function importPast(): Promise<void> {
    const end = Math.floor(Date.now() / STEP_MS) * STEP_MS;
    const rows = Array.from({ length: ROWS }, (_, i) => {
      const at = end - (ROWS - 1 - i) * STEP_MS;
      return `${at / SECOND},${demandAt(at)}`;
    });
    const csv = join(folder, 'demand.csv');
    await writeFile(csv, `timestamp,value\n${rows.join('\n')}\n`);
    const words = ['import', 'csv', '--input', csv, '--metric', 'demand', '--label', 'app=web', '--url', program.url];
    await promisify(execFile)(process.execPath, [resolve('dist/main.js'), ...words]);
  }
});

/** Gentle waves about what sixteen replicas carry. */
function demandAt(at: number): number {
  return 160 + 8 * Math.sin(at / 40_000) + 3 * Math.sin(at / 7_000);
}

/** In the query a sample counts for ten seconds, not for five minutes: an outage shows as soon. */
function shortPolicy() {
  return policy('web', {
    mode: 'enforce',
    target: { name: 'web' },
    demand: {
      query: 'sum(last_over_time(demand{app="web"}[10s]))',
      step: '5s',
      history: '4h',
      capacity: { perReplica: 10 },
    },
    leadTime: '20s',
    replicas: { min: 1, max: 40 },
    forecast: { horizon: '5m', seasons: [] },
    safety: { minHistory: '1h', maxForecastAge: '30s', maxErrorVsNaive: 10 },
    ramp: { maxUpPerMinute: '1000%', maxDownPerMinute: '10%', holdDown: '60s' },
  });
}
