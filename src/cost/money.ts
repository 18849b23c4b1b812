/**
 * Money is counted in whole millionths of the currency's unit (micros): such sums are exact in any order up to nine
 * billion units, and each amount is rounded once, where it is made.
 */
const MICROS = 1_000_000;

/** The nearest whole number of millionths. @throws {RangeError} If the amount is no number, or too large to be exact. */
export function microsOf(amount: number): number {
  const micros = Math.round(amount * MICROS);
  if (!Number.isSafeInteger(micros)) throw new RangeError(`amount must be a number below nine billion, got ${amount}`);
  // Never minus zero.
  return micros + 0;
}

/** In units of the currency, from millionths. */
export function amountOf(micros: number): number {
  return micros / MICROS;
}

/** The nearest amount that is a whole number of millionths. */
export function toMicros(amount: number): number {
  return amountOf(microsOf(amount));
}

/** Exact, in whatever order. */
export function sumOf(amounts: Iterable<number>): number {
  let micros = 0;
  for (const amount of amounts) micros += microsOf(amount);
  return amountOf(micros);
}

/**
 * Cuts an amount into parts by their weights, exactly: the parts are whole millionths and add up to the amount. Equal
 * parts where no weight is above zero.
 */
export function shareOut(amount: number, weights: readonly number[]): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const micros = microsOf(amount);
  let [before, sumSoFar] = [0, 0];
  return weights.map((weight, i) => {
    sumSoFar += total > 0 ? weight / total : 1 / weights.length;
    const upTo = i === weights.length - 1 ? micros : Math.round(micros * Math.min(1, sumSoFar));
    const part = upTo - before;
    before = upTo;
    return amountOf(part);
  });
}
