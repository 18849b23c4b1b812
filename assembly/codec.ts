import { getIntegers, integersEnd, MAX_INTEGERS, putIntegers } from './integers';
import { getVarint, putVarint, varintEnd } from './varint';

/** Samples of one series in few bytes. docs/reference/on-disk-format.md has the bytes. */

/** Times as whole milliseconds, or as the bits of doubles. */
const WHOLE_TIMES: u8 = 1;
const TIME_BITS: u8 = 2;

/** Up to this exponent the values are whole numbers of 10^-exponent; `BITS` are the bits of doubles. */
const MAX_EXPONENT: i32 = 15;
const BITS: i32 = 32;
const HAS_EXCEPTIONS: i32 = 64;

/** Largest whole number that counts as one: every double up to here has its neighbours at a distance of 1. */
const LARGEST: f64 = 9007199254740992;

const POWERS: usize = memory.data<f64>([
  1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
]);

const integers: usize = heap.alloc((MAX_INTEGERS + 1) * 8);
/** Positions of values that the integers cannot say. */
const exceptions: usize = heap.alloc(MAX_INTEGERS * 4);
let exceptionCount: i32 = 0;

/** Room for callers: the columns of the longest chunk, and its bytes. */
const columns: usize = heap.alloc(MAX_INTEGERS * 16);
const encoded: usize = heap.alloc(MAX_INTEGERS * 40 + 256);

export function codecTimes(): usize {
  return columns;
}

export function codecValues(): usize {
  return columns + MAX_INTEGERS * 8;
}

export function codecBytes(): usize {
  return encoded;
}

/**
 * Encodes 1 to 8,192 samples. What is at `out` must have room for 256 + 40 * count bytes.
 * @returns The length in bytes, or -1 where times do not ascend or are not numbers.
 */
export function encodeChunk(times: usize, values: usize, count: i32, out: usize): i32 {
  if (count < 1 || count > MAX_INTEGERS) return -1;
  let at = out + 1;
  at = putVarint(at, count as u64);
  const whole = wholeTimes(times, count);
  if (whole < 0) return -1;
  store<u8>(out, whole > 0 ? WHOLE_TIMES : TIME_BITS);
  at = putIntegers(at, whole > 0 ? integers : times, count, true);

  const exponent = decimals(values, count);
  const kind = exponent >= 0 ? exponent : BITS;
  if (exponent < 0) valueBits(values, count);
  if (exceptionCount === 0) store<u8>(at++, kind as u8);
  else {
    store<u8>(at++, (kind | HAS_EXCEPTIONS) as u8);
    at = putVarint(at, exceptionCount as u64);
    let next = 0;
    for (let i = 0; i < exceptionCount; i++) {
      const position = load<i32>(exceptions + ((i as usize) << 2));
      at = putVarint(at, (position - next) as u64);
      store<u64>(at, load<u64>(values + ((position as usize) << 3)));
      at += 8;
      next = position + 1;
    }
  }
  at = putIntegers(at, integers, count, false);
  return (at - out) as i32;
}

/** How many samples encoded bytes say they have: 0 where they are none. */
export function countOf(bytes: usize, length: i32): i32 {
  if (length < 3) return 0;
  const count = getVarint(bytes + 1, bytes + length);
  return varintEnd === 0 || count > (MAX_INTEGERS as u64) ? 0 : (count as i32);
}

// Where the times end that `decodeTimes` read.
let behindTimes: usize = 0;

export function timesEnd(): usize {
  return behindTimes;
}

/**
 * Decodes into columns of `capacity` samples. Up to eight bytes behind the end may be loaded and are not judged.
 * @returns The count, or -1 where the bytes are not exactly one chunk.
 */
export function decodeChunk(bytes: usize, length: i32, times: usize, values: usize, capacity: i32): i32 {
  const count = decodeTimes(bytes, length, times, capacity);
  return count > 0 && decodeValues(behindTimes, bytes + length, values, count) ? count : -1;
}

/**
 * The times alone: what stands behind them is not looked at. `timesEnd` tells where that is.
 * @returns The count, or -1 where the bytes do not begin as a chunk does.
 */
export function decodeTimes(bytes: usize, length: i32, times: usize, capacity: i32): i32 {
  const count = countOf(bytes, length);
  if (count === 0 || count > capacity) return -1;
  const timeKind = load<u8>(bytes);
  if (timeKind !== WHOLE_TIMES && timeKind !== TIME_BITS) return -1;
  if (!getIntegers(varintEnd, bytes + length, times, count)) return -1;
  behindTimes = integersEnd;
  if (timeKind === WHOLE_TIMES) {
    for (let p = times, last = times + ((count as usize) << 3); p < last; p += 8) store<f64>(p, load<i64>(p) as f64);
  }
  let previous = -Infinity;
  for (let p = times, last = times + ((count as usize) << 3); p < last; p += 8) {
    const time = load<f64>(p);
    if (!(time > previous)) return -1;
    previous = time;
  }
  return count;
}

/** The values alone, which stand between a chunk's times and its end. False where these bytes are not exactly that. */
export function decodeValues(at: usize, end: usize, values: usize, count: i32): bool {
  if (at >= end) return false;
  const kind = load<u8>(at++) as i32;
  const exponent = kind & ~HAS_EXCEPTIONS;
  if (exponent > MAX_EXPONENT && exponent !== BITS) return false;
  const excepted = at;
  if ((kind & HAS_EXCEPTIONS) !== 0) {
    at = walkExceptions(at, end, 0, count);
    if (at === 0) return false;
  }
  if (!getIntegers(at, end, values, count) || integersEnd !== end) return false;
  const last = values + ((count as usize) << 3);
  if (exponent === BITS) {
    for (let p = values; p < last; p += 8) {
      const bits = load<i64>(p);
      if (bits < 0) store<i64>(p, -bits | i64.MIN_VALUE);
    }
  } else if (exponent === 0) {
    for (let p = values; p < last; p += 8) store<f64>(p, load<i64>(p) as f64);
  } else {
    const power = load<f64>(POWERS + ((exponent as usize) << 3));
    for (let p = values; p < last; p += 8) store<f64>(p, (load<i64>(p) as f64) / power);
  }
  if ((kind & HAS_EXCEPTIONS) !== 0) walkExceptions(excepted, end, values, count);
  return true;
}

/** Puts excepted values in their places, where `values` is given. Returns where they end; 0 where they are damaged. */
function walkExceptions(at: usize, end: usize, values: usize, count: i32): usize {
  let many = getVarint(at, end);
  if (varintEnd === 0) return 0;
  at = varintEnd;
  let position: u64 = 0;
  for (; many > 0; many--) {
    const gap = getVarint(at, end);
    if (varintEnd === 0 || gap >= (count as u64) - position || varintEnd + 8 > end) return 0;
    at = varintEnd;
    position += gap;
    if (values !== 0) store<u64>(values + ((position as usize) << 3), load<u64>(at));
    at += 8;
    position++;
    if (position >= (count as u64) && many > 1) return 0;
  }
  return at;
}

/** Fills `integers` with whole times: 1 where all are, 0 where one is not, -1 where they do not ascend. */
function wholeTimes(times: usize, count: i32): i32 {
  let whole = 1;
  let previous = -Infinity;
  for (let i: usize = 0, n = (count as usize) << 3; i < n; i += 8) {
    const time = load<f64>(times + i);
    if (!(time > previous)) return -1;
    previous = time;
    if (Math.abs(time) > LARGEST) {
      whole = 0;
      continue;
    }
    const integer = time as i64;
    if (reinterpret<u64>(integer as f64) !== reinterpret<u64>(time)) whole = 0;
    store<i64>(integers + i, integer);
  }
  return whole;
}

/** True for NaN and the infinities: no integer stands for them. */
function isSpecial(bits: u64): bool {
  return ((bits >> 52) & 0x7ff) === 0x7ff;
}

/** The bits in the order of the numbers. A special value, or minus zero, is an exception and repeats the one before it. */
function valueBits(values: usize, count: i32): void {
  exceptionCount = 0;
  let previous: i64 = 0;
  for (let i = 0; i < count; i++) {
    let bits = load<i64>(values + ((i as usize) << 3));
    if (isSpecial(bits as u64) || bits === i64.MIN_VALUE) {
      except(i);
      bits = previous;
    } else {
      if (bits < 0) bits = -(bits & i64.MAX_VALUE);
      previous = bits;
    }
    store<i64>(integers + ((i as usize) << 3), bits);
  }
  levelStart(count);
}

/** Leading exceptions take the value of the first sample that is none. */
function levelStart(count: i32): void {
  let leading = 0;
  while (leading < exceptionCount && load<i32>(exceptions + ((leading as usize) << 2)) === leading) leading++;
  if (leading === 0 || leading === count) return;
  const value = load<i64>(integers + ((leading as usize) << 3));
  for (let i = 0; i < leading; i++) store<i64>(integers + ((i as usize) << 3), value);
}

function except(position: i32): void {
  store<i32>(exceptions + ((exceptionCount as usize) << 2), position);
  exceptionCount++;
}

/**
 * Fills `integers` with value * 10^exponent, where that is exact for all but a few values.
 * @returns The exponent, or -1 where the values are no such decimals.
 */
function decimals(values: usize, count: i32): i32 {
  if (fillWhole(values, count)) return 0;
  const allowed = count >> 4;
  let exponent = 0;
  let power: f64 = 1;
  let failed = 0;
  for (let i: usize = 0, n = (count as usize) << 3; i < n; i += 8) {
    const value = load<f64>(values + i);
    if (fits(value, power) || isSpecial(load<u64>(values + i))) continue;
    let found = exponent + 1;
    while (found <= MAX_EXPONENT && !fits(value, load<f64>(POWERS + ((found as usize) << 3)))) found++;
    if (found > MAX_EXPONENT) {
      if (++failed > allowed) return -1;
      continue;
    }
    exponent = found;
    power = load<f64>(POWERS + ((exponent as usize) << 3));
  }

  exceptionCount = 0;
  failed = 0;
  let previous: i64 = 0;
  for (let i = 0; i < count; i++) {
    const bits = load<u64>(values + ((i as usize) << 3));
    const value = reinterpret<f64>(bits);
    if (isSpecial(bits) || !fits(value, power) || bits === (i64.MIN_VALUE as u64)) {
      if (!isSpecial(bits) && ++failed > allowed) return -1;
      except(i);
    } else previous = nearest(value * power) as i64;
    store<i64>(integers + ((i as usize) << 3), previous);
  }
  levelStart(count);
  return exponent;
}

/** Most series: whole numbers throughout. */
function fillWhole(values: usize, count: i32): bool {
  exceptionCount = 0;
  for (let i: usize = 0, n = (count as usize) << 3; i < n; i += 8) {
    const value = load<f64>(values + i);
    if (!(Math.abs(value) <= LARGEST)) return false;
    const integer = value as i64;
    // Compared as bits: minus zero is not zero.
    if (reinterpret<u64>(integer as f64) !== reinterpret<u64>(value)) return false;
    store<i64>(integers + i, integer);
  }
  return true;
}

/** Whether the whole number nearest to value * power gives the value back. False for special values. */
function fits(value: f64, power: f64): bool {
  const scaled = nearest(value * power);
  return Math.abs(scaled) <= LARGEST && scaled / power === value;
}
