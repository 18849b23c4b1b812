/**
 * A computation in pieces of well under a millisecond: at each `yield` it may rest, so that long work does not hold
 * its thread. Pure and synchronous in itself; whoever drives it decides whether and how long it rests.
 */
export type Work<T> = Generator<undefined, T, void>;

export interface Pacing {
  /** Called between pieces. A promise is a rest; undefined goes on. */
  readonly pause: (() => Promise<void> | undefined) | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * Drives work to its end with rests between its pieces.
 * @throws The signal's reason, once it is aborted.
 */
export async function finishPaced<T>(work: Work<T>, { pause, signal }: Pacing): Promise<T> {
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
    const rest = pause?.();
    if (rest !== undefined) await rest;
    signal?.throwIfAborted();
  }
}

/** Drives work to its end without a rest. */
export function finished<T>(work: Work<T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
  }
}

/** Sorted in one go; longer lists are merged of those. */
const BLOCK = 512;

/** As `toSorted`: equal elements stay in their order. What is in order already comes back as it is. */
export function* sortedInPieces<T>(all: readonly T[], compare: (a: T, b: T) => number): Work<readonly T[]> {
  if (yield* ascends(all, compare)) return all;
  let blocks: (readonly T[])[] = [];
  for (let at = 0; at < all.length; at += BLOCK) {
    blocks.push(all.slice(at, at + BLOCK).sort(compare));
    yield;
  }
  while (blocks.length > 1) {
    const halved: (readonly T[])[] = [];
    for (let i = 0; i < blocks.length; i += 2)
      halved.push(yield* mergedInPieces(blocks[i]!, blocks[i + 1] ?? [], compare));
    blocks = halved;
  }
  return blocks[0]!;
}

/** Of two lists in order, where elements are equal those of the first one before those of the second. */
export function* mergedInPieces<T>(
  a: readonly T[],
  b: readonly T[],
  compare: (a: T, b: T) => number,
): Work<readonly T[]> {
  if (a.length === 0 || b.length === 0) return a.length === 0 ? b : a;
  const out: T[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const isFirst = j === b.length || (i < a.length && compare(a[i]!, b[j]!) <= 0);
    out.push(isFirst ? a[i++]! : b[j++]!);
    if (out.length % BLOCK === 0) yield;
  }
  return out;
}

function* ascends<T>(all: readonly T[], compare: (a: T, b: T) => number): Work<boolean> {
  for (let i = 1; i < all.length; i++) {
    if (compare(all[i - 1]!, all[i]!) > 0) return false;
    if (i % BLOCK === 0) yield;
  }
  return true;
}
