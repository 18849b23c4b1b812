import { compareLabels, labelValue } from '../../model/labels.ts';
import { sortedInPieces } from '../../model/work.ts';
import { compareNanLast } from '../numeric.ts';
import { floatsOf, type Value, type Vector, withoutEmptyRows } from '../value.ts';
import type { Work } from '../work.ts';
import { stringArg, vectorArg } from './arguments.ts';
import type { CallContext } from './definition.ts';

/** By value, NaN last both ways. */
export function sortByValue(direction: 1 | -1): (args: readonly Value[], context: CallContext) => Work<Vector> {
  return function* (args, context) {
    const vector = yield* withoutEmptyRows(floatsOf(vectorArg(args, 0)), context.grid.steps);
    return yield* sorted(vector, context, (a, b) => {
      const x = vector.values[a]!;
      const y = vector.values[b]!;
      return Number.isNaN(x) || Number.isNaN(y) ? compareNanLast(x, y) : direction * compareNanLast(x, y);
    });
  };
}

/** By the labels that are named, then by all of them. */
export function sortByLabel(direction: 1 | -1): (args: readonly Value[], context: CallContext) => Work<Vector> {
  return function* (args, context) {
    const vector = vectorArg(args, 0);
    const names = args.slice(1).map((_, i) => stringArg(args, i + 1));
    return yield* sorted(vector, context, (a, b) => {
      const x = vector.heads[a]!.labels;
      const y = vector.heads[b]!.labels;
      for (const name of names) {
        const order = compareNaturally(labelValue(x, name), labelValue(y, name));
        if (order !== 0) return direction * order;
      }
      return direction * compareLabels(x, y);
    });
  };
}

/** Only an instant vector has an order: a row's cell is its index. */
function* sorted(vector: Vector, context: CallContext, compare: (a: number, b: number) => number): Work<Vector> {
  const { call, grid, annotations } = context;
  if (!grid.instant) {
    const message = 'sort is ineffective for range queries since results are always ordered by labels';
    annotations.warn(message, call.span);
    return vector;
  }
  const order = yield* sortedInPieces([...vector.heads.keys()], compare);
  return {
    kind: 'vector',
    heads: order.map((row) => vector.heads[row]!),
    values: Float64Array.from(order, (row) => vector.values[row]!),
    present: Uint8Array.from(order, (row) => vector.present[row]!),
    histograms: vector.histograms && order.map((row) => vector.histograms![row]),
  };
}

const CHUNKS = /\d+|\D+/g;

/** Runs of digits compare as numbers: `cpu9` before `cpu10`. */
function compareNaturally(a: string, b: string): number {
  const left = a.match(CHUNKS) ?? [];
  const right = b.match(CHUNKS) ?? [];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const x = left[i]!;
    const y = right[i]!;
    if (x === y) continue;
    const numeric = /^\d/.test(x) && /^\d/.test(y) ? Number(x) - Number(y) : 0;
    if (numeric !== 0) return numeric;
    return x < y ? -1 : 1;
  }
  return left.length - right.length;
}
