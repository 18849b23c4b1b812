/**
 * A computation in pieces of well under a millisecond: at each `yield` it may rest, so that a long query does not hold
 * its thread. Pure and synchronous in itself; whoever drives it decides whether and how long it rests.
 */
export type Work<T> = Generator<undefined, T, void>;

export interface Pacing {
  /** Called between pieces. A promise is a rest; undefined goes on. */
  readonly pause: (() => Promise<void> | undefined) | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * Drives work to its end with rests between its pieces.
 * @throws The signal's reason, once it is aborted.
 */
export async function finishPaced<T>(work: Work<T>, { pause, signal }: Pacing): Promise<T> {
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
    const rest = pause?.();
    if (rest !== undefined) await rest;
    signal?.throwIfAborted();
  }
}

/** Cells, and rows at 32 cells each for their labels, that are well under a millisecond of work. */
const PIECE_CELLS = 16_384;

/** After how many rows of so many steps a loop over rows should yield. */
export function rowsPerPiece(steps: number): number {
  return Math.max(1, Math.floor(PIECE_CELLS / (steps + 32)));
}
