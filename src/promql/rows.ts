import { type Head, type Vector, withoutEmptyRows } from './value.ts';
import { rowsPerPiece, type Work } from './work.ts';

/**
 * Instant vectors of all steps, made one row at a time: what takes them in row by row, as an aggregation does, never
 * holds all of them.
 */
export interface Rows {
  readonly count: number;
  /**
   * Writes the cells of one row, `values` where there are any and `present` (0 or 1) for each step, from index `at` on.
   * Undefined if the row is empty at all steps. Rows are read in order, each once.
   */
  read(row: number, values: Float64Array, present: Uint8Array, at: number): Head | undefined;
}

/** Holds all rows. */
export function* collect(rows: Rows, steps: number): Work<Vector> {
  const values = new Float64Array(rows.count * steps);
  const present = new Uint8Array(rows.count * steps);
  const heads: Head[] = [];
  const piece = rowsPerPiece(steps);
  for (let row = 0; row < rows.count; row++) {
    if (row % piece === piece - 1) yield;
    const head = rows.read(row, values, present, heads.length * steps);
    if (head !== undefined) heads.push(head);
  }
  const cells = heads.length * steps;
  return { kind: 'vector', heads, values: values.subarray(0, cells), present: present.subarray(0, cells) };
}

export function rowsOf(vector: Vector, steps: number): Rows {
  const { heads, values, present } = withoutEmptyRows(vector, steps);
  return {
    count: heads.length,
    read: (row, toValues, toPresent, at) => {
      const from = row * steps;
      for (let step = 0; step < steps; step++) {
        toValues[at + step] = values[from + step]!;
        toPresent[at + step] = present[from + step]!;
      }
      return heads[row];
    },
  };
}
