import type { Rows } from '../rows.ts';
import type { Head, Value, Vector } from '../value.ts';

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

/** A function of each value, and of its step if that matters; the name is dropped. */
export function mapped(vector: Vector, steps: number, compute: (value: number, step: number) => number): Vector {
  const { heads, values, present } = vector;
  const out = new Float64Array(values.length);
  for (let cell = 0, step = 0; cell < out.length; cell++) {
    if (present[cell] === 1) out[cell] = compute(values[cell]!, step);
    if (++step === steps) step = 0;
  }
  return { kind: 'vector', heads: heads.map(withDroppedName), values: out, present: present.slice() };
}

/** The same, row by row. */
export function mappedRows(rows: Rows, steps: number, compute: (value: number, step: number) => number): Rows {
  return {
    count: rows.count,
    read(row, values, present, at) {
      const head = rows.read(row, values, present, at);
      if (head === undefined) return undefined;
      for (let step = 0; step < steps; step++) {
        if (present[at + step] === 1) values[at + step] = compute(values[at + step]!, step);
      }
      return withDroppedName(head);
    },
  };
}

export function withDroppedName(head: Head): Head {
  return head.dropName ? head : { labels: head.labels, dropName: true };
}
