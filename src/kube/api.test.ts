import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type KubeApi, openKubeApi, withDeadline } from './api.ts';
import { KubernetesApiError, LeaseLostError } from './errors.ts';

/** Answers reads at once and writes never. */
describe('a call that may change something', () => {
  const folder = mkdtempSync(join(tmpdir(), 'foresail-api-'));
  const received: string[] = [];
  const server = createServer((request, response) => {
    received.push(request.method!);
    if (request.method === 'GET') response.end('{}');
  });
  let api: KubeApi;

  beforeAll(async () => {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const kubeconfig = join(folder, 'kubeconfig.json');
    const cluster = {
      'insecure-skip-tls-verify': true,
      server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    };
    writeFileSync(
      kubeconfig,
      JSON.stringify({
        'current-context': 'test',
        contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
        clusters: [{ name: 'test', cluster }],
        users: [{ name: 'test', user: {} }],
      }),
    );
    api = await openKubeApi({ kubeconfig });
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  });

  test('is not sent once there is no time for it, over a connection that stands as over a new one', async () => {
    const late = withDeadline(api, () => 0);
    for (const connection of ['new', 'standing']) {
      await expect(late.request({ method: 'PATCH', path: '/x', body: {} }), connection).rejects.toThrow(LeaseLostError);
      expect((await late.request({ method: 'GET', path: '/x' })).status).toBe(200);
    }
    expect(received).toEqual(['GET', 'GET']);
  });

  test('is given up once its time is over', async () => {
    const call = withDeadline(api, () => 50).request({ method: 'PATCH', path: '/x', body: {} });
    await expect(call).rejects.toThrow(KubernetesApiError);
    await expect(call).rejects.toThrow('no answer before the lease had to be renewed');
    expect(received.filter((method) => method === 'PATCH').length).toBe(1);
  });
});
