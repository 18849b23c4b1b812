import { microsOf } from './money.ts';

/** Digits after the point that amounts of a currency have: 2 for USD, 0 for JPY. 2 where the code is not known. */
export function minorDigits(currency: string): number {
  try {
    return new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2;
  } catch {
    return 2;
  }
}

/**
 * Amounts in whole minor units (cents) that add up to their rounded sum: all are rounded down, and the units that are
 * then missing go to those with the largest remainders, the first of equals first. None is off by a unit or more.
 *
 * @param amounts Zero or more, in units of the currency, whole millionths each.
 * @param digits Of the minor unit, 0 to 6.
 * @throws {RangeError} If an amount is negative or not a number.
 */
export function inMinorUnits(amounts: readonly number[], digits: number): number[] {
  const unit = 10 ** (6 - digits);
  const micros = amounts.map((amount) => {
    if (!(amount >= 0)) throw new RangeError(`amount must be zero or more, got ${amount}`);
    return microsOf(amount);
  });
  const units = micros.map((amount) => Math.floor(amount / unit));
  const sum = micros.reduce((total, amount) => total + amount, 0);
  const missing = Math.round(sum / unit) - units.reduce((total, count) => total + count, 0);
  const byRemainder = micros.map((amount, i) => ({ i, rest: amount % unit })).sort((a, b) => b.rest - a.rest);
  for (const { i } of byRemainder.slice(0, missing)) units[i]! += 1;
  return units;
}
