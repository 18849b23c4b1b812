import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openSentReader } from './sent-series.ts';

/** What the engine answers to the next request, in order; when none is left, 204 to writes and an empty vector. */
export interface ScriptedAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface ReceivedRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Of a write: its samples. */
  readonly samples: number;
  /** Of a question: its form. */
  readonly form: URLSearchParams;
}

/** An engine in trouble, as a real one cannot be made to be: it answers what it is told to. */
export interface ScriptedEngine extends AsyncDisposable {
  readonly url: string;
  readonly received: readonly ReceivedRequest[];
  /** Requests that were under way together, at most. */
  mostAtOnce(): number;
  answer(...answers: readonly ScriptedAnswer[]): void;
}

const EMPTY = JSON.stringify({ status: 'success', data: { resultType: 'vector', result: [] } });

export async function startScriptedEngine(): Promise<ScriptedEngine> {
  const readSent = await openSentReader();
  const received: ReceivedRequest[] = [];
  const script: ScriptedAnswer[] = [];
  let open = 0;
  let most = 0;
  const server = createServer((request, response) => {
    most = Math.max(most, ++open);
    response.once('close', () => open--);
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const body = Buffer.concat(parts);
      const isWrite = request.headers['content-encoding'] === 'snappy';
      const path = request.url ?? '';
      const query = path.includes('?') ? path.slice(path.indexOf('?') + 1) : body.toString('utf8');
      received.push({
        path,
        headers: request.headers,
        samples: isWrite ? readSent(body).reduce((sum, { times }) => sum + times.length, 0) : 0,
        form: isWrite ? new URLSearchParams() : new URLSearchParams(query),
      });
      const next = script.shift() ?? (isWrite ? { status: 204 } : { status: 200, body: EMPTY });
      response.writeHead(next.status, next.headers).end(next.body);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    mostAtOnce: () => most,
    answer: (...answers) => void script.push(...answers),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
