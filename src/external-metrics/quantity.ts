/** The largest value whose thousandths are an int64, which is what the HPA controller reads. */
const MAX_VALUE = 9.2e15;
const SUFFIXES = ['m', '', 'k', 'M', 'G', 'T', 'P', 'E'];

/**
 * A value as Kubernetes prints a quantity (canonical decimal SI, to the nearest thousandth): 12.5 is `12500m`, 1000 is
 * `1k`. Undefined for what must never be served: a value that is negative, not finite or too large.
 */
export function formatQuantity(value: number): string | undefined {
  if (!(value >= 0 && value < MAX_VALUE)) return undefined;
  let milli = BigInt(Math.round(value * 1000));
  if (milli === 0n) return '0';
  let suffix = 0;
  for (; milli % 1000n === 0n && suffix < SUFFIXES.length - 1; suffix++) milli /= 1000n;
  return `${milli}${SUFFIXES[suffix]}`;
}
