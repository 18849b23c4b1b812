const SUFFIXES: Readonly<Record<string, number>> = {
  ...{ n: 1e-9, u: 1e-6, m: 1e-3, '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60 },
};
const FORM = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d+)|([numkMGTPE]|[KMGTPE]i)?)$/;

/** A quantity of Kubernetes as a number: `250m` is 0.25, `1Gi` is 1073741824. Undefined for what is none. */
export function parseQuantity(text: unknown): number | undefined {
  if (typeof text === 'number') return text;
  const found = typeof text === 'string' ? FORM.exec(text) : null;
  if (found === null) return undefined;
  const [, digits, exponent, suffix = ''] = found;
  // One division is exact where a factor of a thousandth is not.
  if (suffix === 'm') return Number(digits) / 1000;
  return exponent === undefined ? Number(digits) * SUFFIXES[suffix]! : Number(`${digits}e${exponent}`);
}
