import { describe, expect, test } from 'vitest';
import type { KubeAnswer, KubeApi, KubeCall } from './api.ts';
import { type Pod, readPodStarts, startOf } from './pods.ts';

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
    return { calls, api: { request } as unknown as KubeApi };
  };
  const scale = { status: 200, body: { status: { selector: 'app=web' } } };
  const owner = { namespace: 'shop', kind: 'Deployment', name: 'web' };

  test('asks for the pods of the selector, from the memory of the API server', async () => {
    const { api, calls } = apiOf({ scale, pods: { status: 200, body: { items: [pod()] } } });
    expect(await readPodStarts(api, owner)).toEqual([START]);
    expect(calls.at(-1)).toMatchObject({
      path: '/api/v1/namespaces/shop/pods',
      query: { labelSelector: 'app=web', resourceVersion: '0' },
    });
  });

  test('knows no pods of a workload that is gone, or of a kind it does not know', async () => {
    expect(await readPodStarts(apiOf({}).api, owner)).toEqual([]);
    expect(await readPodStarts(apiOf({ scale }).api, { ...owner, kind: 'Rollout' })).toEqual([]);
  });

  test('says what was refused', async () => {
    const refused = { status: 403, body: { message: 'pods is forbidden' } };
    await expect(readPodStarts(apiOf({ scale, pods: refused }).api, owner)).rejects.toThrow('pods is forbidden');
  });
});
