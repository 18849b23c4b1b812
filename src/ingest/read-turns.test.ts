import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as nextPass } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { TIER_LIMITS } from '../model/tenant-limits.ts';
import { openIntake } from './intake.ts';
import { newBodyBudget, readBody } from './read-body.ts';
import { type WriteHandlerDeps, writeHandler } from './write-handler.ts';

const BODY_BYTES = 16 << 20;

async function serve(handler: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

test('readBody() leaves a long body with its sender until it is its turn', async () => {
  const budget = newBodyBudget(64 << 20);
  const seen: number[] = [];
  let open = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  await using server = await serve(async (incoming, response) => {
    const turn = () => {
      seen.push((64 << 20) - budget.left);
      return gate;
    };
    using body = await readBody(incoming, BODY_BYTES, budget, turn);
    response.end(String(body.received));
  });
  const sent = request({ port: server.port, method: 'POST', headers: { 'content-length': BODY_BYTES } });
  sent.end(Buffer.alloc(BODY_BYTES, 7));
  while (seen.length === 0) await nextPass();
  for (let pass = 0; pass < 200; pass++) await nextPass();
  expect((64 << 20) - budget.left).toBe(seen[0]);
  expect(seen[0]).toBeLessThanOrEqual(192 * 1024);
  open();
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  const [text] = (await once(answer, 'data')) as [Buffer];
  expect(text.toString()).toBe(String(BODY_BYTES));
  expect(seen.length).toBeGreaterThan(60);
});

test('a sender over its rate reads 429 before its body is read, and no reset', async () => {
  const limits = { ...TIER_LIMITS.enterprise, request_rate: 1, request_burst_size: 1 };
  const intake = openIntake({ limitsOf: () => limits, now: () => 0 });
  (await intake.admit(DEFAULT_TENANT))[Symbol.dispose]();
  const answers: unknown[] = [];
  const nothing = {} as Pick<WriteHandlerDeps, 'storage' | 'labels'>;
  await using server = await serve(
    writeHandler({
      ...nothing,
      intake,
      callerOf: () => ({ tenant: DEFAULT_TENANT }),
      onAnswer: ({ status, refusal, receivedBytes }) => answers.push({ status, refusal, receivedBytes }),
    }),
  );
  const headers = { 'content-type': 'application/x-protobuf', 'content-length': BODY_BYTES };
  const sent = request({ port: server.port, path: '/', method: 'POST', headers });
  // Half of it is kept back: the answer does not wait for a body that nobody wants.
  sent.write(Buffer.alloc(BODY_BYTES / 2));
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  expect(answer.statusCode).toBe(429);
  expect(answer.headers['retry-after']).toBe('1');
  const text = Buffer.concat(await answer.toArray()).toString();
  expect(text).toContain('err-mimir-tenant-max-request-rate');
  sent.destroy();
  expect(answers).toEqual([{ status: 429, refusal: 'request_rate_limited', receivedBytes: 0 }]);
});
