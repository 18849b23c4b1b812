import { describe, expect, test } from 'vitest';
import type { KubeAnswer, KubeApi, KubeCall } from './api.ts';
import { scalePaths } from './cluster.ts';
import { type Pod, readPodRevisions, readPodStarts, startOf } from './pods.ts';

/** As a control plane of Kubernetes 1.3x tells it: times to the second. */
const pod = (change: { status?: object; metadata?: object } = {}): Pod => ({
  metadata: { uid: 'a', creationTimestamp: '2026-03-02T10:00:00Z', ...change.metadata },
  status: {
    conditions: [
      { type: 'PodScheduled', status: 'True', lastTransitionTime: '2026-03-02T10:00:02Z' },
      { type: 'Ready', status: 'True', lastTransitionTime: '2026-03-02T10:00:31Z' },
    ],
    containerStatuses: [{ restartCount: 0 }],
    ...change.status,
  },
});
const createdAt = Date.parse('2026-03-02T10:00:00Z');
const START = { uid: 'a', createdAt, scheduledMs: 2000, readyMs: 31_000 };

describe('startOf()', () => {
  test.each([
    { name: 'a ready pod', of: pod(), want: START },
    { name: 'one that is not ready', of: pod({ status: { conditions: [] } }), want: undefined },
    {
      name: 'one that started again',
      of: pod({ status: { containerStatuses: [{ restartCount: 1 }] } }),
      want: undefined,
    },
    { name: 'one that goes away', of: pod({ metadata: { deletionTimestamp: 'now' } }), want: undefined },
    { name: 'one without a status', of: { metadata: pod().metadata }, want: undefined },
  ])('$name', ({ of, want }) => expect(startOf(of)).toEqual(want));
});

describe('readPodStarts()', () => {
  const apiOf = (answers: Record<string, KubeAnswer>) => {
    const calls: KubeCall[] = [];
    const request = async (call: KubeCall) => {
      calls.push(call);
      return answers[call.path.split('/').at(-1)!] ?? { status: 404, body: {} };
    };
    const api = { request } as unknown as KubeApi;
    return { calls, read: (of: Parameters<typeof readPodStarts>[2]) => readPodStarts(api, scalePaths(api), of) };
  };
  const resources = (...of: readonly [name: string, kind: string][]) => ({
    status: 200,
    body: {
      resources: of.flatMap(([name, kind]) => [
        { name, kind },
        { name: `${name}/scale`, kind: 'Scale' },
      ]),
    },
  });
  const v1 = resources(['deployments', 'Deployment'], ['statefulsets', 'StatefulSet'], ['replicasets', 'ReplicaSet']);
  const scale = { status: 200, body: { status: { selector: 'app=web' } } };
  const owner = { namespace: 'shop', kind: 'Deployment', name: 'web' };

  const pods = { status: 200, body: { items: [pod()] } };

  test.each([
    { of: owner, path: '/apis/apps/v1/namespaces/shop/deployments/web/scale' },
    { of: { ...owner, kind: 'StatefulSet' }, path: '/apis/apps/v1/namespaces/shop/statefulsets/web/scale' },
    { of: { ...owner, kind: 'ReplicaSet' }, path: '/apis/apps/v1/namespaces/shop/replicasets/web/scale' },
    {
      of: { ...owner, kind: 'Rollout', apiVersion: 'argoproj.io/v1alpha1' },
      path: '/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/web/scale',
    },
  ])('asks for the pods of the selector of a $of.kind, from the memory of the API server', async ({ of, path }) => {
    const { read, calls } = apiOf({ v1, v1alpha1: resources(['rollouts', 'Rollout']), scale, pods });
    expect(await read(of)).toEqual([START]);
    expect(calls.map((call) => call.path)).toContain(path);
    expect(calls.at(-1)).toMatchObject({
      path: '/api/v1/namespaces/shop/pods',
      query: { labelSelector: 'app=web', resourceVersion: '0' },
    });
  });

  test('knows no pods of a workload that is gone, or of a kind that cannot be scaled', async () => {
    expect(await apiOf({ v1 }).read(owner)).toEqual([]);
    expect(await apiOf({ v1, scale, pods }).read({ ...owner, kind: 'DaemonSet' })).toEqual([]);
  });

  test('never asks for all pods where the workload tells no selector, and says so', async () => {
    const { read, calls } = apiOf({ v1, scale: { status: 200, body: { status: {} } }, pods });
    await expect(read(owner)).rejects.toThrow('Deployment web start: its scale subresource tells no selector');
    expect(calls.every(({ path }) => !path.endsWith('/pods'))).toBe(true);
  });

  test('says what was refused', async () => {
    const refused = { status: 403, body: { message: 'pods is forbidden' } };
    await expect(apiOf({ v1, scale, pods: refused }).read(owner)).rejects.toThrow('pods is forbidden');
  });
});

test('readPodRevisions() tells the template of each pod that stays', async () => {
  const of = (revision: Record<string, string>, more: object = {}) => ({
    ...pod({ metadata: { labels: { app: 'web', ...revision }, ...more } }),
    spec: { containers: [{ name: 'web', image: 'web:1.5' }, { name: 'proxy' }] },
  });
  const items = [
    of({ 'pod-template-hash': '6d5f' }),
    of({ 'controller-revision-hash': 'web-7c' }),
    of({ 'pod-template-hash': '6d5f' }, { deletionTimestamp: 'now' }),
    of({}),
  ];
  const answers: Record<string, unknown> = {
    v1: {
      resources: [
        { name: 'deployments', kind: 'Deployment' },
        { name: 'deployments/scale', kind: 'Scale' },
      ],
    },
    scale: { status: { selector: 'app=web' } },
    pods: { items },
  };
  const request = async ({ path }: KubeCall): Promise<KubeAnswer> => ({
    status: 200,
    body: answers[path.split('/').at(-1)!],
  });
  const api = { request } as unknown as KubeApi;
  const found = await readPodRevisions(api, scalePaths(api), { namespace: 'shop', kind: 'Deployment', name: 'web' });
  expect(found).toEqual([
    { revision: '6d5f', images: ['web:1.5'], createdAt },
    { revision: 'web-7c', images: ['web:1.5'], createdAt },
  ]);
});
