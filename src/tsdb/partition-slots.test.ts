import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { PartitionName } from './partition-key.ts';
import { PartitionSlots } from './partition-slots.ts';

const NAME: PartitionName = { retention: 'raw', day: Date.parse('2026-08-03T00:00:00Z') };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foresail-slots-'));
});
afterEach(() => rm(folder, { recursive: true }));

test('drop() removes a partition where an earlier one of that name could not be removed as a whole', async () => {
  await using slots = await PartitionSlots.open({ folder, dataFolder: folder, seed: 1 });
  await slots.withNew(NAME, async () => {});
  await mkdir(join(folder, 'raw-2026-08-03.dropped', 'left'), { recursive: true });
  await slots.drop(NAME);
  expect(slots.names).toEqual([]);
  expect(await readdir(folder)).toEqual([]);
});

test('drop() removes a partition that cannot be opened, and is being asked for', async () => {
  await using slots = await PartitionSlots.open({ folder, dataFolder: folder, seed: 1 });
  await writeFile(join(folder, 'raw-2026-08-03'), 'a file where a folder should be');
  const asked = slots.withNew(NAME, async () => {}).catch((error: unknown) => error);
  await slots.drop(NAME);
  expect(await asked).toBeInstanceOf(Error);
  expect(await readdir(folder)).toEqual([]);
});
