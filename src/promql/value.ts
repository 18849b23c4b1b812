import type { HistogramValue } from '../model/histogram-value.ts';
import { compareLabels, type Label, type Labels, labelsKey } from '../model/labels.ts';
import type { Millis } from '../model/time.ts';
import { rowsPerPiece, type Work } from './work.ts';

/** Whose labels are compared, or made one text, in one go. */
const HEADS_PER_PIECE = 256;

/** The instants of one evaluation: `start + i * stepMs`. An instant query has one. */
export interface Grid {
  readonly start: Millis;
  readonly stepMs: number;
  readonly steps: number;
  /** Whether it ends where it begins. A range that ends before its second step is none, though it has one step too. */
  readonly instant: boolean;
}

/** What a row of a vector belongs to. */
export interface Head {
  readonly labels: Labels;
  /**
   * The metric's name is still there, for `label_replace`, `by (__name__)` and messages, but goes when the query is
   * done: Prometheus's delayed name removal.
   */
  readonly dropName: boolean;
}

export interface Scalar {
  readonly kind: 'scalar';
  /** One for each step. */
  readonly values: Float64Array;
}

/**
 * Instant vectors of all steps: row `r` at step `i` is the cell `r * steps + i`. It has a float where `present` is 1, and
 * a histogram where it is 2, which it never is in vectors without `histograms`.
 */
export interface Vector {
  readonly kind: 'vector';
  readonly heads: readonly Head[];
  readonly values: Float64Array;
  readonly present: Uint8Array;
  readonly histograms?: HistogramCells | undefined;
}

/** Histograms by cell. Cells that have none may hold what was there before. */
export type HistogramCells = (HistogramValue | undefined)[];

export const HISTOGRAM = 2;

export type Value = Scalar | Vector | { readonly kind: 'string'; readonly value: string };

export function timeOf(grid: Grid, step: number): Millis {
  return grid.start + step * grid.stepMs;
}

export function emptyVector(heads: readonly Head[], steps: number, mixed = false): Vector {
  const cells = heads.length * steps;
  const histograms = mixed ? new Array<undefined>(cells) : undefined;
  return { kind: 'vector', heads, values: new Float64Array(cells), present: new Uint8Array(cells), histograms };
}

/** A vector of floats alone, though there was room for histograms. Takes away those that there are. */
export function floatsOf(vector: Vector): Vector {
  const { histograms, present } = vector;
  if (histograms === undefined) return vector;
  return { ...vector, histograms: undefined, present: present.map((state) => (state === HISTOGRAM ? 0 : state)) };
}

/** What has one value, at each of so many steps. */
export function* repeated(value: Value, steps: number): Work<Value> {
  if (value.kind === 'string') return value;
  const rows = value.values.length;
  const values = new Float64Array(rows * steps);
  const piece = rowsPerPiece(steps);
  for (let row = 0; row < rows; row++) {
    values.fill(value.values[row]!, row * steps, (row + 1) * steps);
    if (row % piece === piece - 1) yield;
  }
  if (value.kind === 'scalar') return { kind: 'scalar', values };
  const present = new Uint8Array(values.length);
  const histograms = value.histograms && new Array<HistogramValue | undefined>(values.length);
  for (let row = 0; row < rows; row++) {
    present.fill(value.present[row]!, row * steps, (row + 1) * steps);
    histograms?.fill(value.histograms![row], row * steps, (row + 1) * steps);
    if (row % piece === piece - 1) yield;
  }
  return { kind: 'vector', heads: value.heads, values, present, histograms };
}

/** Without rows that are present nowhere. */
export function* withoutEmptyRows(vector: Vector, steps: number): Work<Vector> {
  const { heads, values, present, histograms } = vector;
  const kept: Head[] = [];
  const piece = 4 * rowsPerPiece(steps);
  for (let row = 0; row < heads.length; row++) {
    const from = row * steps;
    if (row % piece === piece - 1) yield;
    if (!hasCell(present, from, steps)) continue;
    if (kept.length !== row) {
      values.copyWithin(kept.length * steps, from, from + steps);
      present.copyWithin(kept.length * steps, from, from + steps);
      histograms?.copyWithin(kept.length * steps, from, from + steps);
    }
    kept.push(heads[row]!);
  }
  if (kept.length === heads.length) return vector;
  const cells = kept.length * steps;
  return {
    ...{ kind: 'vector', heads: kept, values: values.subarray(0, cells), present: present.subarray(0, cells) },
    histograms: histograms?.slice(0, cells),
  };
}

function hasCell(present: Uint8Array, from: number, steps: number): boolean {
  for (let cell = from; cell < from + steps; cell++) if (present[cell] !== 0) return true;
  return false;
}

/** `__type__` and `__unit__` describe the metric that the name names, and go with it. */
const METADATA_LABELS = new Set(['__name__', '__type__', '__unit__']);

export function withoutMetadata(labels: Labels): Labels {
  return labels.some(([name]) => METADATA_LABELS.has(name))
    ? labels.filter(([name]) => !METADATA_LABELS.has(name))
    : labels;
}

export function withLabel(labels: Labels, name: string, value: string): Labels {
  const rest = labels.filter((label) => label[0] !== name);
  if (value === '') return rest;
  const added: Label = [name, value];
  const after = rest.findIndex((label) => label[0] > name);
  return after === -1 ? [...rest, added] : [...rest.slice(0, after), added, ...rest.slice(after)];
}

/** Only the labels that are named (`keep`), or all others. */
export function pickLabels(labels: Labels, names: ReadonlySet<string>, keep: boolean): Labels {
  return labels.filter(([name]) => names.has(name) === keep);
}

/**
 * Joins rows of equal label sets, which a query may give where they are never present at the same step.
 * `overlap` is called where they are; it throws, or returns to leave the rows apart.
 */
export function* mergeRows(vector: Vector, steps: number, overlap: () => void): Work<Vector> {
  const { heads, values, present, histograms } = vector;
  if (yield* ascend(heads)) return vector;
  const rowOf = new Map<string, number>();
  const target: number[] = [];
  for (let row = 0; row < heads.length; row++) {
    const key = labelsKey(heads[row]!.labels);
    const first = rowOf.get(key);
    if (first === undefined) rowOf.set(key, row);
    target.push(first ?? row);
    if (row % HEADS_PER_PIECE === HEADS_PER_PIECE - 1) yield;
  }
  if (rowOf.size === heads.length) return vector;
  const named = heads.slice();
  const first = (row: number) => present.subarray(row * steps, (row + 1) * steps).findIndex((state) => state !== 0);
  const piece = rowsPerPiece(steps);
  const begins: number[] = [];
  for (let row = 0; row < heads.length; row++) {
    begins.push(first(row));
    if (row % piece === piece - 1) yield;
  }
  for (let row = 0; row < heads.length; row++) {
    if (row % piece === piece - 1) yield;
    const into = target[row]!;
    if (into === row) continue;
    // As in Prometheus, whose sample comes first says whether the name is dropped from all.
    if (begins[into] === -1 || (begins[row] !== -1 && begins[row]! < begins[into]!)) {
      named[into] = heads[row]!;
      begins[into] = begins[row]!;
    }
    for (let step = 0; step < steps; step++) {
      const from = row * steps + step;
      const to = into * steps + step;
      if (present[from] === 0) continue;
      if (present[to] !== 0) {
        overlap();
        continue;
      }
      values[to] = values[from]!;
      if (histograms !== undefined) histograms[to] = histograms[from];
      present[to] = present[from]!;
      present[from] = 0;
    }
  }
  return yield* withoutEmptyRows({ ...vector, heads: named }, steps);
}

/** Whether each label set is greater than the one before, as those of a selector are: then none comes twice. */
function* ascend(heads: readonly Head[]): Work<boolean> {
  for (let row = 1; row < heads.length; row++) {
    if (row % HEADS_PER_PIECE === 0) yield;
    if (compareLabels(heads[row - 1]!.labels, heads[row]!.labels) >= 0) return false;
  }
  return true;
}
