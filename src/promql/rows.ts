import { type Head, HISTOGRAM, type HistogramCells, type Vector, withoutEmptyRows } from './value.ts';
import { rowsPerPiece, type Work } from './work.ts';

/**
 * Instant vectors of all steps, made one row at a time: what takes them in row by row, as an aggregation does, never
 * holds all of them.
 */
export interface Rows {
  readonly count: number;
  /** Whether there may be histograms: then `read` is given a place for them. */
  readonly mixed: boolean;
  /** Computes a row in pieces, where that may take long: to be done right before it is read. */
  readonly ready?: ((row: number) => Work<void>) | undefined;
  /**
   * Writes the cells of one row, `values` where there are any and `present` for each step (as a vector has it), from
   * index `at` on. Undefined if the row is empty at all steps. Rows are read in order, each once.
   */
  read(
    row: number,
    values: Float64Array,
    present: Uint8Array,
    at: number,
    histograms?: HistogramCells,
  ): Head | undefined;
}

/** Holds all rows. */
export function* collect(rows: Rows, steps: number): Work<Vector> {
  const values = new Float64Array(rows.count * steps);
  const present = new Uint8Array(rows.count * steps);
  const histograms = rows.mixed ? new Array<undefined>(rows.count * steps) : undefined;
  const heads: Head[] = [];
  const piece = rowsPerPiece(steps);
  for (let row = 0; row < rows.count; row++) {
    if (row % piece === piece - 1) yield;
    if (rows.ready !== undefined) yield* rows.ready(row);
    const head = rows.read(row, values, present, heads.length * steps, histograms);
    if (head !== undefined) heads.push(head);
  }
  const cells = heads.length * steps;
  return {
    ...{ kind: 'vector', heads, values: values.subarray(0, cells), present: present.subarray(0, cells) },
    histograms: histograms?.slice(0, cells),
  };
}

export function* rowsOf(vector: Vector, steps: number): Work<Rows> {
  const { heads, values, present, histograms } = yield* withoutEmptyRows(vector, steps);
  return {
    count: heads.length,
    mixed: histograms !== undefined,
    read: (row, toValues, toPresent, at, toHistograms) => {
      const from = row * steps;
      for (let step = 0; step < steps; step++) {
        toValues[at + step] = values[from + step]!;
        toPresent[at + step] = present[from + step]!;
      }
      if (histograms !== undefined) {
        for (let step = 0; step < steps; step++) toHistograms![at + step] = histograms[from + step];
      }
      return heads[row];
    },
  };
}

/** Takes away the histograms of a row. Returns whether any float is left. */
export function dropHistograms(present: Uint8Array, at: number, steps: number): boolean {
  let floats = false;
  for (let cell = at; cell < at + steps; cell++) {
    if (present[cell] === HISTOGRAM) present[cell] = 0;
    else if (present[cell] === 1) floats = true;
  }
  return floats;
}
