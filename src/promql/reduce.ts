import type { Aggregator } from './ast.ts';
import { type KahanSum, kahanAdd, quantileOf } from './numeric.ts';

/** Takes the elements of groups one at a time. A cell is one group at one step. */
export interface Reducer {
  add(cell: number, value: number, first: boolean): void;
  finish(cell: number, step: number): number;
}

/** @param q For `quantile`: which, at each step. */
export function reducerOf(op: Aggregator, cells: number, q: Float64Array | undefined): Reducer {
  switch (op) {
    case 'sum':
      return sum(cells);
    case 'avg':
      return average(cells);
    case 'count':
      return fold(cells, (count) => count + 1, 1);
    case 'group':
      return fold(cells, () => 1, 1);
    case 'min':
      return fold(cells, (best, value) => (value < best || Number.isNaN(best) ? value : best));
    case 'max':
      return fold(cells, (best, value) => (value > best || Number.isNaN(best) ? value : best));
    case 'stdvar':
      return variance(cells, (value) => value);
    case 'stddev':
      return variance(cells, Math.sqrt);
    case 'quantile':
      return quantile(q!);
    default:
      throw new TypeError(`${op} does not reduce a group to one value`);
  }
}

function fold(cells: number, next: (state: number, value: number) => number, initial?: number): Reducer {
  const states = new Float64Array(cells);
  return {
    add(cell, value, first) {
      states[cell] = first ? (initial ?? value) : next(states[cell]!, value);
    },
    finish: (cell) => states[cell]!,
  };
}

function sum(cells: number): Reducer {
  const sums = new Float64Array(cells);
  const errors = new Float64Array(cells);
  const state: KahanSum = { sum: 0, c: 0 };
  return {
    add(cell, value, first) {
      if (first) {
        sums[cell] = value;
        return;
      }
      state.sum = sums[cell]!;
      state.c = errors[cell]!;
      kahanAdd(state, value);
      sums[cell] = state.sum;
      errors[cell] = state.c;
    },
    finish: (cell) => sums[cell]! + errors[cell]!,
  };
}

/** The mean of the sum, or, once the sum would overflow, a mean that grows with each element. */
function average(cells: number): Reducer {
  const sums = new Float64Array(cells);
  const errors = new Float64Array(cells);
  const counts = new Float64Array(cells);
  const growing = new Uint8Array(cells);
  const state: KahanSum = { sum: 0, c: 0 };
  return {
    add(cell, value, first) {
      counts[cell]!++;
      if (first) {
        sums[cell] = value;
        return;
      }
      const count = counts[cell]!;
      state.sum = sums[cell]!;
      state.c = errors[cell]!;
      if (growing[cell] === 0) {
        kahanAdd(state, value);
        if (state.sum === Number.POSITIVE_INFINITY || state.sum === Number.NEGATIVE_INFINITY) {
          growing[cell] = 1;
          state.sum = sums[cell]! / (count - 1);
          state.c = errors[cell]! / (count - 1);
        }
      }
      if (growing[cell] === 1) {
        const share = (count - 1) / count;
        state.sum *= share;
        state.c *= share;
        kahanAdd(state, value / count);
      }
      sums[cell] = state.sum;
      errors[cell] = state.c;
    },
    finish(cell) {
      if (growing[cell] === 1) return sums[cell]! + errors[cell]!;
      return sums[cell]! / counts[cell]! + errors[cell]! / counts[cell]!;
    },
  };
}

/** Welford's update. */
function variance(cells: number, result: (variance: number) => number): Reducer {
  const counts = new Float64Array(cells);
  const means = new Float64Array(cells);
  const squares = new Float64Array(cells);
  return {
    add(cell, value, first) {
      const count = ++counts[cell]!;
      if (first) {
        means[cell] = value;
        squares[cell] = Number.isFinite(value) ? 0 : Number.NaN;
        return;
      }
      const distance = value - means[cell]!;
      means[cell]! += distance / count;
      squares[cell]! += distance * (value - means[cell]!);
    },
    finish: (cell) => result(squares[cell]! / counts[cell]!),
  };
}

function quantile(q: Float64Array): Reducer {
  const members = new Map<number, number[]>();
  return {
    add(cell, value, first) {
      if (first) members.set(cell, [value]);
      else members.get(cell)!.push(value);
    },
    finish: (cell, step) => quantileOf(q[step]!, Float64Array.from(members.get(cell)!)),
  };
}
