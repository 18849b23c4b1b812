import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { encodeWriteRequest } from '../../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../../src/wire/snappy.ts';
import { type ServeProcess, startServe } from '../serve-process.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'dist', 'main.js');
/** In a data folder and in no snapshot of it: they are made anew, or are snapshots themselves. */
const NOT_IN_SNAPSHOTS = ['snapshots', 'external-metrics', 'demo.json'];

const folder = mkdtempSync(join(tmpdir(), 'foresail-folder-'));
const data = join(folder, 'data');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function run(...words: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const child = spawn(process.execPath, [MAIN, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk) => (out += chunk));
  child.stderr.on('data', (chunk) => (err += chunk));
  const [code] = await once(child, 'close');
  return { code, out, err };
}

async function send({ url }: ServeProcess, name: string): Promise<void> {
  const series = { labels: [['__name__', name]] as const, times: [Date.now()], values: Float64Array.of(42) };
  const body = new Uint8Array(encodeSnappy(encodeWriteRequest([series])));
  expect((await fetch(`${url}/api/v1/write`, { method: 'POST', body })).status).toBe(204);
}

async function namesIn({ url }: ServeProcess): Promise<unknown> {
  const response = await fetch(`${url}/api/v1/label/__name__/values`);
  return ((await response.json()) as { readonly data: unknown }).data;
}

test('a second process is refused the data folder, and says why', async () => {
  await using _first = await startServe(data);
  await expect(startServe(data)).rejects.toThrow(/cannot open the data folder .*: another process is using it/);
});

test('a snapshot that is taken by command is restored after a kill, and refused where it is damaged', async () => {
  let name: string;
  {
    await using server = await startServe(data);
    await send(server, 'before');
    const { code, out } = await run('snapshot', '--json', '--url', server.url);
    expect(code).toBe(0);
    ({ name } = JSON.parse(out));
    await send(server, 'after');
    await server.kill();
  }
  const snapshot = join(data, 'snapshots', name);
  const taken = readdirSync(snapshot);
  // A part of the store that is added must be in snapshots too.
  for (const entry of readdirSync(data)) expect([...taken, ...NOT_IN_SNAPSHOTS]).toContain(entry);

  const restored = join(folder, 'restored');
  expect(await run('restore', snapshot, '--check')).toMatchObject({
    code: 0,
    out: expect.stringContaining('is whole'),
  });
  const answer = await run('restore', snapshot, '--data', restored, '--json');
  expect(answer.code).toBe(0);
  expect(JSON.parse(answer.out)).toMatchObject({ files: expect.any(Number), bytes: expect.any(Number) });
  {
    await using server = await startServe(restored);
    expect(await namesIn(server)).toEqual(['before']);
  }

  const again = await run('restore', snapshot, '--data', restored);
  expect(again).toMatchObject({ code: 1, err: expect.stringMatching(/it is not empty; name a new folder/) });
  const [segment] = readdirSync(join(snapshot, 'log'));
  const bytes = readFileSync(join(snapshot, 'log', segment!));
  bytes[bytes.length >> 1]! ^= 1;
  rmSync(join(snapshot, 'log', segment!));
  writeFileSync(join(snapshot, 'log', segment!), bytes);
  const damaged = await run('restore', snapshot, '--data', join(folder, 'other'));
  expect(damaged).toMatchObject({ code: 1, err: expect.stringMatching(/was changed; take another copy of it/) });
  expect(await run('restore', snapshot)).toMatchObject({ code: 2, err: expect.stringMatching(/either --data/) });
  expect((await run('snapshot', '--url', 'http://127.0.0.1:9')).code).toBe(1);
});
