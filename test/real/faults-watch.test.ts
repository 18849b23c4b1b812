import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { policyDefinitionFile } from '../../scaling-policies/crd.ts';
import {
  type ControlPlane,
  findControlPlane,
  NO_CONTROL_PLANE,
  startControlPlane,
  waitFor,
} from '../../src/testing/control-plane.ts';
import { type Fault, type FaultProxy, startFaultProxy } from '../../src/testing/fault-proxy.ts';
import { type RunningProgram, startProgram } from '../program.ts';
import { FORESAIL_ROLE, kubeconfigOf } from './replica-plane.ts';
import { atOnce, deployment, hpa, policy } from './shop-objects.ts';

const assets = await findControlPlane();
/** Requests that watch; all others are passed on. */
const WATCH = /[?&]watch=1/;

/** Without a watch cache, and with a history of some seconds, the API server itself says 410 to who was away. */
const FORGETFUL = ['--watch-cache=false', '--etcd-compaction-interval=3s'];

/** The real program follows its policies in the cluster through a proxy that breaks watches, on a real API server. */
describe('watches of the Kubernetes API', () => {
  let plane: ControlPlane;
  let proxy: FaultProxy;
  let program: RunningProgram;
  let folder: string;
  let asked = 2;

  beforeEach(({ skip }) => {
    if (assets === undefined) skip(NO_CONTROL_PLANE);
  });
  beforeAll(async () => {
    if (assets === undefined) return;
    folder = await mkdtemp(join(tmpdir(), 'foresail-watches-'));
    plane = await startControlPlane(assets, { flags: { 'kube-apiserver': FORGETFUL } });
    await plane.kubectl(['create', 'namespace', 'shop']);
    await plane.kubectl(['apply', '--server-side', '-f', '-'], policyDefinitionFile());
    await plane.kubectl(['wait', '--for=condition=Established', 'crd/scalingpolicies.foresail.dev', '--timeout=120s']);
    const resources = ['scalingpolicies', 'scalingpolicies/status'];
    const rules = [...FORESAIL_ROLE.rules, { apiGroups: ['foresail.dev'], resources, verbs: ['*'] }];
    await plane.kubectl(['apply', '-f', '-'], { ...FORESAIL_ROLE, rules });
    const items = ['web', 'gone'].flatMap((name) => [
      deployment(name, { replicas: 2 }),
      hpa(name, { min: 2, max: 40 }),
    ]);
    await plane.kubectl(['apply', '-f', '-'], { apiVersion: 'v1', kind: 'List', items });
    await plane.kubectl(['apply', '-f', '-'], policy('gone', { target: { name: 'gone' }, ...atOnce(6) }));
    const kubeconfig = await kubeconfigOf(plane, folder, 'one');
    const config = JSON.parse(await readFile(kubeconfig, 'utf8'));
    proxy = await startFaultProxy(config.clusters[0].cluster.server);
    config.clusters[0].cluster = { server: proxy.url, 'insecure-skip-tls-verify': true };
    await writeFile(kubeconfig, JSON.stringify(config));
    const settings = join(folder, 'foresail.yaml');
    const lines = [`kubernetes: {kubeconfig: ${kubeconfig}}`, 'loops: {scale: 1s}', 'training: {every: off}'];
    await writeFile(settings, `${lines.join('\n')}\n`);
    await askMore();
    program = await startProgram(['--config', settings]);
    await reached();
  });
  afterAll(async () => {
    await program?.[Symbol.asyncDispose]();
    await proxy?.[Symbol.asyncDispose]();
    await plane?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  test('a connection that is cut: what is known stays in force, and what changes next is heard of', async () => {
    const before = await ends('closed');
    // Who is cut off again and again asks less and less often: a few times are enough.
    for (let i = 0; i < 3; i++) {
      await watching();
      proxy.cut(WATCH);
      await askMore();
      await reached();
    }
    expect((await ends('closed')) - before).toBeGreaterThanOrEqual(3);
    expect(await floorOf('gone')).toBe(6);
  });

  test.each<{ readonly name: string; readonly fault: Fault }>([
    { name: 'closed without an answer', fault: { kind: 'drop', when: 'before' } },
    { name: 'never answered', fault: { kind: 'hang' } },
    { name: 'answered with 410 Gone', fault: { kind: 'status', status: 410 } },
    { name: 'answered with 500', fault: { kind: 'status', status: 500 } },
  ])('watches that are $name: floors stay, and what changed meanwhile is heard of', async ({ fault }) => {
    await watching();
    proxy.set(fault, ['GET'], WATCH);
    proxy.cut(WATCH);
    await waitFor('the fault to be met', async () => proxy.hits() >= 2, 480_000);
    await askMore();
    expect(await floorOf('gone')).toBe(6);
    proxy.set(undefined);
    await reached();
  });

  test('an API server that has forgotten the version: 410 of its own, and all is listed anew', async () => {
    const before = await ends('gone');
    await watching();
    proxy.set({ kind: 'drop', when: 'before' }, ['GET'], WATCH);
    proxy.cut(WATCH);
    // Changed and deleted while nobody watches, until the versions before are compacted away.
    await askMore();
    await plane.kubectl(['-n', 'shop', 'delete', 'scalingpolicy', 'gone']);
    for (let i = 0; i < 12; i++) {
      await plane.kubectl(['-n', 'shop', 'annotate', '--overwrite', 'deployment', 'gone', `example.com/turn=${i}`]);
      await delay(1_000);
    }
    expect(await floorOf('gone')).toBe(6);
    proxy.set(undefined);
    await reached();
    await waitFor('the release of what was deleted meanwhile', async () => (await floorOf('gone')) === 2);
    expect(await ends('gone')).toBeGreaterThan(before);
  });

  async function watching(): Promise<void> {
    await waitFor('a watch', async () => proxy.open(WATCH) > 0);
  }

  async function askMore(): Promise<void> {
    asked += 2;
    await plane.kubectl(['apply', '-f', '-'], policy('web', { target: { name: 'web' }, ...atOnce(asked) }));
  }

  async function reached(): Promise<void> {
    await waitFor(`a floor of ${asked}`, async () => (await floorOf('web')) === asked);
  }

  async function floorOf(name: string): Promise<number> {
    return Number(await plane.kubectl(['-n', 'shop', 'get', 'hpa', name, '-o', 'jsonpath={.spec.minReplicas}']));
  }

  /** Watches that ended for this reason. */
  async function ends(reason: string): Promise<number> {
    const text = await (await fetch(`${program.url}/metrics`)).text();
    return Number(
      new RegExp(`^foresail_policy_watch_ends_total\\{reason="${reason}"\\} (\\d+)$`, 'm').exec(text)?.[1] ?? 0,
    );
  }
});
