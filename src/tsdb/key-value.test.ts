import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { expect, onTestFinished, test, vi } from 'vitest';
import { StorageFullError } from '../storage/errors.ts';
import { LevelKeyValue } from './key-value.ts';

const put = (key: string) => [{ key, value: Uint8Array.of(1) }];

test('after a failed write the database is opened anew before the next one', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'foresail-kv-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await using keyValue = await LevelKeyValue.open(join(folder, 'state'), folder);
  await keyValue.write(put('before'));

  // The device is full once: only a real one tears the log (test/real/full-disk.test.ts).
  const full = vi.spyOn(ClassicLevel.prototype, 'batch').mockImplementationOnce(() => {
    throw new Error('No space left on device');
  });
  const opened = vi.spyOn(ClassicLevel.prototype, 'open');
  onTestFinished(() => {
    full.mockRestore();
    opened.mockRestore();
  });
  await expect(keyValue.write(put('failing'))).rejects.toThrow(StorageFullError);
  expect(opened).toHaveBeenCalledTimes(0);
  await keyValue.write(put('behind'));
  expect(opened).toHaveBeenCalledTimes(1);
  await keyValue.write(put('after'));
  expect(opened).toHaveBeenCalledTimes(1);
  const found = await Promise.all(['before', 'failing', 'behind', 'after'].map((key) => keyValue.read(key)));
  expect(found.map((value) => value !== undefined)).toEqual([true, false, true, true]);
});

test('writes that wait for one another are all there', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'foresail-kv-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await using keyValue = await LevelKeyValue.open(join(folder, 'state'), folder);
  await Promise.all(Array.from({ length: 50 }, (_, i) => keyValue.write(put(`k${i}`))));
  await keyValue.write([{ key: 'k7', value: undefined }]);
  const keys: string[] = [];
  for await (const [key] of keyValue.list({ gte: 'k', lt: 'l' })) keys.push(key);
  expect(keys).toHaveLength(49);
});

test('a database that could not be opened anew is opened by who reads next', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'foresail-kv-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await using keyValue = await LevelKeyValue.open(join(folder, 'state'), folder);
  await keyValue.write(put('before'));
  const full = vi.spyOn(ClassicLevel.prototype, 'batch').mockImplementationOnce(() => {
    throw new Error('No space left on device');
  });
  const opened = vi.spyOn(ClassicLevel.prototype, 'open').mockImplementationOnce(() => {
    throw new Error('No space left on device');
  });
  onTestFinished(() => {
    full.mockRestore();
    opened.mockRestore();
  });
  await expect(keyValue.write(put('failing'))).rejects.toThrow(StorageFullError);
  await expect(keyValue.write(put('behind'))).rejects.toThrow(StorageFullError);
  const [first, second] = await Promise.all([keyValue.read('before'), keyValue.read('before')]);
  expect([first?.[0], second?.[0]]).toEqual([1, 1]);
  await keyValue.write(put('after'));
  expect(await keyValue.read('after')).toBeDefined();
});
