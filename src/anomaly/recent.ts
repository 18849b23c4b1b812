import type { Memory } from './memory.ts';

/** The last values of something: its place among the numbers, and how many are kept. */
export interface Recent {
  readonly at: number;
  readonly kept: number;
}

/** How many there were, and those that are kept. */
export function recentNumbers(kept: number): number {
  return 1 + kept;
}

/** The mean of the last ones if this were one more. */
export function meanWith({ numbers }: Memory, { at, kept }: Recent, value: number): number {
  const seen = numbers[at]!;
  const leaves = 1 + (seen % kept);
  let sum = value;
  // Summed anew each time: a running sum would keep the rounding of a very large value for ever.
  for (let i = 1; i <= Math.min(seen, kept); i++) if (i !== leaves) sum += numbers[at + i]!;
  return sum / Math.min(seen + 1, kept);
}

export function remember({ numbers }: Memory, { at, kept }: Recent, value: number): void {
  numbers[at + 1 + (numbers[at]! % kept)] = value;
  numbers[at]!++;
}
