import type { HistogramValue } from '../../model/histogram-value.ts';
import { dropHistograms, type Rows } from '../rows.ts';
import { floatsOf, type Head, HISTOGRAM, type HistogramCells, type Value, type Vector } from '../value.ts';
import { PIECE_CELLS, type Work } from '../work.ts';

/* The type checker has run before these, so a wrong kind is our own mistake. */

export function vectorArg(args: readonly Value[], index: number): Vector {
  const value = args[index];
  if (value?.kind !== 'vector') throw new TypeError(`argument ${index} must be a vector, got ${value?.kind}`);
  return value;
}

export function scalarArg(args: readonly Value[], index: number): Float64Array {
  const value = args[index];
  if (value?.kind !== 'scalar') throw new TypeError(`argument ${index} must be a scalar, got ${value?.kind}`);
  return value.values;
}

export function stringArg(args: readonly Value[], index: number): string {
  const value = args[index];
  if (value?.kind !== 'string') throw new TypeError(`argument ${index} must be a string, got ${value?.kind}`);
  return value.value;
}

/** A function of each float, and of its step if that matters; the name is dropped, and so are histograms. */
export function* mapped(vector: Vector, steps: number, compute: (value: number, step: number) => number): Work<Vector> {
  const { heads, values, present } = floatsOf(vector);
  const out = new Float64Array(values.length);
  for (let cell = 0, step = 0; cell < out.length; cell++) {
    if (present[cell] === 1) out[cell] = compute(values[cell]!, step);
    if (++step === steps) step = 0;
    if (cell % PIECE_CELLS === 0) yield;
  }
  return { kind: 'vector', heads: heads.map(withDroppedName), values: out, present: present.slice() };
}

/** The same, row by row. */
export function mappedRows(rows: Rows, steps: number, compute: (value: number, step: number) => number): Rows {
  const cells = rows.mixed ? [] : undefined;
  return {
    count: rows.count,
    mixed: false,
    ready: rows.ready,
    read(row, values, present, at) {
      const head = rows.read(row, values, present, at, cells);
      if (head === undefined || (rows.mixed && !dropHistograms(present, at, steps))) return undefined;
      for (let step = 0; step < steps; step++) {
        if (present[at + step] === 1) values[at + step] = compute(values[at + step]!, step);
      }
      return withDroppedName(head);
    },
  };
}

/**
 * A function of each histogram; the name is dropped.
 * @param withFloats Whether floats are mapped too, to 0, and not dropped.
 */
export function histogramRows(
  rows: Rows,
  steps: number,
  compute: (histogram: HistogramValue) => number,
  withFloats = false,
): Rows {
  if (!rows.mixed) return withFloats ? rows : withoutResults(rows);
  const histograms: HistogramCells = [];
  return {
    count: rows.count,
    mixed: false,
    ready: rows.ready,
    read(row, values, present, at) {
      const head = rows.read(row, values, present, at, histograms);
      if (head === undefined) return undefined;
      let found = 0;
      for (let cell = at; cell < at + steps; cell++) {
        if (present[cell] === HISTOGRAM) {
          values[cell] = compute(histograms[cell]!);
          present[cell] = 1;
        } else if (!withFloats) present[cell] = 0;
        found += present[cell]!;
      }
      return found === 0 ? undefined : withDroppedName(head);
    },
  };
}

/** What reading them tells is told, though nothing is made of them. */
function withoutResults(rows: Rows): Rows {
  return {
    count: rows.count,
    mixed: false,
    read(row, values, present, at) {
      rows.read(row, values, present, at);
      return undefined;
    },
  };
}

export function withDroppedName(head: Head): Head {
  return head.dropName ? head : { labels: head.labels, dropName: true };
}
