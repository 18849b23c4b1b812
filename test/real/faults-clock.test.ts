import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { HOUR, MINUTE, SECOND } from '../../src/model/time.ts';
import {
  type ControlPlane,
  findControlPlane,
  NO_CONTROL_PLANE,
  startControlPlane,
  waitFor,
} from '../../src/testing/control-plane.ts';
import { type RunningProgram, startProgram } from '../program.ts';
import { auditedWrites, auditFlags, FORESAIL_ROLE, kubeconfigOf } from './replica-plane.ts';
import { atOnce, deployment, hpa, policy } from './shop-objects.ts';

const assets = await findControlPlane();

/** The real program shares by leases with itself, on a clock that is set while the API server's goes on. */
describe('a clock that is set', () => {
  let plane: ControlPlane;
  let program: RunningProgram;
  let folder: string;
  let asked = 2;
  let slow = 30;

  beforeEach(({ skip }) => {
    if (assets === undefined) skip(NO_CONTROL_PLANE);
  });
  beforeAll(async () => {
    if (assets === undefined) return;
    folder = await mkdtemp(join(tmpdir(), 'foresail-clock-'));
    plane = await startControlPlane(assets, { flags: { 'kube-apiserver': await auditFlags(folder) } });
    await plane.kubectl(['create', 'namespace', 'shop']);
    await plane.kubectl(['apply', '-f', '-'], FORESAIL_ROLE);
    const items = ['web', 'slow'].flatMap((name) => [
      deployment(name, { replicas: 2 }),
      hpa(name, { min: 2, max: 40 }),
    ]);
    await plane.kubectl(['apply', '-f', '-'], { apiVersion: 'v1', kind: 'List', items });
    await mkdir(join(folder, 'policies'));
    const settings = join(folder, 'foresail.yaml');
    const lines = [
      `kubernetes: {kubeconfig: ${await kubeconfigOf(plane, folder, 'one')}}`,
      'policies: [policies]',
      'customResources: off',
      'loops: {scale: 1s}',
      'training: {every: off}',
      'coordination: {kind: lease, namespace: shop, leaseDuration: 6s}',
    ];
    await writeFile(settings, `${lines.join('\n')}\n`);
    await askMore();
    const preload = new URL(`shifted-clock.mjs?file=${encodeURIComponent(join(folder, 'offset'))}`, import.meta.url);
    program = await startProgram(['--config', settings], ['--import', preload.href]);
    await reached();
    await waitFor('the slow one', async () => (await floorOf('slow')) === slow);
  });
  afterAll(async () => {
    await program?.[Symbol.asyncDispose]();
    await plane?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  test.each([
    { name: 'forward by an hour', offsetMs: HOUR },
    { name: 'back by an hour', offsetMs: 0 },
    { name: 'back by two hours', offsetMs: -2 * HOUR },
    { name: 'forward by two hours', offsetMs: 0 },
  ])('$name moves nothing by itself, and it goes on', async ({ offsetMs }) => {
    const before = [await floorOf('web'), await floorOf('slow')];
    await setClock(offsetMs);
    await passes(3);
    expect([await floorOf('web'), await floorOf('slow')]).toEqual(before);
    await askMore();
    await reached();
    const mins = (await written('web')).map(({ min }) => min!);
    expect(mins).toEqual([...new Set(mins)].sort((a, b) => a - b));
  });

  test('in the middle of a slow release makes it no faster than one more step', async () => {
    const began = Date.now();
    slow = 2;
    await writePolicies();
    await waitFor('the release to begin', async () => (await floorOf('slow')) < 30);
    for (const offsetMs of [HOUR, -HOUR, 0]) {
      const before = await floorOf('slow');
      await setClock(offsetMs);
      // One jump a minute, so that each can be told from the next.
      await delay(MINUTE + 5 * SECOND);
      await waitFor('the release to go on', async () => (await floorOf('slow')) < before);
    }
    const steps = (await written('slow')).filter(({ at }) => at >= began);
    for (const [i, { at, min }] of steps.entries()) {
      const highest = Math.max(...steps.slice(0, i).flatMap((step) => (step.at > at - MINUTE ? [step.min!] : [])), 0);
      // A tenth within a minute, and another for a jump within it; both rounded.
      expect(min).toBeGreaterThanOrEqual(Math.floor(highest * 0.9 ** 2) - 1);
    }
  });

  async function written(name: string) {
    return (await auditedWrites(folder)).filter((w) => w.name === name && w.status === 200 && w.min !== undefined);
  }

  async function setClock(offsetMs: number): Promise<void> {
    await writeFile(join(folder, 'offset'), String(offsetMs));
    await waitFor('a pass by the new clock', async () => {
      return Math.abs((await lastPass()) * SECOND - Date.now() - offsetMs) < 10 * MINUTE;
    });
  }

  /** So many passes of the scale loop from now on. */
  async function passes(count: number): Promise<void> {
    const before = await metric('foresail_loop_passes_total\\{loop="scale"\\}');
    await waitFor(`${count} passes`, async () => {
      return (await metric('foresail_loop_passes_total\\{loop="scale"\\}')) >= before + count;
    });
  }

  const lastPass = () => metric('foresail_loop_last_pass_timestamp_seconds\\{loop="scale"\\}');

  async function metric(name: string): Promise<number> {
    const text = await (await fetch(`${program.url}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
  }

  /** The file asks for two more than before. */
  async function askMore(): Promise<void> {
    asked += 2;
    await writePolicies();
  }

  async function writePolicies(): Promise<void> {
    const next = join(folder, 'next');
    const ramp = { maxUpPerMinute: '1000%', maxDownPerMinute: '10%', holdDown: '0s' };
    const documents = [
      policy('web', { target: { name: 'web' }, ...atOnce(asked) }),
      policy('slow', { target: { name: 'slow' }, ...atOnce(slow), ramp }),
    ];
    await writeFile(next, documents.map((document) => JSON.stringify(document)).join('\n---\n'));
    await rename(next, join(folder, 'policies', 'all.yaml'));
  }

  async function floorOf(name: string): Promise<number> {
    return Number(await plane.kubectl(['-n', 'shop', 'get', 'hpa', name, '-o', 'jsonpath={.spec.minReplicas}']));
  }

  async function reached(): Promise<void> {
    await waitFor(`a floor of ${asked}`, async () => (await floorOf('web')) === asked);
  }
});
