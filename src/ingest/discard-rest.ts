import type { IncomingMessage } from 'node:http';
import { freePieces } from './free-pieces.ts';
import { pauses } from './read-body.ts';

/** Of a body that was refused before its end; a sender with more to say is cut off. */
const MAX_DISCARDED_BYTES = 256 << 20;

/**
 * Senders read the answer after they wrote everything: closing at once would hide it behind a reset connection.
 * @param turn Waited for between parts: nobody else shall wait for what nobody wants.
 */
export function discardRest(request: IncomingMessage, turn: () => Promise<void>): void {
  if (request.complete) return;
  let left = MAX_DISCARDED_BYTES;
  const pause = pauses(request, turn);
  request.on('data', (chunk: Buffer) => {
    const { length } = chunk;
    left -= length;
    freePieces([chunk]);
    if (left < 0) request.destroy();
    else pause(length);
  });
  request.resume();
}
