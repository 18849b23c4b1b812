import type { Clock } from '../model/clock.ts';
import type { OutgoingSeries } from '../wire/encode-write-request.ts';
import { encodeWriteRequest } from '../wire/encode-write-request.ts';
import { encodeSnappy } from '../wire/snappy.ts';

export interface RemoteWriteOptions {
  /** The server's address, such as `http://127.0.0.1:7070`. */
  readonly url: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const ATTEMPTS = 6;

/**
 * Sends samples through the server's remote-write endpoint, as Prometheus would. Resolves once they are durable.
 * @throws {Error} If the server refuses them, or cannot take them after several attempts.
 */
export async function remoteWrite(series: readonly OutgoingSeries[], options: RemoteWriteOptions): Promise<void> {
  const body = encodeSnappy(encodeWriteRequest(series));
  for (let attempt = 1; ; attempt++) {
    const response = await post(body, options);
    if (response.ok) {
      await response.arrayBuffer();
      return;
    }
    const text = (await response.text()).trim();
    const mayPass = response.status === 429 || response.status >= 500;
    if (!mayPass || attempt === ATTEMPTS) {
      throw new Error(`cannot send the demo's samples: the server answered ${response.status} (${text})`);
    }
    const afterSeconds = Number(response.headers.get('retry-after') ?? '');
    await options.clock.sleep(afterSeconds > 0 ? afterSeconds * 1000 : 250 * 2 ** attempt, options.signal);
  }
}

function post(body: Uint8Array, { url, signal }: RemoteWriteOptions): Promise<Response> {
  return fetch(`${url}/api/v1/write`, {
    method: 'POST',
    headers: {
      'content-encoding': 'snappy',
      'content-type': 'application/x-protobuf',
      'x-prometheus-remote-write-version': '0.1.0',
      'user-agent': 'foresail-demo',
    },
    body,
    signal,
  });
}
