import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type KubeCluster, openKubeCluster } from '../../src/kube/cluster.ts';
import type { BoundsChange, Ownership, TargetRef, TargetState } from '../../src/scaling/cluster.ts';
import {
  type ControlPlane,
  findControlPlane,
  NO_CONTROL_PLANE,
  startControlPlane,
} from '../../src/testing/control-plane.ts';
import { deployment, hpa } from './shop-objects.ts';

const assets = await findControlPlane();

/** What `openKubeCluster` claims about field ownership, each shown against a real API server. */
describe('openKubeCluster() on a real API server', () => {
  let plane: ControlPlane;
  let cluster: KubeCluster;

  beforeEach(({ skip }) => {
    if (assets === undefined) skip(NO_CONTROL_PLANE);
  });
  beforeAll(async () => {
    if (assets === undefined) return;
    plane = await startControlPlane(assets);
    cluster = await openKubeCluster({ kubeconfig: plane.kubeconfig });
    await plane.kubectl(['create', 'namespace', 'shop']);
  });
  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await plane?.[Symbol.asyncDispose]();
  });

  const ref = (name: string): TargetRef => ({ kind: 'HorizontalPodAutoscaler', namespace: 'shop', name });
  const apply = (name: string, min: number, how: readonly string[] = []) =>
    plane.kubectl(['apply', ...how, '-f', '-'], {
      apiVersion: 'v1',
      kind: 'List',
      items: [deployment(name, { replicas: 3 }), hpa(name, { min, max: 20 })],
    });
  const read = async (name: string): Promise<TargetState> => {
    const state = await cluster.read(ref(name));
    if (state.kind === 'missing') throw new Error(state.message);
    return state;
  };
  /** Takes the HPA over at `min`, as a take-over that was decided does. */
  const takeOver = async (name: string, min: number): Promise<TargetState> => {
    const state = await read(name);
    expect(
      await cluster.apply(changeOf(state, min, { ownership: ownershipOf(state, min), force: true })),
    ).toMatchObject({ kind: 'applied' });
    return await read(name);
  };

  test('reads bounds, managers, replicas and the absence of an annotation', async () => {
    await apply('read', 2);
    expect(await read('read')).toMatchObject({
      kind: 'found',
      min: 2,
      max: 20,
      minManagers: ['kubectl-client-side-apply'],
      maxManagers: ['kubectl-client-side-apply'],
      controller: null,
      workload: { kind: 'Deployment', name: 'read' },
      specReplicas: 3,
      statusReplicas: 0,
      ownership: null,
    });
  });

  test('reads how an HPA scales, as the API server completes it, and what the newest pod asks for', async () => {
    const behavior = {
      scaleUp: { stabilizationWindowSeconds: 60, policies: [{ type: 'Pods', value: 2, periodSeconds: 60 }] },
    };
    const cpu = {
      type: 'Resource',
      resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 65 } },
    };
    const rps = {
      type: 'Pods',
      pods: { metric: { name: 'rps' }, target: { type: 'AverageValue', averageValue: '12500m' } },
    };
    const plain = hpa('advised', { min: 2, max: 20 });
    await plane.kubectl(['apply', '-f', '-'], {
      apiVersion: 'v1',
      kind: 'List',
      items: [deployment('advised'), { ...plain, spec: { ...plain.spec, metrics: [cpu, rps], behavior } }],
    });
    expect(await cluster.readAutoscaler(ref('advised'))).toMatchObject({
      kind: 'read',
      name: 'advised',
      metrics: expect.arrayContaining([
        { type: 'Resource', name: 'cpu', target: { averageUtilization: 65 } },
        { type: 'Pods', name: 'rps', target: { averageValue: 12.5 } },
      ]),
      behavior: {
        scaleUp: { ...behavior.scaleUp, selectPolicy: 'Max' },
        scaleDown: { selectPolicy: 'Max', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] },
      },
    });
    expect(await cluster.readAutoscaler(ref('nowhere'))).toMatchObject({ kind: 'unknown' });

    const workload = { namespace: 'shop', kind: 'Deployment', name: 'advised' };
    expect(await cluster.readPodRequests(workload)).toMatchObject({
      kind: 'unknown',
      message: expect.stringContaining('has no pods'),
    });
    await plane.kubectl(['apply', '-f', '-'], {
      apiVersion: 'v1',
      kind: 'List',
      items: [
        { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'shop' } },
        {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name: 'advised-1', namespace: 'shop', labels: { app: 'advised' } },
          spec: {
            containers: [
              {
                name: 'main',
                image: 'example.com/main:1',
                resources: { requests: { cpu: '250m', memory: '0.5Gi' } },
              },
              { name: 'bare', image: 'example.com/bare:1' },
            ],
          },
        },
      ],
    });
    expect(await cluster.readPodRequests(workload)).toEqual({
      kind: 'read',
      containers: [
        { name: 'main', cpu: 0.25, memory: 512 * 1024 ** 2 },
        { name: 'bare', cpu: null, memory: null },
      ],
    });
  });

  test('an HPA without minReplicas reads as 1, held by nobody', async () => {
    const { minReplicas: _, ...spec } = hpa('unset', { min: 1, max: 20 }).spec;
    await plane.kubectl(['apply', '--server-side', '-f', '-'], {
      apiVersion: 'v1',
      kind: 'List',
      items: [deployment('unset', { replicas: 3 }), { ...hpa('unset', { min: 1, max: 20 }), spec }],
    });
    expect(await read('unset')).toMatchObject({ min: 1, minManagers: [] });
  });

  test('a missing HPA and a missing workload are missing, and say which', async () => {
    await plane.kubectl(['apply', '-f', '-'], hpa('lonely', { min: 2, max: 20 }));
    expect(await cluster.read(ref('nowhere'))).toEqual({
      kind: 'missing',
      message: 'there is no HorizontalPodAutoscaler shop/nowhere',
    });
    expect(await cluster.read(ref('lonely'))).toEqual({
      kind: 'missing',
      message: 'the HorizontalPodAutoscaler scales Deployment shop/lonely, which does not exist',
    });
  });

  test('names the controller that owns an HPA', async () => {
    await apply('keda', 2);
    const owner = { apiVersion: 'keda.sh/v1alpha1', kind: 'ScaledObject', name: 'web', uid: 'a-b-c', controller: true };
    await plane.kubectl([
      '-n',
      'shop',
      'patch',
      'hpa',
      'keda',
      '--type=merge',
      '-p',
      JSON.stringify({ metadata: { ownerReferences: [owner] } }),
    ]);
    expect((await read('keda')).controller).toEqual({ kind: 'ScaledObject', name: 'web' });
  });

  test('an unforced write of a held field is owned, names the manager and changes nothing', async () => {
    await apply('held', 2);
    const state = await read('held');
    expect(await cluster.apply(changeOf(state, 5, { ownership: ownershipOf(state, 5) }))).toMatchObject({
      kind: 'owned',
      managers: ['kubectl-client-side-apply'],
    });
    expect(await read('held')).toEqual(state);
  });

  test('a take-over owns minReplicas alone, leaves maxReplicas to its manager and keeps the original', async () => {
    await apply('taken', 2);
    expect(await takeOver('taken', 6)).toMatchObject({
      min: 6,
      max: 20,
      minManagers: ['foresail'],
      maxManagers: ['kubectl-client-side-apply'],
      ownership: { original: { min: 2, max: 20 }, takenFrom: ['kubectl-client-side-apply'] },
    });
    expect((await cluster.listOwned()).map((state) => state.ref.name)).toContain('taken');
  });

  test('an owned field is raised again without force, and what is not named stays', async () => {
    await apply('again', 2);
    const state = await takeOver('again', 6);
    expect(await cluster.apply(changeOf(state, 9, {}))).toMatchObject({ kind: 'applied' });
    expect(await read('again')).toMatchObject({ min: 9, max: 20, minManagers: ['foresail'] });
  });

  test('both bounds move in one write', async () => {
    await apply('both', 2);
    const state = await takeOver('both', 6);
    expect(await cluster.apply({ ...changeOf(state, 30, {}), max: 40, force: true })).toMatchObject({
      kind: 'applied',
    });
    const raised = await read('both');
    expect(raised).toMatchObject({ min: 30, max: 40, maxManagers: ['foresail'] });
    expect(await cluster.apply({ ...changeOf(raised, 2, { ownership: null }), max: 20 })).toMatchObject({
      kind: 'applied',
    });
    expect(await read('both')).toMatchObject({
      min: 2,
      max: 20,
      minManagers: ['kubectl-client-side-apply'],
      maxManagers: ['kubectl-client-side-apply'],
      ownership: null,
    });
  });

  test('a write on what was read before another change is a conflict', async () => {
    await apply('stale', 2);
    const state = await takeOver('stale', 6);
    await apply('stale', 3);
    expect(await cluster.apply(changeOf(state, 9, { force: true }))).toMatchObject({ kind: 'conflict' });
    expect(await read('stale')).toMatchObject({ min: 3, minManagers: ['kubectl-client-side-apply'] });
  });

  test('another object of the same name is a conflict, a deleted one is refused, and none is created', async () => {
    await apply('reborn', 2);
    const state = await read('reborn');
    await plane.kubectl(['-n', 'shop', 'delete', 'hpa', 'reborn']);
    expect(await cluster.apply(changeOf(state, 5, { force: true }))).toMatchObject({ kind: 'refused' });
    expect(await cluster.read(ref('reborn'))).toMatchObject({ kind: 'missing' });
    await apply('reborn', 2);
    expect(await cluster.apply(changeOf(state, 5, { force: true }))).toMatchObject({ kind: 'conflict' });
  });

  test('an annotation that somebody made unreadable is left to people, with the remedy', async () => {
    await apply('garbled', 2);
    await plane.kubectl(['-n', 'shop', 'annotate', 'hpa', 'garbled', 'foresail.dev/ownership={"policy":']);
    expect(await cluster.read(ref('garbled'))).toMatchObject({
      kind: 'missing',
      message: expect.stringContaining('foresail.dev/ownership of shop/garbled cannot be read'),
    });
  });

  test('a minimum above the maximum is refused in the API server’s words', async () => {
    await apply('above', 2);
    const state = await read('above');
    const change = changeOf(state, 50, { ownership: ownershipOf(state, 50), force: true });
    expect(await cluster.apply(change)).toMatchObject({
      kind: 'refused',
      message: expect.stringContaining('must be greater than or equal to `minReplicas`'),
    });
  });

  test.each([
    { name: 'client', how: [], manager: 'kubectl-client-side-apply' },
    { name: 'server', how: ['--server-side'], manager: 'kubectl' },
  ])('a release gives value and field back to a $name-side apply, whose next apply meets no conflict', async ({
    name,
    how,
    manager,
  }) => {
    await apply(name, 2, how);
    const taken = await takeOver(name, 8);
    expect(await cluster.apply(changeOf(taken, 2, { ownership: null }))).toMatchObject({ kind: 'applied' });
    expect(await read(name)).toMatchObject({ min: 2, max: 20, minManagers: [manager], ownership: null });
    expect(await everyManager(plane, name)).not.toContain('foresail');
    await apply(name, 4, how);
    expect(await read(name)).toMatchObject({ min: 4, minManagers: [manager] });
  });

  test('a release keeps the value where nobody held the field before', async () => {
    await apply('orphan', 2);
    await plane.kubectl([
      '-n',
      'shop',
      'patch',
      'hpa',
      'orphan',
      '--type=merge',
      '-p',
      JSON.stringify({ metadata: { managedFields: [{}] } }),
    ]);
    expect(await read('orphan')).toMatchObject({ min: 2, minManagers: [] });
    const taken = await takeOver('orphan', 8);
    expect(taken).toMatchObject({ minManagers: ['foresail'], ownership: { takenFrom: [] } });
    expect(await cluster.apply(changeOf(taken, 2, { ownership: null }))).toMatchObject({ kind: 'applied' });
    expect(await read('orphan')).toMatchObject({ min: 2, minManagers: [], ownership: null });
    expect(await everyManager(plane, 'orphan')).not.toContain('foresail');
  });

  test('a set-back shows who did it; giving up leaves the field to that manager and keeps the annotation', async () => {
    await apply('fight', 2);
    const taken = await takeOver('fight', 8);
    await apply('fight', 3);
    const back = await read('fight');
    expect(back).toMatchObject({
      min: 3,
      minManagers: ['kubectl-client-side-apply'],
      ownership: { written: { min: 8, max: 20 } },
    });
    const ownership: Ownership = { ...taken.ownership!, givenUp: { at: 1, manager: 'kubectl-client-side-apply' } };
    expect(await cluster.apply(changeOf(back, back.min, { ownership }))).toMatchObject({ kind: 'applied' });
    expect(await read('fight')).toMatchObject({
      min: 3,
      minManagers: ['kubectl-client-side-apply'],
      ownership: { givenUp: { manager: 'kubectl-client-side-apply' } },
    });
  });

  test('announces at the object, where kubectl describe shows it', async () => {
    await apply('told', 2);
    await cluster.announce(ref('told'), { type: 'Normal', reason: 'TookOver', message: 'taken over from kubectl' });
    expect(await plane.kubectl(['-n', 'shop', 'describe', 'hpa', 'told'])).toMatch(
      /TookOver .*taken over from kubectl/,
    );
  });

  test('an aborted call rejects with the reason of its signal', async () => {
    const reason = new Error('stopped');
    await expect(cluster.read(ref('read'), AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});

function changeOf(
  state: TargetState,
  min: number,
  how: Partial<Pick<BoundsChange, 'ownership' | 'force'>>,
): BoundsChange {
  const { ref, uid, resourceVersion, max } = state;
  return { ref, uid, resourceVersion, min, max, ownership: state.ownership, force: false, ...how };
}

function ownershipOf({ ref, min, max, minManagers }: TargetState, written: number): Ownership {
  return {
    policy: `${ref.namespace}/${ref.name}`,
    original: { min, max },
    takenFrom: minManagers,
    written: { min: written, max },
    setBackAt: [],
    givenUp: null,
  };
}

async function everyManager(plane: ControlPlane, name: string): Promise<readonly string[]> {
  const text = await plane.kubectl(['-n', 'shop', 'get', 'hpa', name, '-o', 'json', '--show-managed-fields']);
  return JSON.parse(text).metadata.managedFields.map((entry: { manager: string }) => entry.manager);
}
