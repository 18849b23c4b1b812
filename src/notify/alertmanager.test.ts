import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import type { MessageAlert } from '../alerting/message.ts';
import { sendToInstance } from './alertmanager.ts';

const named = (of: number): MessageAlert => ({
  ...{ status: 'firing', labels: { alertname: 'A', of: String(of) }, annotations: {}, startsAt: 0 },
  ...{ generatorUrl: '', fingerprint: String(of) },
});

test('an alert that an Alertmanager refuses keeps none of the others from it', async () => {
  const taken = new Set<string>();
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (part) => {
      text += part;
    });
    request.on('end', () => {
      const ofs = (JSON.parse(text) as { labels: { of: string } }[]).map(({ labels }) => labels.of);
      response.statusCode = ofs.includes('3') ? 422 : 200;
      if (response.statusCode === 200) for (const of of ofs) taken.add(of);
      response.end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const access = {
      ...{ bearerToken: undefined, basicAuth: undefined },
      tls: { ca: undefined, serverName: undefined, insecureSkipVerify: false },
    };
    const outcome = await sendToInstance(
      url,
      {
        ...{ kind: 'alertmanager', id: 'alertmanager[0]', sendResolved: true, timeoutMs: 10_000, maxPerMinute: 60 },
        ...{ urls: [url], access },
      },
      {
        ...{ alerts: Array.from({ length: 1_100 }, (_, i) => named(i)), until: 1, now: 0 },
        signal: new AbortController().signal,
      },
    );
    expect(outcome).toMatchObject({ kind: 'failed', reason: 'refused', retry: false });
    expect(taken.size).toBe(1_099);
  } finally {
    server.close();
  }
});
