import { createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import type { Message } from '../alerting/message.ts';
import type { EmailIntegration } from '../alerting/receiver.ts';
import { sendEmail } from './email.ts';

const MESSAGE: Message = {
  ...{ id: '1', tenant: 'acme', receiver: 'team', groupKey: 'g', status: 'firing', at: 0 },
  ...{ groupLabels: {}, commonLabels: {}, commonAnnotations: {}, alerts: [], truncatedAlerts: 0 },
};

/** A server that says a little again and again, and never what it was asked. */
async function withDripping(use: (port: number) => Promise<void>): Promise<void> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.write('220 here\r\n');
    const drip = setInterval(() => socket.write('250-more\r\n'), 20);
    socket.once('close', () => clearInterval(drip));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await use((server.address() as { port: number }).port);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

function integration(port: number, timeoutMs: number): EmailIntegration {
  return {
    ...{ kind: 'email', id: 'email[0]', sendResolved: true, timeoutMs, maxPerMinute: 60 },
    ...{ to: ['a@example.com'], from: 'b@example.com', smarthost: { host: '127.0.0.1', port }, security: 'none' },
    ...{ hello: 'here', authUsername: undefined, authPassword: undefined, headers: {} },
    ...{ tls: { ca: undefined, serverName: undefined, insecureSkipVerify: false } },
    ...{ subject: undefined, html: undefined, text: undefined },
  };
}

const text = { expand: (given: string) => given, externalUrl: 'http://here', saysTenant: false, onTemplateFault() {} };

test('a mail server that drips is left in the end, and at once when the program ends', async () => {
  await withDripping(async (port) => {
    const stop = new AbortController();
    const sending = { message: MESSAGE, id: '1', now: 0, signal: stop.signal, text };
    const late = await sendEmail(integration(port, 200), sending);
    expect(late).toMatchObject({ kind: 'failed', reason: 'timeout', retry: true });
    const pending = sendEmail(integration(port, 600_000), sending);
    stop.abort(new Error('it ends'));
    await expect(pending).rejects.toThrow('it ends');
  });
});
