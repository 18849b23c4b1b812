/*
 * Samples as the JSON of Prometheus's API has them: `,[1785751200.5,"0.25"]`. Values get the shortest text that reads
 * back the same, by Raffaello Giulietti's Schubfach ("The Schubfach way to render doubles", 2020).
 */

/** Powers of ten from 10^-LEAST_POWER on, 128 bits each, the high half first; written by src/wire/sample-text.ts. */
const LEAST_POWER: i32 = 30;
const POWERS: i32 = 90;
const powers: usize = heap.alloc((POWERS as usize) << 4);

export function powersOfTen(): usize {
  return powers;
}

const STALE: u64 = ((0x7ff00000 as u64) << 32) | 2;
const SIGN: u64 = 0x8000000000000000;
const FRACTION: u64 = 0x000fffffffffffff;
const HIDDEN: u64 = 0x0010000000000000;

let high: u64 = 0;

/** The product's low half; the high one is in `high`. */
function multiply(a: u64, b: u64): u64 {
  const a0 = a & 0xffffffff;
  const a1 = a >> 32;
  const b0 = b & 0xffffffff;
  const b1 = b >> 32;
  const low = a0 * b0;
  const middle = a1 * b0 + (low >> 32);
  const other = a0 * b1 + (middle & 0xffffffff);
  high = a1 * b1 + (middle >> 32) + (other >> 32);
  return (other << 32) | (low & 0xffffffff);
}

/** The product with a power of ten, without its low 128 bits, whose being there the last bit tells. */
function roundToOdd(power: usize, factor: u64): u64 {
  multiply(load<u64>(power, 8), factor);
  const carried = high;
  const low = multiply(load<u64>(power), factor) + carried;
  const top = high + (low < carried ? 1 : 0);
  return top | (low > 1 ? 1 : 0);
}

let exponent: i32 = 0;

/** The digits of a positive finite number, by ten to `exponent`. */
function digitsOf(bits: u64): u64 {
  const fraction = bits & FRACTION;
  const raised = ((bits >> 52) as i32) & 0x7ff;
  const c = raised === 0 ? fraction : fraction | HIDDEN;
  const q = (raised === 0 ? 1 : raised) - 1075;
  const isEven = (c & 1) === 0;
  const isCloser = fraction === 0 && raised > 1;
  const below = 4 * c - 2 + (isCloser ? 1 : 0);
  const k = (q * 1262611 - (isCloser ? 524031 : 0)) >> 22;
  const h = q + ((-k * 1741647) >> 19) + 1;
  const power = powers + (((LEAST_POWER - k) as usize) << 4);
  const lower = roundToOdd(power, below << h) + (isEven ? 0 : 1);
  const middle = roundToOdd(power, (4 * c) << h);
  const upper = roundToOdd(power, (4 * c + 2) << h) - (isEven ? 0 : 1);
  const s = middle >> 2;
  if (s >= 10) {
    const tenth = s / 10;
    const isIn = lower <= 40 * tenth;
    const isNextIn = 40 * tenth + 40 <= upper;
    if (isIn !== isNextIn) {
      exponent = k + 1;
      return tenth + (isNextIn ? 1 : 0);
    }
  }
  exponent = k;
  const isIn = lower <= 4 * s;
  const isNextIn = 4 * s + 4 <= upper;
  if (isIn !== isNextIn) return s + (isNextIn ? 1 : 0);
  const half = 4 * s + 2;
  return s + (middle > half || (middle === half && (s & 1) !== 0) ? 1 : 0);
}

/** Writes a number in decimal that ends before `end`. Returns where it begins. */
function putBackwards(end: usize, value: u64): usize {
  let at = end;
  // Divisions of 64 bits are slow: eight digits for each.
  while (value >= 100000000) {
    const upper = value / 100000000;
    let lower = (value - upper * 100000000) as u32;
    for (let i = 0; i < 8; i++) {
      const tenth = lower / 10;
      store<u8>(--at, 48 + (lower - tenth * 10));
      lower = tenth;
    }
    value = upper;
  }
  let left = value as u32;
  while (left >= 10) {
    const tenth = left / 10;
    store<u8>(--at, 48 + (left - tenth * 10));
    left = tenth;
  }
  store<u8>(--at, 48 + left);
  return at;
}

/** Room for the digits of one number. */
const digits: usize = memory.data(24);

function putWhole(at: usize, value: u64): usize {
  const from = putBackwards(digits + 24, value);
  const length = digits + 24 - from;
  for (let i: usize = 0; i < length; i++) store<u8>(at + i, load<u8>(from + i));
  return at + length;
}

/** Whole milliseconds as seconds. */
function putTime(at: usize, time: u64): usize {
  at = putWhole(at, time / 1000);
  let rest = (time % 1000) as u32;
  if (rest === 0) return at;
  store<u8>(at++, 46);
  for (let unit: u32 = 100; rest > 0; unit /= 10) {
    store<u8>(at++, (48 + rest / unit) as u8);
    rest %= unit;
  }
  return at;
}

/** Returns 0 where the number has an exponent in its text. */
function putValue(at: usize, bits: u64): usize {
  if ((bits & SIGN) !== 0) store<u8>(at++, 45);
  bits &= ~SIGN;
  if (bits === 0) {
    store<u8>(at++, 48);
    return at;
  }
  const value = reinterpret<f64>(bits);
  if (!(value >= 1e-6 && value < 1e21)) return 0;
  if (value < 9007199254740992) {
    const whole = value as u64;
    if ((whole as f64) === value) return putWhole(at, whole);
  }
  let significand = digitsOf(bits);
  let k = exponent;
  for (let tenth = significand / 10; tenth * 10 === significand; tenth = significand / 10) {
    significand = tenth;
    k++;
  }
  const from = putBackwards(digits + 24, significand);
  const length = (digits + 24 - from) as i32;
  const point = length + k;
  if (point <= 0) {
    store<u16>(at, 0x2e30);
    at += 2;
    for (let i = point; i < 0; i++) store<u8>(at++, 48);
  }
  for (let i = 0; i < length; i++) {
    if (i === point && i > 0) store<u8>(at++, 46);
    store<u8>(at++, load<u8>(from + (i as usize)));
  }
  for (let i = 0; i < k; i++) store<u8>(at++, 48);
  return at;
}

/*
 * Series of one answer have the same times: each place of a call remembers the text of the time that stood there last.
 */
const PLACES: usize = 4096;
/** A time as its bits, the length of its text, and that. */
const PLACE_BYTES: usize = 32;
const MOST_TIME_TEXT: usize = PLACE_BYTES - 12;
const places: usize = heap.alloc(PLACES * PLACE_BYTES);
memory.fill(places, 0, PLACES * PLACE_BYTES);

/** Writes `,[`, the time and `,"`. Returns 0 where this does not know its text. */
function openSample(at: usize, index: usize, bits: u64): usize {
  const place = places + index * PLACE_BYTES;
  if (index < PLACES && load<u64>(place) === bits && load<u32>(place, 8) !== 0) {
    store<u64>(at, load<u64>(place, 12));
    store<u64>(at, load<u64>(place, 20), 8);
    store<u32>(at, load<u32>(place, 28), 16);
    return at + (load<u32>(place, 8) as usize);
  }
  const time = reinterpret<f64>(bits);
  if (!(time >= 0 && time < 1e15) || (time as u64 as f64) !== time) return 0;
  store<u16>(at, 0x5b2c);
  const end = putTime(at + 2, time as u64);
  store<u16>(end, 0x222c);
  const length = end + 2 - at;
  if (index < PLACES && length <= MOST_TIME_TEXT) {
    store<u64>(place, bits);
    store<u32>(place, length as u32, 8);
    memory.copy(place + 12, at, length);
  }
  return end + 2;
}

/**
 * Writes samples to `out`, where each must have 64 bytes of room; staleness markers are left out.
 * @returns How many bytes were written; -1 where there is a time or a value of which this does not know the text.
 */
export function formatSamples(times: usize, values: usize, count: i32, out: usize): i32 {
  let at = out;
  for (let i: usize = 0, n = (count as usize) << 3; i < n; i += 8) {
    const bits = load<u64>(values + i);
    if (bits === STALE) continue;
    at = openSample(at, i >> 3, load<u64>(times + i));
    if (at === 0) return -1;
    at = putValue(at, bits);
    if (at === 0) return -1;
    store<u16>(at, 0x5d22);
    at += 2;
  }
  return (at - out) as i32;
}
