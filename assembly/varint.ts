/** Where the last `getVarint` ended; 0 after one that did not end before its limit. */
export let varintEnd: usize = 0;

/** Seven bits a byte, the lowest first. Returns where the next byte goes. */
export function putVarint(at: usize, value: u64): usize {
  while (value >= 0x80) {
    store<u8>(at++, (value as u8) | 0x80);
    value >>= 7;
  }
  store<u8>(at, value as u8);
  return at + 1;
}

export function getVarint(at: usize, end: usize): u64 {
  let value: u64 = 0;
  for (let shift: u64 = 0; shift < 70 && at < end; shift += 7) {
    const byte = load<u8>(at++);
    value |= ((byte & 0x7f) as u64) << shift;
    if (byte < 0x80) {
      varintEnd = at;
      return value;
    }
    if (shift === 63) break;
  }
  varintEnd = 0;
  return 0;
}

/** Small numbers of either sign become small ones without a sign. */
export function zigzag(value: i64): u64 {
  return ((value << 1) ^ (value >> 63)) as u64;
}

export function unzigzag(value: u64): i64 {
  return ((value >> 1) as i64) ^ -((value & 1) as i64);
}
