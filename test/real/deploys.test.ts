import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
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
import { atOnce, deployment, hpa, policy } from './shop-objects.ts';

/** Another image of a Deployment on a real control plane, and errors that rise after it: what people are told of both. */

const assets = await findControlPlane();
const HISTORY_S = 600;
const SETTINGS = `
loops: {scale: 1s}
anomalies:
  watches:
    - {name: errors, query: shop_errors, step: 1s, history: 10m, endAfter: 300}
`;

let folder: string;
let plane: ControlPlane;
let program: RunningProgram;

beforeEach(({ skip }) => {
  if (assets === undefined) skip(NO_CONTROL_PLANE);
});
beforeAll(async () => {
  if (assets === undefined) return;
  folder = mkdtempSync(join(tmpdir(), 'foresail-deploys-'));
  plane = await startControlPlane(assets, { controllers: ['deployment', 'replicaset'] });
  await plane.kubectl(['create', 'namespace', 'shop']);
  const config = join(folder, 'foresail.yaml');
  writeFileSync(config, `kubernetes: {kubeconfig: ${plane.kubeconfig}}\n${SETTINGS}`);
  program = await startProgram(['--config', config]);
});
afterAll(async () => {
  await program?.[Symbol.asyncDispose]();
  await plane?.[Symbol.asyncDispose]();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

async function write(seconds: readonly number[], factor = 1): Promise<void> {
  const metric = { __name__: 'shop_errors', namespace: 'shop', deployment: 'web' };
  const series = {
    labels: Object.entries(metric).sort(([a], [b]) => (a < b ? -1 : 1)),
    times: seconds.map((second) => second * 1000),
    values: Float64Array.from(seconds, (second) => factor * (100 + 10 * Math.sin(second / 7) + Math.sin(second * 13))),
  };
  const body = new Uint8Array(encodeSnappy(encodeWriteRequest([series])));
  const answer = await fetch(`${program.url}/api/v1/write`, { method: 'POST', body });
  expect(answer.status).toBe(204);
}

async function ask<T>(path: string): Promise<T> {
  const answer = await fetch(`${program.url}${path}`);
  expect(answer.status, path).toBe(200);
  return ((await answer.json()) as { data: T }).data;
}

interface Row {
  readonly id: string;
  readonly startedAt: number;
  readonly group: {
    readonly deploys: readonly { readonly workload: string; readonly images: readonly string[] }[];
    readonly order: readonly { readonly kind: string; readonly name: string; readonly startedAt: number }[];
  } | null;
}

test('a deploy stands before what moved after it, and the alert tells of it', async () => {
  const items = [deployment('web', { replicas: 3 }), hpa('web', { min: 2, max: 20 })];
  await plane.kubectl(['apply', '-f', '-'], { apiVersion: 'v1', kind: 'List', items });
  const put = await fetch(`${program.url}/api/v1/policies/shop/web`, {
    method: 'PUT',
    body: JSON.stringify(policy('web', { target: { name: 'web' }, ...atOnce(2), mode: 'observe' })),
  });
  expect(put.ok, await put.clone().text()).toBe(true);
  const now = () => Math.floor(Date.now() / 1000);
  await write(Array.from({ length: HISTORY_S }, (_, i) => now() - HISTORY_S + i));
  let [factor, last, isOver] = [1, now(), false];
  const sending = (async () => {
    while (!isOver) {
      await delay(200);
      const second = now();
      if (second > last) await write([second], factor);
      last = second;
    }
  })();
  try {
    await waitFor('the watch has learnt', async () => {
      return (await ask<readonly { name: string; state: string }[]>('/api/v1/watches')).some(
        ({ name, state }) => name === 'errors' && state === 'ready',
      );
    });
    // What runs is looked at before, so that what comes is seen to be another.
    await delay(12_000);
    const deployedAt = now();
    await plane.kubectl(['-n', 'shop', 'set', 'image', 'deployment/web', 'main=example.com/main:2']);
    await delay(5_000);
    factor = 50;
    const found = await waitForValue(async () => {
      const [anomaly] = await ask<readonly Row[]>('/api/v1/anomalies?watch=errors');
      if (anomaly === undefined) return undefined;
      const record = await ask<Row>(`/api/v1/anomalies/${anomaly.id}`);
      return record.group?.deploys.length === 1 ? record : undefined;
    });
    expect(found.group!.deploys[0]).toMatchObject({ workload: 'web', images: ['example.com/main:2'] });
    expect(found.group!.order.map(({ kind }) => kind)).toEqual(['deploy', 'anomaly']);
    expect(found.group!.order[0]!.name).toBe('shop/web');
    expect(Math.abs(found.group!.order[0]!.startedAt - deployedAt)).toBeLessThan(60);
    expect(found.group!.order[0]!.startedAt).toBeLessThanOrEqual(found.startedAt);
    const text = await waitForValue(async () => {
      const answer = await fetch(`${program.url}/api/v2/alerts`);
      const all = (await answer.json()) as {
        readonly labels: Readonly<Record<string, string>>;
        readonly annotations: Readonly<Record<string, string>>;
      }[];
      const alert = all.find(({ labels }) => labels['alertname'] === 'ForesailAnomaly');
      return alert?.annotations['deploys'];
    });
    expect(text).toMatch(/^shop\/web was deployed at .* before \(revision [0-9a-z]+, example\.com\/main:2\)$/);
  } finally {
    isOver = true;
    await sending;
  }
});

async function waitForValue<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (const end = Date.now() + 120_000; Date.now() < end; await delay(500)) {
    const found = await look();
    if (found !== undefined) return found;
  }
  const rows = await ask<readonly Row[]>('/api/v1/anomalies');
  const records = await Promise.all(rows.map(({ id }) => ask<Row>(`/api/v1/anomalies/${id}`)));
  const pods = await plane.kubectl(['-n', 'shop', 'get', 'pods', '-o', 'wide', '--show-labels']);
  throw new Error(
    `what was waited for did not come:\n${program.output()}\n${JSON.stringify(records, null, 1)}\n${pods}`,
  );
}
