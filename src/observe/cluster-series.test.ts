import { expect, test } from 'vitest';
import { labelsOf } from '../model/labels.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../model/time.ts';
import { memoryTenant } from '../testing/memory-storage.ts';
import { readReplicas } from './replicas.ts';
import { mergedDeploys, readScrapedDeploys } from './scraped-deploys.ts';

const T0 = 20_000 * DAY;

function storeOf(series: readonly (readonly [labels: Record<string, string>, of: (time: number) => number])[]) {
  const storage = memoryTenant();
  const times = Float64Array.from({ length: 90 }, (_, i) => T0 - HOUR + i * MINUTE);
  const runs = series.map(([labels, of]) => ({ labels: labelsOf(labels), times, values: times.map(of) }));
  return storage.backfill(runs).then(() => storage);
}

test('readReplicas() finds the workload of a series, by its labels or its pod', async () => {
  const ofPolicy = { __name__: 'foresail_workload_replicas', namespace: 'shop', policy: 'w', workload: 'web' };
  const ofMetrics = { __name__: 'kube_deployment_spec_replicas', namespace: 'shop', deployment: 'pay-api', job: 'ksm' };
  const ofSet = { __name__: 'kube_statefulset_replicas', namespace: 'db', statefulset: 'pg' };
  const storage = await storeOf([
    [ofPolicy, (time) => (time < T0 ? 4 : 3)],
    [ofMetrics, () => 2],
    [{ ...ofMetrics, instance: 'another' }, () => 2],
    [ofSet, () => 5],
  ]);
  const replicas = await readReplicas(storage, { start: T0, end: T0 + 10 * MINUTE });
  const of = (labels: Record<string, string>) => replicas.workloadOf(labelsOf(labels));
  expect(of({ namespace: 'shop', workload: 'web' })).toBe('shop/web');
  expect(of({ namespace: 'shop', pod: 'web-6d5f-x7k' })).toBe('shop/web');
  expect(of({ namespace: 'shop', pod: 'pay-api-6d5f-x7k' })).toBe('shop/pay-api');
  expect(of({ namespace: 'db', pod: 'pg-0' })).toBe('db/pg');
  expect(of({ namespace: 'db', pod: 'web-6d5f-x7k' })).toBeUndefined();
  expect(of({ app: 'web' })).toBeUndefined();
  expect(replicas.at('shop/web', T0 - 15 * MINUTE)).toBe(4);
  expect(replicas.at('shop/web', T0 + 5 * MINUTE)).toBe(3);
  expect(replicas.at('shop/web', T0 - DAY)).toBeUndefined();
});

test('readScrapedDeploys() tells new ReplicaSets of Deployments; what the pods tell, too, is told once', async () => {
  const made = (namespace: string, replicaset: string, at: number, job = 'ksm') =>
    [{ __name__: 'kube_replicaset_created', namespace, replicaset, job }, () => at / SECOND] as const;
  const owned = (namespace: string, replicaset: string, owner_name: string, owner_kind = 'Deployment') =>
    [
      { __name__: 'kube_replicaset_owner', namespace, replicaset, owner_name, owner_kind, job: 'ksm' },
      () => 1,
    ] as const;
  const storage = await storeOf([
    made('shop', 'web-6d5f', T0 - 2 * MINUTE),
    made('shop', 'web-6d5f', T0 - 2 * MINUTE, 'ksm-2'),
    owned('shop', 'web-6d5f', 'web'),
    made('shop', 'web-5c4e', T0 - DAY),
    owned('shop', 'web-5c4e', 'web'),
    made('shop', 'pay-7a', T0 - 3 * MINUTE),
    owned('shop', 'pay-7a', 'pay'),
    made('shop', 'other', T0 - MINUTE),
    owned('shop', 'other', 'x', 'Something'),
  ]);
  const scraped = await readScrapedDeploys(storage, { start: T0 - HOUR, end: T0 });
  const web = { namespace: 'shop', workload: 'web', revision: '6d5f', images: [], at: T0 - 2 * MINUTE };
  const pay = { namespace: 'shop', workload: 'pay', revision: '7a', images: [], at: T0 - 3 * MINUTE };
  expect([...scraped].sort((a, b) => a.at - b.at)).toEqual([pay, web]);
  const ofPods = { ...web, images: ['web:1.5'], at: web.at + SECOND };
  expect(mergedDeploys([ofPods], scraped)).toEqual([pay, ofPods]);
  expect(await readScrapedDeploys(await storeOf([]), { start: T0 - HOUR, end: T0 })).toEqual([]);
});
