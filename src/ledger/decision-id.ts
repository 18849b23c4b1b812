import type { Millis } from '../model/time.ts';

/** Nine digits of base 36 hold milliseconds until the year 5188. */
const TIME_DIGITS = 9;
const COUNT_DIGITS = 2;

/** As many as two digits of base 36 count. */
export const IDS_PER_MILLISECOND = 36 ** COUNT_DIGITS;

/** An id that sorts by time; `n` tells decisions of one millisecond apart. */
export function decisionId(at: Millis, n: number): string {
  return `${digits(at, TIME_DIGITS)}${digits(n, COUNT_DIGITS)}`;
}

export function timeOfId(id: string): Millis {
  return Number.parseInt(id.slice(0, TIME_DIGITS), 36);
}

function digits(n: number, width: number): string {
  return Math.trunc(n).toString(36).padStart(width, '0');
}
