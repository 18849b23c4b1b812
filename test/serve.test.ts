import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningProgram, startProgram } from './program.ts';

/** The program as it is served without a cluster. */

const POLICY = `
apiVersion: foresail.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: checkout, namespace: shop}
spec:
  target: {name: checkout}
  demand: {query: 'sum(rate(http_requests_total[2m]))', capacity: {perReplica: 120}}
  replicas: {min: 2, max: 60}
`;
const TROUBLE = 'no cluster is configured';

let folder: string;
let program: RunningProgram;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foresail-serve-'));
  const settings = join(folder, 'foresail.yaml');
  await writeFile(settings, 'loops: {scale: 1s}\n');
  program = await startProgram(['--config', settings]);
});
afterAll(async () => {
  await program?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function textOf(path: string, init?: RequestInit): Promise<string> {
  return await (await fetch(`${program.url}${path}`, init)).text();
}

test('a policy whose target cannot be read shows its trouble on the page, in the status and as a metric', async () => {
  const put = await fetch(`${program.url}/api/v1/policies/shop/checkout`, { method: 'PUT', body: POLICY });
  expect(put.status).toBe(201);
  const wait = { timeout: 240_000, interval: 100 };
  await expect.poll(() => textOf('/'), wait).toContain(TROUBLE);
  await expect
    .poll(async () => JSON.parse(await textOf('/api/v1/status')).data.workloads, wait)
    .toMatchObject([{ state: 'unreachable', troubles: [expect.stringContaining(TROUBLE)] }]);
  await expect
    .poll(() => textOf('/metrics'), wait)
    .toContain('foresail_policy_troubles{namespace="shop",policy="checkout"} 1');
  await fetch(`${program.url}/api/v1/policies/shop/checkout`, { method: 'DELETE' });
});

test('a second server at the same address says so in one line', async () => {
  const { host } = new URL(program.url);
  await expect(startProgram(['--listen', host])).rejects.toThrow(
    `ended with 1:\ncannot listen at ${host}: something else listens there; name another address with --listen\n`,
  );
});
