/** A number in [0, 1) that depends on the seed and the index alone, so that a series can be continued after a restart. */
export function hashed(seed: number, index: number): number {
  // Indices run past 2^32 (seconds since 1970 times a rate): both halves are mixed in. The constants are murmur3's.
  let h = Math.imul(seed ^ (index / 2 ** 32), 0x9e3779b1) ^ Math.imul(index | 0, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}

/** Smooth noise in [-1, 1]: a hashed value every `scaleMs`, eased between. */
export function smoothNoise(seed: number, t: number, scaleMs: number): number {
  const index = Math.floor(t / scaleMs);
  const part = t / scaleMs - index;
  const eased = part * part * (3 - 2 * part);
  const left = hashed(seed, index);
  return 2 * (left + (hashed(seed, index + 1) - left) * eased) - 1;
}
