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

let program: RunningProgram;
beforeAll(async () => {
  program = await startProgram();
});
afterAll(() => program?.[Symbol.asyncDispose]());

async function textOf(path: string, init?: RequestInit): Promise<string> {
  return await (await fetch(`${program.url}${path}`, init)).text();
}

test('a policy whose target cannot be read shows its trouble on the page, in the status and as a metric', async () => {
  const put = await fetch(`${program.url}/api/v1/policies/shop/checkout`, { method: 'PUT', body: POLICY });
  expect(put.status).toBe(201);
  // The scale loop looks every 15 s.
  await expect.poll(() => textOf('/'), { timeout: 240_000, interval: 500 }).toContain(TROUBLE);
  const { data } = JSON.parse(await textOf('/api/v1/status'));
  expect(data.workloads).toMatchObject([{ state: 'unreachable', troubles: [expect.stringContaining(TROUBLE)] }]);
  await expect
    .poll(() => textOf('/metrics'), { timeout: 240_000, interval: 500 })
    .toContain('foresail_policy_troubles{namespace="shop",policy="checkout"} 1');
  await fetch(`${program.url}/api/v1/policies/shop/checkout`, { method: 'DELETE' });
});

test('a second server at the same address says so in one line', async () => {
  const { host } = new URL(program.url);
  await expect(startProgram(['--listen', host])).rejects.toThrow(
    `ended with 1:\ncannot listen at ${host}: something else listens there; name another address with --listen\n`,
  );
});
