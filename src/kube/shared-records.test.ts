import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { SHARED_TOPICS } from '../model/shared-records.ts';
import { simClock } from '../testing/sim-clock.ts';
import type { KubeAnswer, KubeCall } from './api.ts';
import { openSharedRecords, SPREAD } from './shared-records.ts';

interface Stored {
  readonly metadata: { readonly name: string; resourceVersion: string };
  data: Record<string, string>;
}

/** An API server's ConfigMaps: merge patches, versions, and a limit on rights. */
function world() {
  const objects = new Map<string, Stored>();
  const state = { version: 0, forbidden: false };
  const answer = (status: number, body: unknown): KubeAnswer => ({ status, body: structuredClone(body) });

  async function request({ method, path, body }: KubeCall): Promise<KubeAnswer> {
    if (state.forbidden) return answer(403, { message: 'configmaps is forbidden' });
    const name = path.split('/')[6];
    if (method === 'GET') return answer(200, { items: [...objects.values()], metadata: {} });
    const { metadata, data } = body as { metadata?: { name: string }; data: Record<string, string | null> };
    if (method === 'POST') {
      if (objects.has(metadata!.name)) return answer(409, { message: 'exists' });
      const made = { metadata: { name: metadata!.name, resourceVersion: String(++state.version) }, data } as Stored;
      objects.set(made.metadata.name, made);
      return answer(201, made);
    }
    const object = objects.get(name!);
    if (object === undefined) return answer(404, { message: 'not found' });
    for (const [entry, value] of Object.entries(data)) {
      if (value === null) delete object.data[entry];
      else object.data[entry] = value;
    }
    object.metadata.resourceVersion = String(++state.version);
    return answer(200, object);
  }

  const open = () =>
    openSharedRecords({
      api: { request, stream: () => Promise.reject(new Error('no watch here')) },
      ...{ clock: simClock(0), random: () => 0, namespace: 'ops', group: 'foresail', onFailure() {} },
    });
  return { open, objects, state };
}

test('what one writes another one reads, and neither loses what the other wrote to the same object', async () => {
  const { open, objects } = world();
  const [a, b] = [open(), open()];
  await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      (i % 2 === 0 ? a : b).write([{ topic: 'silences', key: `acme/${i}`, text: `{"i":${i}}` }]),
    ),
  );
  await a.write([{ topic: 'silences', key: 'acme/3', text: undefined }]);
  await b.refresh();
  expect([...b.list('silences').keys()].sort()).toEqual(
    Array.from({ length: 20 }, (_, i) => `acme/${i}`)
      .filter((key) => key !== 'acme/3')
      .sort(),
  );
  expect(b.list('silences').get('acme/4')).toBe('{"i":4}');
  expect(b.list('alerts').size).toBe(0);
  expect(objects.size).toBe(SPREAD.silences);
});

test('what there is no room for is said, and the rest is written', async () => {
  const { open } = world();
  const records = open();
  const large = 'x'.repeat(500_000);
  const keys = ['a/1', 'a/2'];
  const full = await records.write(keys.map((key) => ({ topic: 'reports', key, text: large }) as const));
  expect(full).toEqual(['a/2']);
  expect([...records.list('reports').keys()]).toEqual(['a/1']);
  // What becomes smaller, or goes, makes room.
  expect(await records.write([{ topic: 'reports', key: 'a/1', text: 'y' }])).toEqual([]);
  expect(await records.write([{ topic: 'reports', key: 'a/2', text: large }])).toEqual([]);
});

test('room is counted in bytes, as the API server does', async () => {
  const records = world().open();
  const change = { topic: 'reports', key: 'a/1', text: '漢'.repeat(400_000) } as const;
  expect(await records.write([change])).toEqual(['a/1']);
});

test('what is forbidden is said, until it is not', async () => {
  const { open, state } = world();
  const records = open();
  state.forbidden = true;
  const write = () => records.write([{ topic: 'silences', key: 'acme/1', text: '{}' }]);
  await expect(write()).rejects.toMatchObject({ code: 'not_shared' });
  await expect(records.refresh()).rejects.toMatchObject({ code: 'not_shared' });
  expect(records.problems().join()).toContain('configmaps is forbidden');
  state.forbidden = false;
  await write();
  expect(records.problems()).toEqual([]);
});

test('the manifests name each object that may be changed', () => {
  const text = readFileSync('deploy/manifests/20-foresail.yaml', 'utf8');
  const named = [...text.matchAll(/^ +- (foresail-foresail-\w+-\d+)$/gm)].map(([, name]) => name).sort();
  const made = SHARED_TOPICS.flatMap((topic) =>
    Array.from({ length: SPREAD[topic] }, (_, i) => `foresail-foresail-${topic}-${i}`),
  );
  expect(named).toEqual(made.sort());
});
