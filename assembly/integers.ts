import { endBits, peekBits, putBits, startBits } from './bits';
import { getVarint, putVarint, unzigzag, varintEnd, zigzag } from './varint';

/*
 * A column of 64-bit integers in few bytes: each is predicted, and the differences are coded the way that is shortest
 * for this column. All arithmetic wraps, so that every column comes back. docs/reference/on-disk-format.md has the bytes.
 */

/** Longest column. */
export const MAX_INTEGERS: i32 = 8192;

/** Predictions of element i from the elements before it. */
const LEVEL: i32 = 0;
const DELTA: i32 = 1;
const DELTA_OF_DELTA: i32 = 2;
const GRID: i32 = 3;

/** Codings of the differences. */
const ZEROS: i32 = 0;
const SPARSE: i32 = 1;
const RICE: i32 = 2;
const FLAGGED_RICE: i32 = 3;
const EXP_GOLOMB: i32 = 4;

/** A Rice quotient of this many ones says that the number follows as it is. */
const ESCAPE: i32 = 24;

/** Every integer less the first one, divided by what divides all of them. */
const reduced: usize = heap.alloc(MAX_INTEGERS * 8);
const differences: usize = heap.alloc(MAX_INTEGERS * 8);
/** How many differences have each bit length, 0 to 64. */
const lengths: usize = heap.alloc(65 * 4);
let shortest: i32 = 0;
let longest: i32 = 0;

/** Where the last `getIntegers` ended. */
export let integersEnd: usize = 0;

let bestCoding: i32 = 0;
let bestParameter: i32 = 0;

/**
 * Writes `count` integers, one at least. What is behind `at` must have room for 64 + 13 * count bytes.
 * @returns Where the next byte goes.
 */
export function putIntegers(at: usize, integers: usize, count: i32, mayBeGrid: bool): usize {
  const first = load<i64>(integers);
  const n = count - 1;
  const step = count > 1 ? load<i64>(integers + 8) - first : 0;
  if (isRegular(integers, count, step)) return putHead(at, DELTA, ZEROS, first, 1, step);

  const divisor = divisorOf(integers, count);
  const middle = middleDelta(integers, count) / divisor;
  reduce(integers, count, divisor);
  const prediction = count < 3 ? DELTA : predictionFor(count, middle, mayBeGrid);
  const base = prediction === DELTA ? middle : baseOf(count, prediction);
  fillDifferences(count, prediction, base);
  chooseCoding(n);
  return putDifferences(putHead(at, prediction, bestCoding, first, divisor, base), n);
}

function putHead(at: usize, prediction: i32, coding: i32, first: i64, divisor: i64, base: i64): usize {
  const hasDivisor = divisor > 1;
  store<u8>(at++, prediction | (coding << 2) | ((base !== 0 ? 1 : 0) << 6) | ((hasDivisor ? 1 : 0) << 7));
  at = putVarint(at, zigzag(first));
  if (hasDivisor) at = putVarint(at, divisor);
  return base !== 0 ? putVarint(at, zigzag(base)) : at;
}

/** Whether every delta is `step`: a regular scrape, or a value that stays. */
function isRegular(integers: usize, count: i32, step: i64): bool {
  let expected = load<i64>(integers);
  for (let p = integers + 8, last = integers + ((count as usize) << 3); p < last; p += 8) {
    expected += step;
    if (load<i64>(p) !== expected) return false;
  }
  return true;
}

/**
 * Reads `count` integers into `integers`.
 * @returns False where the bytes before `end` are not such a column. `integersEnd` tells where it ended.
 */
export function getIntegers(at: usize, end: usize, integers: usize, count: i32): bool {
  if (at >= end) return false;
  const head = load<u8>(at++) as i32;
  const prediction = head & 3;
  const coding = (head >> 2) & 15;
  const first = unzigzag(getVarint(at, end));
  if (varintEnd === 0) return false;
  at = varintEnd;
  let divisor: i64 = 1;
  if ((head & 0x80) !== 0) {
    divisor = getVarint(at, end) as i64;
    if (varintEnd === 0) return false;
    at = varintEnd;
  }
  let base: i64 = 0;
  if ((head & 0x40) !== 0) {
    base = unzigzag(getVarint(at, end));
    if (varintEnd === 0) return false;
    at = varintEnd;
  }
  const n = count - 1;
  const to = integers + 8;
  store<i64>(integers, first);
  const last = to + ((n as usize) << 3);
  // What counters have: added up on the way.
  if (coding === RICE && prediction === DELTA) return getRice(at, end, to, last, true, first, base, divisor);
  if (!getDifferences(at, end, to, n, coding)) return false;
  let value = first;
  if (prediction === DELTA) {
    for (let p = to; p < last; p += 8) {
      value += (load<i64>(p) + base) * divisor;
      store<i64>(p, value);
    }
  } else if (prediction === DELTA_OF_DELTA) {
    let delta = base;
    for (let p = to; p < last; p += 8) {
      delta += load<i64>(p);
      value += delta * divisor;
      store<i64>(p, value);
    }
  } else if (prediction === LEVEL) {
    for (let p = to; p < last; p += 8) store<i64>(p, first + (load<i64>(p) + base) * divisor);
  } else {
    let grid: i64 = 0;
    for (let p = to; p < last; p += 8) {
      grid += base;
      store<i64>(p, first + (load<i64>(p) + grid) * divisor);
    }
  }
  return true;
}

/** The greatest common divisor of all deltas, which are not all zero: pages of 4,096 bytes, or trailing zeros. */
function divisorOf(integers: usize, count: i32): i64 {
  let divisor: u64 = 0;
  const first = load<i64>(integers);
  for (let i = 1; i < count; i++) {
    const value = load<i64>(integers + ((i as usize) << 3));
    const delta = value - first;
    if (delta === 0) continue;
    // What wraps around cannot be divided.
    if (((value ^ first) & (value ^ delta)) < 0) return 1;
    let a = (delta < 0 ? -delta : delta) as u64;
    let b = divisor;
    while (b !== 0) {
      const rest = a % b;
      a = b;
      b = rest;
    }
    divisor = a;
    if (divisor === 1) return 1;
  }
  // The largest magnitude has no positive form: such a column is written undivided.
  return divisor > (i64.MAX_VALUE as u64) ? 1 : (divisor as i64);
}

function bitLength(value: u64): i32 {
  return 64 - (clz<u64>(value) as i32);
}

function reduce(integers: usize, count: i32, divisor: i64): void {
  const first = load<i64>(integers);
  const bytes = (count as usize) << 3;
  if (divisor === 1) for (let i: usize = 0; i < bytes; i += 8) store<i64>(reduced + i, load<i64>(integers + i) - first);
  else for (let i: usize = 0; i < bytes; i += 8) store<i64>(reduced + i, (load<i64>(integers + i) - first) / divisor);
}

/** The prediction whose differences have the fewest bits. */
function predictionFor(count: i32, middle: i64, mayBeGrid: bool): i32 {
  const gridBase = mayBeGrid ? baseOf(count, GRID) : 0;
  const levelBase = baseOf(count, LEVEL);
  let previous: i64 = 0;
  let previousDelta = load<i64>(reduced + 8);
  let onGrid: i64 = 0;
  let level = 0;
  let delta = 0;
  let second = 0;
  let grid = 0;
  for (let p = reduced + 8, last = reduced + ((count as usize) << 3); p < last; p += 8) {
    const value = load<i64>(p);
    const step = value - previous;
    level += bitLength(zigzag(value - levelBase));
    delta += bitLength(zigzag(step - middle));
    second += bitLength(zigzag(step - previousDelta));
    if (mayBeGrid) {
      onGrid += gridBase;
      grid += bitLength(zigzag(value - onGrid));
    }
    previous = value;
    previousDelta = step;
  }
  if (mayBeGrid && grid < delta && grid < second && grid < level) return GRID;
  if (level < delta && level < second) return LEVEL;
  return second < delta ? DELTA_OF_DELTA : DELTA;
}

/** What is taken from every difference, so that they lie around zero. */
function baseOf(count: i32, prediction: i32): i64 {
  if (prediction === DELTA_OF_DELTA) return load<i64>(reduced + 8);
  const n = (count - 1) as usize;
  if (prediction === GRID) return inRange((load<i64>(reduced + (n << 3)) as f64) / (n as f64));
  let sum: f64 = 0;
  for (let p = reduced + 8, last = reduced + (n << 3); p <= last; p += 8) sum += load<i64>(p) as f64;
  return inRange(sum / (n as f64));
}

function inRange(value: f64): i64 {
  return Math.abs(value) < 4503599627370496 ? (nearest(value) as i64) : 0;
}

/** The middle one of up to nine deltas, spread over the column: one gap or one reset does not move it. */
function middleDelta(integers: usize, count: i32): i64 {
  const n = count - 1;
  const taken = n < 9 ? n : 9;
  for (let i = 0; i < taken; i++) {
    const at = integers + (((i * n) / taken) as usize) * 8;
    const delta = load<i64>(at + 8) - load<i64>(at);
    let j = i;
    for (; j > 0 && load<i64>(differences + ((j - 1) as usize) * 8) > delta; j--) {
      store<i64>(differences + (j as usize) * 8, load<i64>(differences + ((j - 1) as usize) * 8));
    }
    store<i64>(differences + (j as usize) * 8, delta);
  }
  return load<i64>(differences + ((taken >> 1) as usize) * 8);
}

function fillDifferences(count: i32, prediction: i32, base: i64): void {
  let previous: i64 = 0;
  let previousDelta = base;
  let grid: i64 = 0;
  memory.fill(lengths, 0, 65 * 4);
  shortest = 64;
  longest = 0;
  const gap = differences - reduced - 8;
  for (let p = reduced + 8, last = reduced + ((count as usize) << 3); p < last; p += 8) {
    const value = load<i64>(p);
    let difference: i64;
    if (prediction === DELTA) difference = value - previous - base;
    else if (prediction === DELTA_OF_DELTA) {
      difference = value - previous - previousDelta;
      previousDelta = value - previous;
    } else if (prediction === LEVEL) difference = value - base;
    else {
      grid += base;
      difference = value - grid;
    }
    previous = value;
    const folded = zigzag(difference);
    store<u64>(p + gap, folded);
    const length = bitLength(folded);
    const at = lengths + ((length as usize) << 2);
    store<u32>(at, load<u32>(at) + 1);
    if (length > longest) longest = length;
    if (length !== 0 && length < shortest) shortest = length;
  }
}

/** Finds the coding with the fewest bits, by the differences' bit lengths. */
function chooseCoding(n: i32): void {
  bestCoding = ZEROS;
  bestParameter = 0;
  const zeros = load<u32>(lengths) as i32;
  if (zeros === n) return;

  // In quarters of a bit. In the mean a number of b bits is 0.75 * 2^b.
  let best = 32;
  for (let length = shortest; length <= longest; length++) {
    best += (load<u32>(lengths + ((length as usize) << 2)) as i32) * 4 * (8 + (((length + 6) / 7) << 3));
  }
  bestCoding = SPARSE;
  for (let k = shortest > 2 ? shortest - 3 : 0; k < longest; k++) {
    let rice = 32;
    let golomb = 32;
    for (let length = shortest; length <= longest; length++) {
      const many = load<u32>(lengths + ((length as usize) << 2)) as i32;
      const above = length - k;
      rice += many * riceQuarters(k, length, above);
      golomb += many * ((above <= 0 ? 4 : above === 1 ? 10 : 8 * above + 2) + 4 * k);
    }
    const own = 4 * zeros * (1 + k);
    if (rice + own < best) {
      best = rice + own;
      bestCoding = RICE;
      bestParameter = k;
    }
    if (rice + 4 * n < best) {
      best = rice + 4 * n;
      bestCoding = FLAGGED_RICE;
      bestParameter = k;
    }
    // With 64 bits the next number, which is what is written, would have 65.
    if (longest < 64 && golomb + own < best) {
      best = golomb + own;
      bestCoding = EXP_GOLOMB;
      bestParameter = k;
    }
  }
}

function riceQuarters(k: i32, length: i32, above: i32): i32 {
  if (above <= 0) return 4 + 4 * k;
  return above > 5 ? (ESCAPE + 6 + length) * 4 : 3 + (3 << above) + 4 * k;
}

function putDifferences(at: usize, n: i32): usize {
  const k = bestParameter;
  const end = differences + ((n as usize) << 3);
  if (bestCoding === ZEROS) return at;
  if (bestCoding === SPARSE) {
    at = putVarint(at, (n as u32) - load<u32>(lengths));
    let next = differences;
    for (let p = differences; p < end; p += 8) {
      const value = load<u64>(p);
      if (value === 0) continue;
      at = putVarint(at, (p - next) >> 3);
      at = putVarint(at, value);
      next = p + 8;
    }
    return at;
  }
  store<u8>(at++, k as u8);
  startBits(at);
  if (bestCoding === RICE) {
    for (let p = differences; p < end; p += 8) putRice(load<u64>(p), k);
  } else if (bestCoding === FLAGGED_RICE) {
    for (let p = differences; p < end; p += 8) {
      const value = load<u64>(p);
      putBits(value === 0 ? 0 : 1, 1);
      if (value !== 0) putRice(value - 1, k);
    }
  } else {
    for (let p = differences; p < end; p += 8) {
      const value = load<u64>(p);
      const rest = (value >> k) + 1;
      const length = bitLength(rest) - 1;
      putUnary(length);
      putWide(rest ^ ((1 as u64) << length), length);
      putWide(value & (((1 as u64) << k) - 1), k);
    }
  }
  return endBits();
}

/** That many ones, at most 64, and a zero. */
function putUnary(ones: i32): void {
  if (ones > 40) {
    putBits(((1 as u64) << 40) - 1, 40);
    ones -= 40;
  }
  putBits((((1 as u64) << ones) - 1) << 1, ones + 1);
}

function putRice(value: u64, k: i32): void {
  const quotient = value >> k;
  if (quotient >= (ESCAPE as u64)) {
    putBits(((1 as u64) << ESCAPE) - 1, ESCAPE);
    const length = bitLength(value);
    putBits((length - 1) as u64, 6);
    putWide(value, length);
    return;
  }
  const ones = quotient as i32;
  const low = value & (((1 as u64) << k) - 1);
  const unary = (((1 as u64) << ones) - 1) << 1;
  if (ones + 1 + k <= 56) {
    putBits((unary << k) | low, ones + 1 + k);
    return;
  }
  putBits(unary, ones + 1);
  putWide(low, k);
}

function putWide(value: u64, n: i32): void {
  if (n > 32) {
    putBits(value >> 32, n - 32);
    putBits(value & 0xffffffff, 32);
  } else putBits(value, n);
}

function getDifferences(at: usize, end: usize, to: usize, n: i32, coding: i32): bool {
  const last = to + ((n as usize) << 3);
  integersEnd = at;
  if (coding === ZEROS) {
    memory.fill(to, 0, (n as usize) << 3);
    return true;
  }
  if (coding === SPARSE) return getSparse(at, end, to, last);
  if (coding === RICE) return getRice(at, end, to, last, false, 0, 0, 0);
  if (coding > EXP_GOLOMB || at >= end) return false;
  const k = load<u8>(at++) as i32;
  if (k > 63) return false;
  let bit: u32 = 0;
  const bits = ((end - at) as u32) << 3;
  if (coding === EXP_GOLOMB) {
    for (let p = to; p < last; p += 8) {
      if (bit >= bits) return false;
      let ones = clz<u64>(~peekBits(at, bit)) as i32;
      if (ones > 56) {
        // Of a long run the first 40 ones are taken alone, as they were written.
        if (bit + 40 >= bits) return false;
        ones = 40 + (clz<u64>(~peekBits(at, bit + 40)) as i32);
        if (ones > 64) return false;
      }
      bit += ones + 1;
      if (ones + k > 64 || bit + ones + k > bits) return false;
      const rest = (getWide(at, bit, ones) | (ones === 64 ? 0 : (1 as u64) << ones)) - 1;
      bit += ones;
      store<i64>(p, unzigzag((k === 0 ? rest : rest << k) | getWide(at, bit, k)));
      bit += k;
    }
  } else {
    for (let p = to; p < last; p += 8) {
      if (bit >= bits) return false;
      const word = peekBits(at, bit);
      bit++;
      if (word >> 63 === 0) {
        store<i64>(p, 0);
        continue;
      }
      const rest = word << 1;
      const ones = clz<u64>(~rest) as i32;
      let value: u64;
      // Most numbers are in the bits that were loaded already.
      if (ones < ESCAPE && ones + k < 55) {
        bit += ones + 1 + k;
        value = (ones as u64) << k;
        if (k > 0) value |= (rest << (ones + 1)) >> (64 - k);
      } else {
        bit = getLongRice(at, bit, bits, ones, k);
        value = longRice;
      }
      if (bit > bits) return false;
      store<i64>(p, unzigzag(value + 1));
    }
  }
  if (bit > bits) return false;
  integersEnd = at + ((bit + 7) >> 3);
  return true;
}

let longRice: u64 = 0;

/** Reads a number that is not in the bits that are loaded at once into `longRice`. Returns where it ends, behind `bits` where it does not. */
function getLongRice(at: usize, start: u32, bits: u32, ones: i32, k: i32): u32 {
  let bit = start;
  if (ones >= ESCAPE) {
    bit += ESCAPE;
    const length = (getWide(at, bit, 6) as i32) + 1;
    bit += 6;
    if (bit + length > bits) return bits + 1;
    longRice = getWide(at, bit, length);
    return bit + length;
  }
  bit += ones + 1;
  if (bit + k > bits) return bits + 1;
  longRice = ((ones as u64) << k) | getWide(at, bit, k);
  return bit + k;
}

/**
 * Reads Rice codes to `to` up to `last`: differences, or with `sums` what they add up to from `first` on, each with `base`
 * and times `divisor`. Bits are loaded some numbers at a time.
 */
function getRice(at: usize, end: usize, to: usize, last: usize, sums: bool, first: i64, base: i64, divisor: i64): bool {
  if (at >= end) return false;
  const k = load<u8>(at++) as i32;
  if (k > 63) return false;
  const bits = ((end - at) as u32) << 3;
  const low = 63 - k;
  let bit: u32 = 0;
  /** The next bits, of which `left` are there, and zeros. */
  let word: u64 = 0;
  let left = 0;
  let sum = first;
  for (let p = to; p < last; p += 8) {
    let ones = clz<u64>(~word) as i32;
    let length = ones + 1 + k;
    if (length > left) {
      if (bit >= bits) return false;
      word = peekBits(at, bit);
      left = 57;
      ones = clz<u64>(~word) as i32;
      length = ones + 1 + k;
    }
    let value: u64;
    if (length <= left && ones < ESCAPE) {
      value = ((ones as u64) << k) | (((word << (ones + 1)) >> 1) >> low);
      word <<= length;
      left -= length;
      bit += length;
    } else {
      bit = getLongRice(at, bit, bits, ones, k);
      if (bit > bits) return false;
      value = longRice;
      left = 0;
      word = 0;
    }
    const difference = unzigzag(value);
    sum += (difference + base) * divisor;
    store<i64>(p, sums ? sum : difference);
  }
  if (bit > bits) return false;
  integersEnd = at + ((bit + 7) >> 3);
  return true;
}

function getWide(base: usize, bit: u32, n: i32): u64 {
  if (n === 0) return 0;
  if (n <= 56) return peekBits(base, bit) >> (64 - n);
  const high = peekBits(base, bit) >> 32;
  return (high << (n - 32)) | (peekBits(base, bit + 32) >> (96 - n));
}

function getSparse(at: usize, end: usize, to: usize, last: usize): bool {
  let many = getVarint(at, end);
  if (varintEnd === 0) return false;
  memory.fill(to, 0, last - to);
  let p = to;
  for (; many > 0; many--) {
    const gap = getVarint(varintEnd, end);
    if (varintEnd === 0 || gap >= (((last - p) >> 3) as u64)) return false;
    const value = getVarint(varintEnd, end);
    if (varintEnd === 0) return false;
    p += (gap as usize) << 3;
    store<i64>(p, unzigzag(value));
    p += 8;
  }
  integersEnd = varintEnd;
  return true;
}
