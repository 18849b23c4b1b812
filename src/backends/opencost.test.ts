import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type OpenCostServer, openOpenCost } from '../testing/opencost.ts';
import { readAllocations } from './opencost.ts';

const HOUR = Date.UTC(2026, 5, 1, 7);
const web = { namespace: 'shop', controller: 'web', controllerKind: 'deployment' };

let server: OpenCostServer;
beforeAll(async () => {
  server = await openOpenCost({
    podsIn: () => [
      { ...web, cpuCost: 0.04, ramCost: 0.01 },
      { ...web, cpuCost: 0.04, ramCost: 0.01, pvCost: 0.002, minutes: 30 },
      // A StatefulSet of the same name: its pods are replicas of that name too.
      { ...web, controllerKind: 'statefulset', cpuCost: 0.1, ramCost: 0.05 },
      { namespace: 'shop', controller: 'web', controllerKind: 'job', cpuCost: 0.5, ramCost: 0, minutes: 15 },
      { namespace: 'shop', cpuCost: 0.003, ramCost: 0.001 },
      {
        namespace: 'kube-system',
        controller: 'agent',
        controllerKind: 'daemonset',
        cpuCost: 0.02,
        ramCost: Number.NaN,
      },
      { namespace: '__unmounted__', cpuCost: 0, ramCost: 0, pvCost: 0.07 },
    ],
    idleIn: () => 0.25,
  });
});
afterAll(async () => await server[Symbol.asyncDispose]());
afterEach(() => {
  server.manner = 'well';
});

const read = (more: { readonly tokenFile?: string; readonly timeoutMs?: number } = {}) =>
  readAllocations(
    { url: server.url, tokenFile: undefined, timeoutMs: 5_000, ...more },
    HOUR,
    new AbortController().signal,
  );

test('an hour is read whole: workloads, other controllers, pods on their own, idle and unmounted cost', async () => {
  const { workloads, overheads } = await read();
  expect(workloads).toEqual([
    { namespace: 'shop', workload: 'web', cost: expect.closeTo(0.252, 9), hours: 1 },
    { namespace: 'shop', workload: 'job:web', cost: 0.5, hours: 0.25 },
    { namespace: 'shop', workload: '__unallocated__', cost: 0.004, hours: 1 },
    // Its memory is not known, and null: what is known counts.
    { namespace: 'kube-system', workload: 'daemonset:agent', cost: 0.02, hours: 1 },
  ]);
  expect(overheads).toEqual([
    { name: '__unmounted__', cost: 0.07 },
    { name: '__idle__', cost: 0.25 },
  ]);
  const query = Object.fromEntries(server.asked.at(-1)!);
  expect(query).toMatchObject({
    window: '2026-06-01T07:00:00Z,2026-06-01T08:00:00Z',
    aggregate: 'namespace,controller',
    includeIdle: 'true',
  });
});

test('an hour of which it has nothing is empty', async () => {
  server.manner = 'empty';
  expect(await read()).toEqual({ workloads: [], overheads: [] });
});

test.each([
  { manner: 'error', message: 'status 500: Error: no data in Prometheus' },
  { manner: 'garbage', message: 'it is no list of allocations' },
  { manner: 'hangs', message: 'cannot ask OpenCost' },
] as const)('what it answers when it $manner is told', async ({ manner, message }) => {
  server.manner = manner;
  await expect(read({ timeoutMs: 300 })).rejects.toMatchObject({
    code: 'engine_answer',
    message: expect.stringContaining(message),
  });
});

test('the token is read anew each time, and is in no message', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'foresail-opencost-'));
  const tokenFile = join(folder, 'token');
  writeFileSync(tokenFile, 'secret-of-ours\n');
  server.manner = 'error';
  await expect(read({ tokenFile })).rejects.toMatchObject({ message: expect.not.stringContaining('secret') });
  rmSync(folder, { recursive: true });
  await expect(read({ tokenFile })).rejects.toMatchObject({ code: 'ENOENT' });
});
