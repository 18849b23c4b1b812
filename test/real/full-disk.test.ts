import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { LevelKeyValue } from '../../src/tsdb/key-value.ts';
import { encodeWriteRequest } from '../../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../../src/wire/snappy.ts';
import { startServe } from '../serve-process.ts';

/** A device of 40 MB that really runs full. Mounting one needs to be root. */
const device = mkdtempSync(join(tmpdir(), 'foresail-full-'));
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=40m', 'tmpfs', device]).status === 0;
const filler = join(device, 'filler');
afterAll(() => {
  if (mounted) spawnSync('umount', [device]);
  rmSync(device, { recursive: true, force: true });
});

interface QueryAnswer {
  readonly data: { readonly result: readonly { readonly values: readonly (readonly [number, string])[] }[] };
}

test.skipIf(!mounted)('a store on a full device refuses, and goes on by itself once there is room', async () => {
  const folder = join(device, 'data');
  const first = Date.now() - 3_600_000;
  let server = await startServe(folder);
  let next = 0;
  const acknowledged: number[] = [];
  const send = async (count: number) => {
    const ks = Array.from({ length: count }, (_, i) => next + i);
    next += count;
    const times = ks.map((k) => first + k);
    const series = { labels: [['__name__', 'm']] as const, times, values: Float64Array.from(ks) };
    const body = new Uint8Array(encodeSnappy(encodeWriteRequest([series])));
    const { status } = await fetch(`${server.url}/api/v1/write`, { method: 'POST', body });
    if (status === 204) acknowledged.push(...ks);
    return status;
  };
  writeFileSync(filler, new Uint8Array(36 << 20));
  let status = 204;
  for (let i = 0; i < 1_000 && status === 204; i++) status = await send(2_000);
  expect([status, await send(20), await send(20)]).toEqual([503, 503, 503]);
  rmSync(filler);
  expect([await send(20), await send(20)]).toEqual([204, 204]);
  await server.kill();
  server = await startServe(folder);
  const parameters = new URLSearchParams({ query: 'm[2h]', time: String(Date.now() / 1_000) });
  const answer = (await (await fetch(`${server.url}/api/v1/query?${parameters}`)).json()) as QueryAnswer;
  const found = new Set(answer.data.result[0]?.values.map(([seconds]) => Math.round(seconds * 1_000) - first));
  expect(acknowledged.filter((k) => !found.has(k))).toEqual([]);
  await server.kill();
  rmSync(folder, { recursive: true });
});

test.skipIf(!mounted)('what the state acknowledges after a full device is there after a restart', async () => {
  const folder = join(device, 'state');
  const value = Uint8Array.from({ length: 50_000 }, (_, i) => Math.imul(i, 2_654_435_761) >>> 24);
  const acknowledged: string[] = [];
  {
    await using keyValue = await LevelKeyValue.open(folder, device);
    const write = async (key: string) => {
      await keyValue.write([{ key, value }]);
      acknowledged.push(key);
    };
    writeFileSync(filler, new Uint8Array(37 << 20));
    const untilFull = async () => {
      for (let i = 0; i < 200; i++) await write(`full ${i}`);
    };
    await expect(untilFull()).rejects.toThrow('No space left on device');
    await expect(write('again')).rejects.toThrow('must be free');
    expect(new Uint8Array((await keyValue.read('full 0'))!)).toEqual(value);
    rmSync(filler);
    for (let i = 0; i < 3; i++) await write(`after ${i}`);
  }
  await using reopened = await LevelKeyValue.open(folder, device);
  for (const key of acknowledged) {
    expect(Buffer.compare((await reopened.read(key)) ?? new Uint8Array(), value), key).toBe(0);
  }
  expect(acknowledged).toContain('after 2');
});

test.skipIf(!mounted)('a read-only device is refused at a start, and nothing is lost on it', async () => {
  const folder = join(device, 'read-only');
  const remount = (how: string) => expect(spawnSync('mount', ['-o', `remount,${how}`, device]).status).toBe(0);
  const send = async (url: string, name: string) => {
    const series = { labels: [['__name__', name]] as const, times: [Date.now()], values: Float64Array.of(1) };
    const body = new Uint8Array(encodeSnappy(encodeWriteRequest([series])));
    return (await fetch(`${url}/api/v1/write`, { method: 'POST', body })).status;
  };
  const namesAt = async (url: string) =>
    ((await (await fetch(`${url}/api/v1/label/__name__/values`)).json()) as { readonly data: unknown }).data;
  {
    await using server = await startServe(folder);
    expect(await send(server.url, 'before')).toBe(204);
  }
  remount('ro');
  try {
    await expect(startServe(folder)).rejects.toThrow(/cannot open the data folder .*read-only|Read-only/i);
  } finally {
    remount('rw');
  }
  await using server = await startServe(folder);
  expect(await namesAt(server.url)).toEqual(['before']);
  expect(await send(server.url, 'after')).toBe(204);
  expect(await namesAt(server.url)).toEqual(['after', 'before']);
});
