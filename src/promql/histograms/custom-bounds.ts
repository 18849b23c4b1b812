import { type KahanSum, kahanAdd } from '../numeric.ts';
import type { Side } from './resolution.ts';

export function sameBounds(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((bound, i) => bound === b[i]);
}

/** Bounds that both have. */
export function commonBounds(a: readonly number[], b: readonly number[]): readonly number[] {
  const others = new Set(b);
  return a.filter((bound) => others.has(bound));
}

/** Every bucket in the one that holds it whole. `to` has some of `from`'s bounds. */
export function onCommonBounds(
  { indices, counts, errors }: Side,
  from: readonly number[],
  to: readonly number[],
): Side {
  const sums = new Map<number, KahanSum>();
  let target = 0;
  for (let i = 0; i < indices.length; i++) {
    const upper = from[indices[i]!] ?? Number.POSITIVE_INFINITY;
    while (target < to.length && to[target]! < upper) target++;
    const sum = sums.get(target) ?? { sum: 0, c: 0 };
    sums.set(target, sum);
    kahanAdd(sum, counts[i]!);
    if (errors !== undefined) kahanAdd(sum, errors[i]!);
  }
  return {
    indices: [...sums.keys()],
    counts: Array.from(sums.values(), ({ sum }) => sum),
    errors: Array.from(sums.values(), ({ c }) => c),
  };
}
