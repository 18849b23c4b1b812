/** Buffers that requests decode into, one request at a time each: a new one would be filled with zeros every time. */
export type Scratches = Uint8Array[];

/** What usual senders' requests decode to; a larger one gets memory of its own. */
const BUFFER_BYTES = 1 << 20;
const MAX_KEPT = 16;

/** Takes a buffer until it is disposed of. */
export function takeScratch(free: Scratches): Disposable & { readonly buffer: Uint8Array } {
  const buffer = free.pop() ?? new Uint8Array(BUFFER_BYTES);
  return {
    buffer,
    [Symbol.dispose]: () => {
      if (free.length < MAX_KEPT) free.push(buffer);
    },
  };
}
