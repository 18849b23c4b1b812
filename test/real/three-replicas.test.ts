import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
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
import { type RunningProgram, startProgram } from '../program.ts';
import { type AuditedWrite, auditedWrites, auditFlags, FORESAIL_ROLE, kubeconfigOf } from './replica-plane.ts';
import { atOnce, deployment, hpa, policy } from './shop-objects.ts';

const assets = await findControlPlane();
const missing = assets === undefined ? NO_CONTROL_PLANE : undefined;
const TARGETS = Array.from({ length: 24 }, (_, i) => `web-${i}`);
const NAMES = ['one', 'two', 'three'] as const;
const LEASE_MS = 15_000;

/**
 * Three real processes with a folder each share 24 targets of a real API server, which logs who wrote what. Each wave
 * raises what the policy files ask for, so that every target has to be written once more.
 */
describe('three replicas', () => {
  let plane: ControlPlane;
  let folder: string;
  const programs = new Map<string, RunningProgram>();

  beforeEach(({ skip }) => {
    if (missing !== undefined) skip(missing);
  });
  beforeAll(async () => {
    if (missing !== undefined) return;
    folder = await mkdtemp(join(tmpdir(), 'foresail-replicas-'));
    plane = await startControlPlane(assets!, { flags: { 'kube-apiserver': await auditFlags(folder) } });
    await plane.kubectl(['create', 'namespace', 'shop']);
    await plane.kubectl(['apply', '-f', '-'], FORESAIL_ROLE);
    const items = TARGETS.flatMap((name) => [deployment(name, { replicas: 2 }), hpa(name, { min: 2, max: 40 })]);
    await plane.kubectl(['apply', '-f', '-'], { apiVersion: 'v1', kind: 'List', items });
    await mkdir(join(folder, 'policies'));
    await ask(4);
    await Promise.all(NAMES.map(start));
  });
  afterAll(async () => {
    for (const program of programs.values()) {
      if (program.alive()) process.kill(program.pid, 'SIGCONT');
      await program[Symbol.asyncDispose]();
    }
    await plane?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  test('share the targets: each is written by one of them, and each of them writes some', async ({ annotate }) => {
    await reach(4);
    await settled(3);
    await ask(6);
    await reach(6);
    const owners = ownersOf(await writes(), 6);
    for (const [, users] of owners) expect(users.size).toBe(1);
    const shares = NAMES.map((name) => [...owners.values()].filter((users) => users.has(name)).length);
    await annotate(`targets of each: ${shares.join(', ')}`);
    for (const share of shares) expect(share).toBeGreaterThan(0);
  });

  test('a policy sent to one of them by HTTP is refused', async () => {
    const url = `${programs.get('one')!.url}/api/v1/policies/shop/more`;
    const answer = await fetch(url, {
      method: 'PUT',
      body: JSON.stringify(policy('more', { target: { name: 'more' }, ...atOnce(2) })),
    });
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([409, 'policy_not_shared']);
  });

  test('one that is killed is replaced: its targets are written by the others', async ({ annotate }) => {
    const before = ownersOf(await writes(), 6);
    process.kill(programs.get('one')!.pid, 'SIGKILL');
    const at = Date.now();
    await ask(8);
    await reach(8);
    await annotate(`all targets written ${((Date.now() - at) / 1000).toFixed(1)} s after the kill`);
    const after = ownersOf(await writes(), 8);
    for (const [target, users] of after) {
      expect([...users]).not.toContain('one');
      // Nobody else's moved.
      if (!before.get(target)!.has('one')) expect([...users]).toEqual([...before.get(target)!]);
    }
  });

  test('one that is frozen past its lease writes nothing when it wakes, and takes its share again later', async ({
    annotate,
  }) => {
    const { pid } = programs.get('two')!;
    await ask(10);
    // In the middle of a pass, where it has read what it is about to write.
    await waitFor('its first write', async () =>
      (await writes()).some((each) => each.user === 'two' && each.min === 10),
    );
    process.kill(pid, 'SIGSTOP');
    await reach(10);
    await ask(12);
    await reach(12);
    const wokenAt = Date.now();
    process.kill(pid, 'SIGCONT');
    await delay(LEASE_MS * 0.8);
    const woken = (await writes()).filter(({ user, at }) => user === 'two' && at >= wokenAt);
    expect(woken).toEqual([]);
    await settled(2);
    await ask(14);
    await reach(14);
    const users = [...ownersOf(await writes(), 14).values()].flatMap((each) => [...each]);
    await annotate(`after it: two wrote ${users.filter((user) => user === 'two').length} of ${TARGETS.length}`);
    expect(new Set(users)).toEqual(new Set(['two', 'three']));
  });

  test('nothing unsafe was written in all of that', async () => {
    const written = await writes();
    for (const target of TARGETS) {
      const applied = written.filter(({ name, status, min }) => name === target && status === 200 && min !== undefined);
      const floors = applied.map(({ min }) => min!);
      // What was asked for only ever rose: a lower floor after a higher one would be that of a process left behind.
      expect(floors).toEqual([...floors].sort((a, b) => a - b));
      expect(new Set(floors).size).toBe(floors.length);
    }
    const text = await plane.kubectl(['-n', 'shop', 'get', 'hpa', '-o', 'json', '--show-managed-fields']);
    for (const { metadata, spec } of (JSON.parse(text) as { items: readonly HpaObject[] }).items) {
      const ownership = JSON.parse(metadata.annotations['foresail.dev/ownership']!);
      expect(ownership).toMatchObject({ original: { min: 2, max: 40 }, written: { min: 14, max: 40 }, givenUp: null });
      expect(spec.minReplicas).toBe(14);
      expect(metadata.managedFields.filter(({ manager }) => manager === 'foresail').length).toBe(1);
    }
  });

  test('one that is told to stop gives its lease back and releases nothing', async () => {
    const program = programs.get('two')!;
    process.kill(program.pid, 'SIGTERM');
    await waitFor('its end', async () => !program.alive());
    const leases = await plane.kubectl([
      '-n',
      'shop',
      'get',
      'lease',
      '-l',
      'foresail.dev/group=foresail',
      '-o',
      'name',
    ]);
    // Of the one that was killed it is left until it is cleared away.
    expect(leases.trim().split('\n').length).toBe(2);
    await ask(16);
    await reach(16);
    for (const [, users] of ownersOf(await writes(), 16)) expect([...users]).toEqual(['three']);
  });

  async function start(name: string): Promise<void> {
    const kubeconfig = await kubeconfigOf(plane, folder, name);
    const config = join(folder, `${name}.yaml`);
    const lines = [
      `kubernetes: {kubeconfig: ${kubeconfig}}`,
      `policies: [policies]`,
      'customResources: off',
      `loops: {scale: 1s}`,
      `training: {every: off}`,
      `coordination: {kind: lease, namespace: shop, leaseDuration: ${LEASE_MS / 1000}s}`,
    ];
    await writeFile(config, `${lines.join('\n')}\n`);
    programs.set(name, await startProgram(['--config', config]));
  }

  /** The file that all of them read says another minimum, from one moment to the next. */
  async function ask(min: number): Promise<void> {
    const next = join(folder, 'next');
    await writeFile(
      next,
      TARGETS.map((name) => JSON.stringify(policy(name, { target: { name }, ...atOnce(min) }))).join('\n---\n'),
    );
    await rename(next, join(folder, 'policies', 'all.yaml'));
  }

  async function reach(min: number): Promise<void> {
    await waitFor(`every floor at ${min}`, async () => {
      const floors = await plane.kubectl(['-n', 'shop', 'get', 'hpa', '-o', 'jsonpath={.items[*].spec.minReplicas}']);
      return floors.split(' ').every((floor) => Number(floor) === min);
    });
  }

  /** Until each that is alive sees so many members, and may act. */
  async function settled(members: number): Promise<void> {
    await waitFor(`${members} members`, async () => {
      const texts = await Promise.all(
        [...programs.values()]
          .filter((program) => program.alive())
          .map(async ({ url }) => await (await fetch(`${url}/metrics`)).text()),
      );
      return texts.every(
        (text) => text.includes(`coordination_members ${members}\n`) && text.includes('coordination_acting 1\n'),
      );
    });
  }

  const writes = () => auditedWrites(folder);
});

/** By target: who wrote this minimum. */
function ownersOf(written: readonly AuditedWrite[], wanted: number): ReadonlyMap<string, ReadonlySet<string>> {
  return new Map(
    TARGETS.map((target) => [
      target,
      new Set(
        written
          .filter(({ name, min, status }) => name === target && min === wanted && status === 200)
          .map(({ user }) => user),
      ),
    ]),
  );
}

interface HpaObject {
  readonly metadata: {
    readonly annotations: Readonly<Record<string, string>>;
    readonly managedFields: readonly { readonly manager: string }[];
  };
  readonly spec: { readonly minReplicas: number };
}
