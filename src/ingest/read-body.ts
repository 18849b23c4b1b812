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
  return new Share(budget, bytes);
}

// Classes, not literals with a computed name, which V8 makes ten microseconds long: each request has several.
class Share implements Disposable {
  readonly #budget: BodyBudget;
  readonly #bytes: number;

  constructor(budget: BodyBudget, bytes: number) {
    this.#budget = budget;
    this.#bytes = bytes;
  }

  [Symbol.dispose](): void {
    this.#budget.left += this.#bytes;
  }
}

/** A body and its share of the budget, which disposing gives back. `received` counts what was read of it. */
export type Body = Disposable & { readonly received: number } & (
    | {
        readonly kind: 'bytes';
        readonly pieces: readonly Uint8Array[];
        /** All pieces in one: a copy where there are several. */
        readonly bytes: Uint8Array;
      }
    | { readonly kind: 'too-large' }
    /** The budget is used up. */
    | { readonly kind: 'no-room' }
  );

/** Read of a request before others have their turn: some two pieces of what a socket gives at once. */
const TURN_BYTES = 128 * 1024;

/** What a request says of its body's length; 0 where it says nothing. */
export function announcedBytes({ headers }: IncomingMessage): number {
  return Number(headers['content-length'] ?? 0);
}

/**
 * Reads a body of at most `maxBytes`, whatever its Content-Length says or omits, in the pieces in which it comes.
 * Reading stops at the bound.
 * @param turn Waited for between parts of a long body, which meanwhile stays where it is: with the sender.
 * @throws If the sender goes away first.
 */
export function readBody(
  request: IncomingMessage,
  maxBytes: number,
  budget: BodyBudget,
  turn?: () => Promise<void>,
): Promise<Body> {
  const announced = announcedBytes(request);
  let held = 0;
  const release = () => {
    budget.left += held;
    held = 0;
  };
  if (announced > maxBytes) return Promise.resolve({ kind: 'too-large', received: 0, [Symbol.dispose]: release });
  if (announced > budget.left) return Promise.resolve({ kind: 'no-room', received: 0, [Symbol.dispose]: release });
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let length = 0;
    const pause = turn === undefined ? () => {} : pauses(request, turn);
    // The rest is read and thrown away by whoever answers.
    const stop = (kind: 'too-large' | 'no-room') => {
      request.off('data', take);
      release();
      resolve({ kind, received: length, [Symbol.dispose]: release });
    };
    const take = (piece: Buffer) => {
      length += piece.length;
      if (length > maxBytes) return stop('too-large');
      if (piece.length > budget.left) return stop('no-room');
      budget.left -= piece.length;
      held += piece.length;
      pieces.push(piece);
      pause(piece.length);
    };
    request.on('data', take);
    request.once('end', () => {
      resolve(new WholeBody(pieces, length, release));
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

class WholeBody implements Disposable {
  readonly kind = 'bytes';
  readonly pieces: readonly Uint8Array[];
  readonly received: number;
  readonly #release: () => void;

  constructor(pieces: readonly Uint8Array[], received: number, release: () => void) {
    this.pieces = pieces;
    this.received = received;
    this.#release = release;
  }

  get bytes(): Uint8Array {
    return this.pieces.length === 1 ? this.pieces[0]! : Buffer.concat(this.pieces, this.received);
  }

  [Symbol.dispose](): void {
    this.#release();
  }
}

/** Told of each piece, makes a request wait for its turn after every `TURN_BYTES`. */
export function pauses(request: IncomingMessage, turn: () => Promise<void>): (bytes: number) => void {
  let left = TURN_BYTES;
  return (bytes) => {
    left -= bytes;
    if (left > 0) return;
    left = TURN_BYTES;
    request.pause();
    void turn().then(() => request.resume());
  };
}
