import { createGunzip } from 'node:zlib';
import type { BodyBudget } from './read-body.ts';

/** What a packed body holds, and its share of the budget, which disposing gives back. */
export type Inflated = Disposable &
  (
    | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
    | { readonly kind: 'too-large' }
    /** The budget is used up. */
    | { readonly kind: 'no-room' }
  );

const CHUNK_BYTES = 64 * 1024;

/**
 * Unpacks gzip up to `maxBytes`. What comes out is counted as it comes: a body that unpacks to a thousand times its
 * size ends at the bound.
 * @throws Node's errors with a `code` of `Z_…`, if it is not gzip or is cut short.
 */
export function inflate(packed: Uint8Array, maxBytes: number, budget: BodyBudget): Promise<Inflated> {
  let held = 0;
  const release = () => {
    budget.left += held;
    held = 0;
  };
  return new Promise((resolve, reject) => {
    const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
    const chunks: Buffer[] = [];
    const stop = (kind: 'too-large' | 'no-room') => {
      gunzip.destroy();
      release();
      resolve({ kind, [Symbol.dispose]: release });
    };
    gunzip.on('data', (chunk: Buffer) => {
      if (held + chunk.length > maxBytes) return stop('too-large');
      if (chunk.length > budget.left) return stop('no-room');
      budget.left -= chunk.length;
      held += chunk.length;
      chunks.push(chunk);
    });
    gunzip.once('end', () => {
      const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
      resolve({ kind: 'bytes', bytes, [Symbol.dispose]: release });
    });
    gunzip.once('error', (error) => {
      release();
      reject(error);
    });
    gunzip.end(packed);
  });
}
