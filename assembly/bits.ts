/*
 * Bit streams, most significant bit first. The writer stores eight bytes at a time, so that memory behind its end must
 * belong to the caller; the reader loads eight bytes at a time and judges only bits before its end.
 */

let out: usize = 0;
let pending: u64 = 0;
let filled: i32 = 0;

export function startBits(at: usize): void {
  out = at;
  pending = 0;
  filled = 0;
}

/** Appends the lowest `n` bits, at most 56; the bits above them must be zero. */
export function putBits(bits: u64, n: i32): void {
  const word = n === 0 ? pending : pending | (bits << (64 - filled - n));
  filled += n;
  store<u64>(out, bswap<u64>(word));
  const whole = filled >> 3;
  out += whole;
  pending = word << (whole << 3);
  filled &= 7;
}

/** Pads the last byte with zeros. Returns where the next byte goes. */
export function endBits(): usize {
  return filled > 0 ? out + 1 : out;
}

/** The 57 bits from bit `at` on, at the top of the answer. */
export function peekBits(base: usize, at: u32): u64 {
  return bswap<u64>(load<u64>(base + (at >> 3))) << (at & 7);
}
