/** Whether two stretches of memory are equal. Nothing outside them is read. */
export function equalBytes(a: usize, b: usize, length: u32): bool {
  if (length < 16) {
    let i: u32 = 0;
    if (length & 8) {
      if (load<u64>(a) !== load<u64>(b)) return false;
      i = 8;
    }
    if (length & 4) {
      if (load<u32>(a + i) !== load<u32>(b + i)) return false;
      i += 4;
    }
    for (; i < length; i++) if (load<u8>(a + i) !== load<u8>(b + i)) return false;
    return true;
  }
  // The last sixteen bytes overlap those before them where the length is not a multiple.
  const last = length - 16;
  for (let i: u32 = 0; i < last; i += 16) {
    if (v128.any_true(v128.xor(v128.load(a + i), v128.load(b + i)))) return false;
  }
  return !v128.any_true(v128.xor(v128.load(a + last), v128.load(b + last)));
}

/** Below zero where `a` sorts before `b`, byte by byte; a text sorts before what it begins. */
export function compareBytes(a: usize, aLength: u32, b: usize, bLength: u32): i32 {
  const shared = min(aLength, bLength);
  for (let i: u32 = 0; i < shared; i++) {
    const difference = <i32>load<u8>(a + i) - <i32>load<u8>(b + i);
    if (difference !== 0) return difference;
  }
  return aLength < bLength ? -1 : aLength > bLength ? 1 : 0;
}

/** Whether bytes are UTF-8 as the Unicode standard has it: shortest forms, no surrogates, nothing above U+10FFFF. */
export function isUtf8(start: usize, length: u32): bool {
  const end = start + length;
  let at = start;
  while (at < end) {
    if (at + 16 <= end && !i8x16.bitmask(v128.load(at))) {
      at += 16;
      continue;
    }
    if (at + 8 <= end && ((load<u32>(at) | load<u32>(at, 4)) & 0x8080_8080) === 0) {
      at += 8;
      continue;
    }
    const first = <u32>load<u8>(at++);
    if (first < 0x80) continue;
    if (first < 0xc2 || first > 0xf4) return false;
    const more: usize = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    if (at + more > end) return false;
    const second = <u32>load<u8>(at);
    const low: u32 = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
    const high: u32 = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
    if (second < low || second > high) return false;
    for (let i: usize = 1; i < more; i++) if ((load<u8>(at + i) & 0xc0) !== 0x80) return false;
    at += more;
  }
  return true;
}

let key0: u64 = 0;
let key1: u64 = 0;

/** Whether a name is `__name__`. */
export function isMetricName(start: usize, length: u32): bool {
  return length === 8 && load<u32>(start) === 0x616e5f5f && load<u32>(start, 4) === 0x5f5f656d;
}

/** The key of all hashes, which attackers cannot know. To be set once, before anything is hashed. */
export function seedHashes(a: u32, b: u32, c: u32, d: u32): void {
  key0 = ((<u64>a) << 32) | b;
  key1 = ((<u64>c) << 32) | d;
}

/** SipHash-1-3 (Aumasson and Bernstein 2012), folded to 32 bits: whoever does not know the key finds no collisions. */
export function hashBytes(start: usize, length: u32): u32 {
  return hashWithKey(key0, key1, start, length);
}

/** The same with a key of the caller's. */
export function hashWithKey(first: u64, second: u64, start: usize, length: u32): u32 {
  let v0 = first ^ (((<u64>0x736f6d65) << 32) | 0x70736575);
  let v1 = second ^ (((<u64>0x646f7261) << 32) | 0x6e646f6d);
  let v2 = first ^ (((<u64>0x6c796765) << 32) | 0x6e657261);
  let v3 = second ^ (((<u64>0x74656462) << 32) | 0x79746573);
  const whole = length & ~7;
  const rounds: u32 = whole + 32;
  let word: u64 = 0;
  // Whole words, the rest with the length, and three rounds more to finish.
  for (let i: u32 = 0; i < rounds; i += 8) {
    if (i < whole) {
      word = load<u64>(start + i);
    } else if (i === whole) {
      word = (<u64>length) << 56;
      for (let j: u32 = whole; j < length; j++) word |= (<u64>load<u8>(start + j)) << ((j - whole) << 3);
    } else {
      word = 0;
      if (i === whole + 8) v2 ^= 0xff;
    }
    v3 ^= word;
    v0 += v1;
    v1 = rotl(v1, 13) ^ v0;
    v0 = rotl(v0, 32);
    v2 += v3;
    v3 = rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = rotl(v1, 17) ^ v2;
    v2 = rotl(v2, 32);
    v0 ^= word;
  }
  const hash = v0 ^ v1 ^ v2 ^ v3;
  return <u32>(hash ^ (hash >> 32));
}
