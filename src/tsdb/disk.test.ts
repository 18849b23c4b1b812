import { link, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { folderBytes, nodeDisk } from './disk.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'foresail-disk-'));
});
afterEach(() => rm(dir, { recursive: true }));

test('folderBytes() counts a file with several names once', async () => {
  await mkdir(join(dir, 'partitions'));
  await mkdir(join(dir, 'snapshots'));
  await writeFile(join(dir, 'partitions', '1.ldb'), 'x'.repeat(1_000));
  await writeFile(join(dir, 'partitions', 'LOG'), 'x'.repeat(100));
  for (const name of ['a', 'b']) {
    await link(join(dir, 'partitions', '1.ldb'), join(dir, 'snapshots', name));
    await writeFile(join(dir, 'snapshots', `${name}.copy`), 'x'.repeat(10));
  }
  expect(await folderBytes(dir)).toBe(1_120);
  expect(await folderBytes(join(dir, 'snapshots'))).toBe(1_020);
});

test('truncate() cuts a file under one name alone: what has another one, such as a snapshot, keeps all of it', async () => {
  const [log, linked] = [join(dir, '1.log'), join(dir, 'linked.log')];
  await writeFile(log, 'whole and torn');
  await link(log, linked);
  await nodeDisk.truncate(log, 5);
  expect([await readFile(log, 'utf8'), await readFile(linked, 'utf8')]).toEqual(['whole', 'whole and torn']);
  expect((await stat(log)).nlink).toBe(1);
  await nodeDisk.truncate(log, 2);
  expect(await readFile(log, 'utf8')).toBe('wh');
  expect((await readdir(dir)).sort()).toEqual(['1.log', 'linked.log']);
});
