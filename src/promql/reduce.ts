import type { Aggregator } from './ast.ts';
import { type KahanSum, kahanAdd, quantileOf } from './numeric.ts';

/** One row of a vector: its cells at all steps, `values` where `present` is 1. */
export interface Row {
  readonly values: Float64Array;
  readonly present: Uint8Array;
}

/** Takes the members of groups a row at a time. A cell is one group at one step. */
export interface Reducer {
  /** Makes room for so many cells. */
  grow(cells: number): void;
  /** Adds a row to the cells from `base` on. `seen` is 1 for the cells that have had a value before. */
  add(base: number, row: Row, seen: Uint8Array): void;
  /** The same, quicker, for a row that has a value in each cell, to cells that all have had one. */
  addWhole?(base: number, values: Float64Array): void;
  finish(cell: number, step: number): number;
}

/** @param q For `quantile`: which, at each step. */
export function reducerOf(op: Aggregator, q: Float64Array | undefined): Reducer {
  switch (op) {
    case 'sum':
      return sum();
    case 'avg':
      return average();
    case 'count':
      return fold((count) => count + 1, { initial: 1, whole: countWhole });
    case 'group':
      return fold(() => 1, { initial: 1, whole: () => {} });
    case 'min':
      return fold((best, value) => (value < best || Number.isNaN(best) ? value : best), { whole: leastWhole });
    case 'max':
      return fold((best, value) => (value > best || Number.isNaN(best) ? value : best), { whole: greatestWhole });
    case 'stdvar':
      return variance((value) => value);
    case 'stddev':
      return variance(Math.sqrt);
    case 'quantile':
      return quantile(q!);
    default:
      throw new TypeError(`${op} does not reduce a group to one value`);
  }
}

/** A longer column with the same beginning. */
export function grown<T extends Float64Array | Uint8Array>(column: T, length: number): T {
  const longer = new (column.constructor as new (length: number) => T)(length);
  longer.set(column);
  return longer;
}

/** `next` for a row that has a value in each cell, to states that all have one. */
type Whole = (states: Float64Array, base: number, values: Float64Array) => void;

const countWhole: Whole = (states, base, values) => {
  const end = base + values.length;
  for (let cell = base; cell < end; cell++) states[cell]!++;
};

const leastWhole: Whole = (states, base, values) => {
  const steps = values.length;
  for (let step = 0, cell = base; step < steps; step++, cell++) {
    const best = states[cell]!;
    if (values[step]! < best || Number.isNaN(best)) states[cell] = values[step]!;
  }
};

const greatestWhole: Whole = (states, base, values) => {
  const steps = values.length;
  for (let step = 0, cell = base; step < steps; step++, cell++) {
    const best = states[cell]!;
    if (values[step]! > best || Number.isNaN(best)) states[cell] = values[step]!;
  }
};

function fold(
  next: (state: number, value: number) => number,
  { initial, whole }: { readonly initial?: number; readonly whole: Whole },
): Reducer {
  let states = new Float64Array();
  return {
    grow(cells) {
      states = grown(states, cells);
    },
    add(base, { values, present }, seen) {
      for (let step = 0; step < present.length; step++) {
        if (present[step] === 0) continue;
        const cell = base + step;
        const value = values[step]!;
        states[cell] = seen[cell] === 0 ? (initial ?? value) : next(states[cell]!, value);
      }
    },
    addWhole: (base, values) => whole(states, base, values),
    finish: (cell) => states[cell]!,
  };
}

/** Compensated as `kahanAdd` does it, written out: this is what most queries spend their time in. */
function sum(): Reducer {
  let sums = new Float64Array();
  let errors = new Float64Array();
  return {
    grow(cells) {
      sums = grown(sums, cells);
      errors = grown(errors, cells);
    },
    add(base, { values, present }, seen) {
      const into = sums;
      const lost = errors;
      for (let step = 0; step < present.length; step++) {
        if (present[step] === 0) continue;
        const cell = base + step;
        const value = values[step]!;
        if (seen[cell] === 0) {
          into[cell] = value;
          continue;
        }
        const before = into[cell]!;
        const total = before + value;
        if (total === Number.POSITIVE_INFINITY || total === Number.NEGATIVE_INFINITY) lost[cell] = 0;
        else if (Math.abs(before) >= Math.abs(value)) lost[cell]! += before - total + value;
        else lost[cell]! += value - total + before;
        into[cell] = total;
      }
    },
    addWhole: (base, values) => addCompensated(sums, errors, base, values),
    finish: (cell) => sums[cell]! + errors[cell]!,
  };
}

function addCompensated(sums: Float64Array, errors: Float64Array, base: number, values: Float64Array): void {
  // Once the process has seen a buffer detached, as a store's is when it grows, each look at a length costs a check.
  const steps = values.length;
  for (let step = 0, cell = base; step < steps; step++, cell++) {
    const value = values[step]!;
    const before = sums[cell]!;
    const total = before + value;
    sums[cell] = total;
    if (total === Number.POSITIVE_INFINITY || total === Number.NEGATIVE_INFINITY) errors[cell] = 0;
    else if (Math.abs(before) >= Math.abs(value)) errors[cell]! += before - total + value;
    else errors[cell]! += value - total + before;
  }
}

/** The mean of the sum, or, once the sum would overflow, a mean that grows with each element. */
function average(): Reducer {
  let sums = new Float64Array();
  let errors = new Float64Array();
  let counts = new Float64Array();
  let growing = new Uint8Array();
  const state: KahanSum = { sum: 0, c: 0 };
  const addValue = (cell: number, value: number): void => {
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
  };
  return {
    grow(cells) {
      sums = grown(sums, cells);
      errors = grown(errors, cells);
      counts = grown(counts, cells);
      growing = grown(growing, cells);
    },
    add(base, { values, present }, seen) {
      for (let step = 0; step < present.length; step++) {
        if (present[step] === 0) continue;
        const cell = base + step;
        counts[cell]!++;
        if (seen[cell] === 0) sums[cell] = values[step]!;
        else addValue(cell, values[step]!);
      }
    },
    addWhole(base, values) {
      const [into, lost, many, steps] = [sums, errors, counts, values.length];
      for (let step = 0, cell = base; step < steps; step++, cell++) {
        const value = values[step]!;
        const before = into[cell]!;
        const total = before + value;
        many[cell]!++;
        if (growing[cell] === 1 || total === Number.POSITIVE_INFINITY || total === Number.NEGATIVE_INFINITY) {
          addValue(cell, value);
          continue;
        }
        into[cell] = total;
        if (Math.abs(before) >= Math.abs(value)) lost[cell]! += before - total + value;
        else lost[cell]! += value - total + before;
      }
    },
    finish(cell) {
      if (growing[cell] === 1) return sums[cell]! + errors[cell]!;
      return sums[cell]! / counts[cell]! + errors[cell]! / counts[cell]!;
    },
  };
}

/** Welford's update. */
function variance(result: (variance: number) => number): Reducer {
  let counts = new Float64Array();
  let means = new Float64Array();
  let squares = new Float64Array();
  return {
    grow(cells) {
      counts = grown(counts, cells);
      means = grown(means, cells);
      squares = grown(squares, cells);
    },
    add(base, { values, present }, seen) {
      for (let step = 0; step < present.length; step++) {
        if (present[step] === 0) continue;
        const cell = base + step;
        const value = values[step]!;
        const count = ++counts[cell]!;
        if (seen[cell] === 0) {
          means[cell] = value;
          squares[cell] = Number.isFinite(value) ? 0 : Number.NaN;
          continue;
        }
        const distance = value - means[cell]!;
        means[cell]! += distance / count;
        squares[cell]! += distance * (value - means[cell]!);
      }
    },
    finish: (cell) => result(squares[cell]! / counts[cell]!),
  };
}

function quantile(q: Float64Array): Reducer {
  const members = new Map<number, number[]>();
  return {
    grow() {},
    add(base, { values, present }, seen) {
      for (let step = 0; step < present.length; step++) {
        if (present[step] === 0) continue;
        if (seen[base + step] === 0) members.set(base + step, [values[step]!]);
        else members.get(base + step)!.push(values[step]!);
      }
    },
    finish: (cell, step) => quantileOf(q[step]!, Float64Array.from(members.get(cell)!)),
  };
}
