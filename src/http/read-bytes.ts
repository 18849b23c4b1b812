import type { IncomingMessage } from 'node:http';
import { WireTooLargeError } from '../wire/errors.ts';

/**
 * A body as it was sent. To stop in the middle leaves the connection open for the answer.
 * @throws {WireTooLargeError} If it has more than `most` bytes.
 */
export async function readBytes(request: IncomingMessage, most: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
    length += part.length;
    if (length > most) throw new WireTooLargeError(`the request has more than ${most} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts, length);
}
