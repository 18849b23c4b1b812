import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SHIPPED_VERSION, type VersionScores } from '../forecast/regressor/model-version.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { loadRegressorFrom, readModelBytes, SHIPPED_MODEL } from './load-regressor.ts';
import { openModelVersions, versionsFolder } from './model-versions.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foresail-models-'));
});
afterEach(() => rm(folder, { recursive: true }));

function scored(digest: string): VersionScores {
  const scores = { candidate: 0.2, current: 0.21, lastValue: 0.3, series: 2, rows: 10, epochs: 1 };
  return { trainedAt: 1000, digest, against: SHIPPED_VERSION, scores };
}

test('versions are numbered, kept with their scores, put in force and rolled back', async () => {
  const versions = openModelVersions(folder);
  const bytes = await readModelBytes(SHIPPED_MODEL);
  expect(await versions.current()).toBe('shipped');
  expect(await versions.add(bytes, scored('a'), true)).toBe('v1');
  expect(await versions.add(bytes, scored('b'), false)).toBe('v2');
  expect(await versions.current()).toBe('v1');
  expect(await versions.rollback('v2')).toBe('v2');
  const again = openModelVersions(folder);
  expect((await again.list()).map(({ name, isCurrent, scores }) => [name, isCurrent, scores?.digest])).toEqual([
    ['shipped', false, undefined],
    ['v1', false, 'a'],
    ['v2', true, 'b'],
  ]);
  expect(await again.rollback()).toBe('v1');
  expect(await again.rollback()).toBe('shipped');
  expect(await again.rollback()).toBe('shipped');
  await expect(again.rollback('v9')).rejects.toMatchObject({ code: 'unusable_model' });
  expect(await again.read('v1')).toEqual(bytes);
});

test('a pointer to a version that is gone falls back to the shipped network', async () => {
  const versions = openModelVersions(folder);
  await versions.add(await readModelBytes(SHIPPED_MODEL), scored('a'), true);
  await rm(join(folder, 'versions', 'v1'), { recursive: true });
  expect(await versions.current()).toBe('shipped');
});

test('a tenant has a folder of its own', () => {
  expect(versionsFolder('/data', DEFAULT_TENANT)).toBe('/data/models/default');
});

test('the shipped network loads and answers', async () => {
  const loaded = await loadRegressorFrom(SHIPPED_MODEL);
  if (loaded.kind !== 'loaded') throw new Error(loaded.message);
  expect(loaded.regressor.backend).toBe('wasm');
});

test.each([
  { name: 'missing', damage: () => rm(join(folder, 'weights.bin')) },
  {
    name: 'damaged',
    damage: async () => {
      const weights = await readFile(join(folder, 'weights.bin'));
      weights[1000]! ^= 1;
      await writeFile(join(folder, 'weights.bin'), weights);
    },
  },
])('a $name model file is a reason, not an exception', async ({ damage }) => {
  for (const file of ['model.json', 'weights.bin']) await cp(join(SHIPPED_MODEL, file), join(folder, file));
  await damage();
  expect(await loadRegressorFrom(folder)).toMatchObject({ kind: 'unusable', code: 'unusable_model' });
});
