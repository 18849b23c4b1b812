import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type ControlPlane,
  findControlPlane,
  NO_CONTROL_PLANE,
  startControlPlane,
  waitFor,
} from '../../src/testing/control-plane.ts';
import { type Fault, type FaultProxy, startFaultProxy } from '../../src/testing/fault-proxy.ts';
import { type RunningProgram, startProgram } from '../program.ts';
import { auditedWrites, auditFlags, FORESAIL_ROLE, kubeconfigOf } from './replica-plane.ts';
import { atOnce, deployment, hpa, policy } from './shop-objects.ts';

const assets = await findControlPlane();
const missing = assets === undefined ? NO_CONTROL_PLANE : undefined;
const TARGETS = ['web-0', 'web-1', 'web-2'];

/** `writes`: only writes meet the fault. Undefined: reads, writes and renewals of the lease do. */
const FAULTS: readonly {
  readonly name: string;
  readonly fault: Fault;
  readonly writes?: true;
  readonly hits: number;
}[] = [
  { name: '409 to every write', fault: { kind: 'status', status: 409 }, writes: true, hits: 6 },
  {
    name: '429 with Retry-After',
    fault: { kind: 'status', status: 429, headers: { 'retry-after': '3' } },
    hits: 2,
  },
  { name: '500', fault: { kind: 'status', status: 500 }, hits: 10 },
  { name: '503 to every write', fault: { kind: 'status', status: 503 }, writes: true, hits: 3 },
  { name: 'no answer at all', fault: { kind: 'hang' }, hits: 6 },
  { name: 'connections that are dropped', fault: { kind: 'drop', when: 'before' }, hits: 10 },
  { name: 'a token that has expired', fault: { kind: 'token', token: 'expired' }, hits: 10 },
];

/** The real program shares by leases with itself alone, through a proxy that makes the API server's troubles. */
describe('faults of the Kubernetes API', () => {
  let plane: ControlPlane;
  let proxy: FaultProxy;
  let program: RunningProgram;
  let folder: string;
  let asked = 2;

  beforeEach(({ skip }) => {
    if (missing !== undefined) skip(missing);
  });
  beforeAll(async () => {
    if (missing !== undefined) return;
    folder = await mkdtemp(join(tmpdir(), 'foresail-faults-'));
    plane = await startControlPlane(assets!, { flags: { 'kube-apiserver': await auditFlags(folder) } });
    await plane.kubectl(['create', 'namespace', 'shop']);
    await plane.kubectl(['apply', '-f', '-'], FORESAIL_ROLE);
    await plane.kubectl(['apply', '-f', '-'], {
      apiVersion: 'v1',
      kind: 'List',
      items: TARGETS.flatMap((name) => [deployment(name, { replicas: 2 }), hpa(name, { min: 2, max: 40 })]),
    });
    await mkdir(join(folder, 'policies'));
    const kubeconfig = await kubeconfigOf(plane, folder, 'one');
    const config = JSON.parse(await readFile(kubeconfig, 'utf8'));
    proxy = await startFaultProxy(config.clusters[0].cluster.server);
    config.clusters[0].cluster = { server: proxy.url, 'insecure-skip-tls-verify': true };
    await writeFile(kubeconfig, JSON.stringify(config));
    const settings = join(folder, 'foresail.yaml');
    const lines = [
      `kubernetes: {kubeconfig: ${kubeconfig}}`,
      'policies: [policies]',
      'customResources: off',
      'loops: {scale: 1s}',
      'training: {every: off}',
      'coordination: {kind: lease, namespace: shop, leaseDuration: 6s}',
    ];
    await writeFile(settings, `${lines.join('\n')}\n`);
    await askMore();
    program = await startProgram(['--config', settings]);
    await reached();
  });
  afterAll(async () => {
    plane?.freeze('etcd', false);
    await program?.[Symbol.asyncDispose]();
    await proxy?.[Symbol.asyncDispose]();
    await plane?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  test.each(FAULTS)('$name: nothing moves, and it goes on by itself', async ({ fault, writes, hits }) => {
    const before = await floors();
    proxy.set(fault, writes ? ['PATCH'] : []);
    await askMore();
    await waitFor('the fault to be met', async () => proxy.hits() >= hits);
    expect(await floors()).toEqual(before);
    proxy.set(undefined);
    await reached();
    await nothingUnsafe();
  });

  test('writes whose answers are lost are not made a second time', async () => {
    proxy.set({ kind: 'drop', when: 'after' }, ['PATCH']);
    await askMore();
    await reached();
    proxy.set(undefined);
    await askMore();
    await reached();
    await nothingUnsafe();
  });

  test('an API server that is restarted', async () => {
    await askMore();
    await plane.restartApiServer(3_000);
    await reached();
    await nothingUnsafe();
  });

  test('etcd that stands still for a minute', async () => {
    plane.freeze('etcd', true);
    await askMore();
    await delay(60_000);
    plane.freeze('etcd', false);
    await reached();
    await nothingUnsafe();
  });

  test('an HPA that is deleted and made again is taken over anew, from its own minimum', async () => {
    await plane.kubectl(['-n', 'shop', 'delete', 'hpa', 'web-0']);
    await delay(2_000);
    await plane.kubectl(['apply', '-f', '-'], hpa('web-0', { min: 3, max: 40 }));
    await reached();
    const text = await plane.kubectl(['-n', 'shop', 'get', 'hpa', 'web-0', '-o', 'json']);
    const { annotations } = JSON.parse(text).metadata;
    expect(JSON.parse(annotations['foresail.dev/ownership'])).toMatchObject({ original: { min: 3, max: 40 } });
  });

  test('a Deployment at 0 stays there', async () => {
    await plane.kubectl(['-n', 'shop', 'scale', 'deployment/web-1', '--replicas=0']);
    await askMore();
    await reached(['web-0', 'web-2']);
    const replicas = ['-n', 'shop', 'get', 'deployment', 'web-1', '-o', 'jsonpath={.spec.replicas}'];
    expect(await plane.kubectl(replicas)).toBe('0');
    expect(program.alive()).toBe(true);
  });

  /** The file asks for two more than before. */
  async function askMore(): Promise<void> {
    asked += 2;
    const next = join(folder, 'next');
    await writeFile(
      next,
      TARGETS.map((name) => JSON.stringify(policy(name, { target: { name }, ...atOnce(asked) }))).join('\n---\n'),
    );
    await rename(next, join(folder, 'policies', 'all.yaml'));
  }

  async function floors(names: readonly string[] = TARGETS): Promise<readonly number[]> {
    const all = ['-n', 'shop', 'get', 'hpa', ...names, '-o', 'jsonpath={.items[*].spec.minReplicas}'];
    return (await plane.kubectl(all)).split(' ').map(Number);
  }

  async function reached(names: readonly string[] = TARGETS): Promise<void> {
    await waitFor(`floors at ${asked}`, async () => (await floors(names)).every((floor) => floor === asked));
  }

  /** What was asked for only ever rose, and was written once. */
  async function nothingUnsafe(): Promise<void> {
    const written = await auditedWrites(folder);
    for (const target of TARGETS) {
      const mins = written
        .filter(({ name, status, min }) => name === target && status === 200 && min !== undefined)
        .map(({ min }) => min!);
      expect(mins).toEqual([...new Set(mins)].sort((a, b) => a - b));
    }
  }
});
