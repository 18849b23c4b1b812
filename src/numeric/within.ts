/** The value, or the bound that it lies beyond. NaN stays NaN. */
export function within(low: number, value: number, high: number): number {
  return value < low ? low : value > high ? high : value;
}
