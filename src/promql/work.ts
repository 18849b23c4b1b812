import type { Work as AnyWork } from '../model/work.ts';

export type Work<T> = AnyWork<T>;

/** Cells, and rows at 32 cells each for their labels, that are well under a millisecond of work. */
export const PIECE_CELLS = 8_192;
/** What rows are made of may be long, and on disk. */
const PIECE_ROWS = 8;

/** After how many rows of so many steps a loop over rows should yield. */
export function rowsPerPiece(steps: number): number {
  return Math.max(1, Math.min(PIECE_ROWS, Math.floor(PIECE_CELLS / (steps + 32))));
}
