/** Closed: what is sent through it goes nowhere, and belongs to nobody afterwards. */
const nowhere = new MessageChannel().port1;
nowhere.close();

/**
 * Gives the memory of pieces of a body back at once; they are empty afterwards. Left to the garbage collector, every
 * 64 MiB of bodies would make it mark the whole heap, which took a fifth of the processor under remote write.
 */
export function freePieces(pieces: readonly Uint8Array[]): void {
  const owned = new Set<ArrayBuffer>();
  for (const { buffer, byteLength } of pieces) {
    // What is part of a larger buffer has neighbours: Node's own pool for small ones.
    if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) owned.add(buffer);
  }
  if (owned.size > 0) nowhere.postMessage(null, [...owned]);
}
