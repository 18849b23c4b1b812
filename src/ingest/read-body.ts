import type { IncomingMessage } from 'node:http';

/** Bytes that all bodies in flight may hold together. */
export interface BodyBudget {
  left: number;
}

export function newBodyBudget(bytes: number): BodyBudget {
  return { left: bytes };
}

/** Takes a share of the budget until it is disposed of. `undefined` where there is no such share. */
export function takeShare(budget: BodyBudget, bytes: number): Disposable | undefined {
  if (bytes > budget.left) return undefined;
  budget.left -= bytes;
  return {
    [Symbol.dispose]: () => {
      budget.left += bytes;
    },
  };
}

/** A body and its share of the budget, which disposing gives back. `received` counts what was read of it. */
export type Body = Disposable & { readonly received: number } & (
    | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
    | { readonly kind: 'too-large' }
    /** The budget is used up. */
    | { readonly kind: 'no-room' }
  );

/**
 * Reads a body of at most `maxBytes`, whatever its Content-Length says or omits. Reading stops at the bound.
 * @throws If the sender goes away first.
 */
export function readBody(request: IncomingMessage, maxBytes: number, budget: BodyBudget): Promise<Body> {
  const announced = Number(request.headers['content-length'] ?? 0);
  let held = 0;
  const release = () => {
    budget.left += held;
    held = 0;
  };
  if (announced > maxBytes) return Promise.resolve({ kind: 'too-large', received: 0, [Symbol.dispose]: release });
  if (announced > budget.left) return Promise.resolve({ kind: 'no-room', received: 0, [Symbol.dispose]: release });
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    // The rest is read and thrown away by whoever answers.
    const stop = (kind: 'too-large' | 'no-room') => {
      request.off('data', take);
      release();
      resolve({ kind, received: length, [Symbol.dispose]: release });
    };
    const take = (chunk: Buffer) => {
      length += chunk.length;
      if (length > maxBytes) return stop('too-large');
      if (chunk.length > budget.left) return stop('no-room');
      budget.left -= chunk.length;
      held += chunk.length;
      chunks.push(chunk);
    };
    request.on('data', take);
    request.once('end', () => {
      const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length);
      resolve({ kind: 'bytes', bytes, received: length, [Symbol.dispose]: release });
    });
    const gone = (cause?: Error) => {
      if (request.complete) return;
      release();
      reject(new Error('the sender closed the connection before the end of the body', { cause }));
    };
    request.once('error', gone);
    request.once('close', () => gone());
  });
}
