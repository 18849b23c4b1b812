import type { Memory } from './memory.ts';

/** How often each level of a series came after each other: its place among the numbers and among the cells. */
export interface Transitions {
  readonly at: number;
  readonly cellsAt: number;
}

/** Between the least and the greatest value so far. */
const LEVELS = 8;
/** Each transition counts as seen so often before it was seen. */
const PRIOR = 0.027;

export const TRANSITION_NUMBERS = 3;
const LOWEST = 0;
const HIGHEST = 1;
/** Level of the last value; -1 before the first. */
const LAST = 2;
/** `LEVELS` times `LEVELS`: from, to. Then how often a level was left. */
export const TRANSITION_CELLS = LEVELS * LEVELS + LEVELS;
const LEFT = LEVELS * LEVELS;

export function beginTransitions({ numbers }: Memory, { at }: Transitions): void {
  numbers[at + LOWEST] = Number.POSITIVE_INFINITY;
  numbers[at + HIGHEST] = Number.NEGATIVE_INFINITY;
  numbers[at + LAST] = -1;
}

/** Minus the natural logarithm of the share of such transitions among those from the last level. 0 for the first value. */
export function surprise(memory: Memory, known: Transitions, value: number): number {
  const last = memory.numbers[known.at + LAST]!;
  if (last < 0) return 0;
  const seen = memory.cells[known.cellsAt + last * LEVELS + levelOf(memory, known, value)]!;
  return -Math.log((seen + PRIOR) / (memory.cells[known.cellsAt + LEFT + last]! + PRIOR * LEVELS));
}

/** @param teaches Whether the transition counts; else it is only followed. */
export function learnTransition(memory: Memory, known: Transitions, value: number, teaches: boolean): void {
  const { numbers, cells } = memory;
  const { at, cellsAt } = known;
  const level = levelOf(memory, known, value);
  const last = numbers[at + LAST]!;
  numbers[at + LAST] = level;
  if (!teaches) return;
  if (last >= 0) {
    cells[cellsAt + last * LEVELS + level]!++;
    cells[cellsAt + LEFT + last]!++;
  }
  numbers[at + LOWEST] = Math.min(numbers[at + LOWEST]!, value);
  numbers[at + HIGHEST] = Math.max(numbers[at + HIGHEST]!, value);
}

function levelOf({ numbers }: Memory, { at }: Transitions, value: number): number {
  const lowest = numbers[at + LOWEST]!;
  const width = numbers[at + HIGHEST]! - lowest;
  if (!(width > 0)) return 0;
  return Math.max(0, Math.min(LEVELS - 1, Math.floor(((value - lowest) / width) * LEVELS)));
}
