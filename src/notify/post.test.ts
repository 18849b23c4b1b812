import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { secretsOf, type WebhookIntegration } from '../alerting/receiver.ts';
import { Secret } from '../model/secret.ts';
import { postJson } from './post.ts';

const tls = { ca: undefined, serverName: undefined, insecureSkipVerify: false };

/** What is said of a receiver that refuses, and answers with what it was sent. */
async function refusal(access: Partial<WebhookIntegration['access']>, echo: (said: string) => string): Promise<string> {
  const server = createServer((request, response) => {
    response.writeHead(400).end(echo(String(request.headers.authorization)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const full = { bearerToken: undefined, basicAuth: undefined, tls, ...access };
  const integration: WebhookIntegration = {
    ...{ kind: 'webhook', id: 'webhook[0]', sendResolved: true, timeoutMs: 5_000, maxPerMinute: 60 },
    ...{ url: new Secret(`http://127.0.0.1:${port}/`), signingKey: undefined, access: full },
  };
  const { signal } = new AbortController();
  const outcome = await postJson({
    ...{ url: integration.url.reveal(), body: '{}', access: full, timeoutMs: 5_000, now: 0, signal },
    secrets: secretsOf(integration),
  });
  server.close();
  server.closeAllConnections();
  return outcome.kind === 'failed' ? outcome.message : 'sent';
}

test('credentials that a receiver says again are hidden: the header, its base64, and a part that is cut off', async () => {
  const password = new Secret('correct horse battery');
  const basicAuth = { username: 'foresail', password };
  const coded = Buffer.from('foresail:correct horse battery').toString('base64');
  const whole = await refusal({ basicAuth }, (said) => `no: ${said}`);
  expect(whole).toBe('it answered 400: no: Basic <secret>');
  for (const at of [150, 170, 180, 190, 195]) {
    const cut = await refusal({ basicAuth }, (said) => 'x'.repeat(at) + said);
    expect(cut).not.toContain(coded.slice(0, 4));
    const bearer = await refusal({ bearerToken: password }, (said) => 'x'.repeat(at) + said);
    expect(bearer).not.toContain('corr');
  }
});
