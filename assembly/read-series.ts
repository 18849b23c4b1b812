import { equalBytes } from './bytes';
import { decodeChunk, decodeValues, timesEnd } from './codec';
import {
  chunkAt,
  chunkBytes,
  chunkCount,
  chunkFirst,
  chunkFor,
  chunkLast,
  chunkLength,
  chunkSamples,
  copyOpenTimes,
  copyOpenValues,
  holdsNewest,
  lowerBound,
  newestOf,
  openCount,
  retentionOf,
  unsyncedIn,
} from './live-series';
import { slotOf } from './ref-table';

// Where `readSeries` leaves samples.
let room: i32 = 0;
let columns: usize = 0;
let from: i32 = 0;

/*
 * The series of one scrape have the same times, and their chunks the same bytes up to the end of the times: where a
 * chunk begins like the one that was decoded to its place before, its times are there already.
 */
/** Chunks that are remembered, by their place among those read; for each, where its samples are, how long its beginning is, and that. */
const MOST_BEGINNINGS: i32 = 64;
const BEGINNING_BYTES: usize = 256;
const MOST_BEGINNING: usize = BEGINNING_BYTES - 8;
const beginnings: usize = heap.alloc((MOST_BEGINNINGS as usize) * BEGINNING_BYTES);
let beginningCount: i32 = 0;
/** Another one whenever any of the times may have changed. */
let timesVersion: u32 = 0;

export function readTimes(): usize {
  return columns + ((from as usize) << 3);
}

export function readValues(): usize {
  return columns + (((room + from) as usize) << 3);
}

/** Copies the visible samples from `start` to `end`, both included, to where `readTimes` and `readValues` say. */
export function readSeries(slot: usize, start: f64, end: f64): i32 {
  from = 0;
  const chunks = chunkCount(slot);
  let index = chunkFor(slot, start);
  if (index < 0) index = 0;
  let behind = openCount(slot);
  for (let i = index; i < chunks; i++) behind += chunkSamples(chunkAt(slot, i));
  const visible = behind - unsyncedIn(slot);
  if (visible <= 0) return 0;
  makeRoom(behind);
  let n = 0;
  let passed = 0;
  let read = 0;
  for (; index < chunks && passed < visible; index++) {
    const chunk = chunkAt(slot, index);
    if (chunkFirst(chunk) > end) break;
    const count = chunkSamples(chunk);
    passed += count;
    if (chunkLast(chunk) < start) continue;
    decodeTo(n, read++, chunkBytes(chunk), chunkLength(chunk), count);
    n += count;
  }
  if (index === chunks && passed < visible) {
    const at = columns + ((n as usize) << 3);
    const count = openCount(slot);
    if (copyOpenTimes(slot, at)) {
      timesVersion++;
      beginningCount = min(beginningCount, read);
    }
    copyOpenValues(slot, at + ((room as usize) << 3));
    n += count;
    passed += count;
  }
  if (passed > visible) n -= passed - visible;
  if (n <= 0) return 0;
  from = lowerBound(columns, n, start);
  while (n > from && load<f64>(columns + (((n - 1) as usize) << 3)) > end) n--;
  return n - from;
}

/** Decodes the chunk that is the one of this index among those read to the columns from sample `n` on. */
function decodeTo(n: i32, index: i32, bytes: usize, length: i32, count: i32): void {
  const times = columns + ((n as usize) << 3);
  const values = times + ((room as usize) << 3);
  const beginning = beginnings + (index as usize) * BEGINNING_BYTES;
  if (index < beginningCount && load<i32>(beginning) === n) {
    const known = load<i32>(beginning, 4);
    if (known < length && equalBytes(beginning + 8, bytes, known)) {
      decodeValues(bytes + known, bytes + length, values, count);
      return;
    }
  }
  timesVersion++;
  beginningCount = min(beginningCount, index);
  if (decodeChunk(bytes, length, times, values, count) !== count) return;
  const known = timesEnd() - bytes;
  if (index !== beginningCount || index >= MOST_BEGINNINGS || known > MOST_BEGINNING) return;
  store<i32>(beginning, n);
  store<i32>(beginning, known as i32, 4);
  memory.copy(beginning + 8, bytes, known);
  beginningCount = index + 1;
}

/** Samples that `readMany` has room for: of times, and of values. */
const MANY: i32 = 32768;
let manyTimes: usize = 0;
let manyValues: usize = 0;
let manyTimesUsed: i32 = 0;
let manyValuesUsed: i32 = 0;

/** Where `readMany` leaves times, and how many there are. */
export function manyTimesAt(): usize {
  return manyTimes;
}

export function manyTimesCount(): i32 {
  return manyTimesUsed;
}

/** The same of values. */
export function manyValuesAt(): usize {
  return manyValues;
}

export function manyValuesCount(): i32 {
  return manyValuesUsed;
}

/**
 * Reads the visible samples from `start` to `end`, both included, of `count` series, whose references are at `refs`: of
 * those that are gone, and of classes that are kept since later, there are none. At `out` stands for each where its times
 * and its values begin, how many there are, and whether the values ascend. Series that have the same times as the one
 * before share them.
 * @param newest Not 0: no more of each than the last one.
 * @returns How many series were read. Fewer than `count` where there is no more room; 0 where one alone has too many.
 */
export function readMany(
  table: usize,
  refs: usize,
  count: i32,
  start: f64,
  end: f64,
  rawFloor: f64,
  demandFloor: f64,
  newest: i32,
  out: usize,
): i32 {
  if (manyTimes === 0) {
    // Both at once: where memory is used up, there is neither.
    manyTimes = heap.alloc((MANY as usize) << 4);
    manyValues = manyTimes + ((MANY as usize) << 3);
  }
  manyTimesUsed = 0;
  manyValuesUsed = 0;
  let lastAt = 0;
  let lastCount = 0;
  let lastFrom = 0;
  let lastVersion: u32 = 0;
  for (let i = 0; i < count; i++) {
    const slot = slotOf(table, load<u32>(refs + ((i as usize) << 2)));
    let n = 0;
    if (slot !== 0) {
      const floor = retentionOf(slot) === 0 ? rawFloor : demandFloor;
      n = newest !== 0 ? readNewest(slot, max(start, floor), end) : readSeries(slot, max(start, floor), end);
    }
    const entry = out + ((i as usize) << 4);
    store<i32>(entry, lastAt);
    store<i32>(entry, manyValuesUsed, 4);
    store<i32>(entry, n, 8);
    if (n <= 0) {
      store<i32>(entry, 0, 8);
      continue;
    }
    if (manyValuesUsed + n > MANY || manyTimesUsed + n > MANY) return i;
    const same = n === lastCount && ((from === lastFrom && timesVersion === lastVersion) || sameTimes(lastAt, n));
    if (!same) {
      lastAt = manyTimesUsed;
      lastCount = n;
      memory.copy(manyTimes + ((lastAt as usize) << 3), readTimes(), (n as usize) << 3);
      manyTimesUsed += n;
      store<i32>(entry, lastAt);
    }
    lastFrom = from;
    lastVersion = timesVersion;
    store<i32>(entry, ascend(readValues(), n) ? 1 : 0, 12);
    memory.copy(manyValues + ((manyValuesUsed as usize) << 3), readValues(), (n as usize) << 3);
    manyValuesUsed += n;
  }
  return count;
}

function sameTimes(at: i32, n: i32): bool {
  return equalBytes(readTimes(), manyTimes + ((at as usize) << 3), (n as u32) << 3);
}

/** Whether none of `n` values, one at least, is NaN or below the one before it. */
function ascend(at: usize, n: i32): bool {
  const last = at + (((n - 1) as usize) << 3);
  if (at === last) return Math.abs(load<f64>(at)) <= Infinity;
  let below = v128.splat<u64>(~(0 as u64));
  for (; at + 8 < last; at += 16) below = v128.and(below, v128.le<f64>(v128.load(at), v128.load(at, 8)));
  if (at < last && !(load<f64>(at) <= load<f64>(at, 8))) return false;
  return v128.all_true<u64>(below);
}

/** Leaves the last visible sample from `start` to `end` as `readSeries` does. Returns 1, or 0 where there is none. */
function readNewest(slot: usize, start: f64, end: f64): i32 {
  const newest = newestOf(slot);
  if (newest < start) return 0;
  // Where the last one is wanted, what comes before its chunk need not be decoded.
  if (newest <= end && unsyncedIn(slot) === 0 && holdsNewest(slot)) start = newest;
  const n = readSeries(slot, start, end);
  if (n <= 0) return 0;
  from += n - 1;
  return 1;
}

/** Whether there is a visible sample from `start` to `end`, both included. */
export function hasSample(slot: usize, start: f64, end: f64): bool {
  const newest = newestOf(slot);
  if (newest < start) return false;
  if (newest <= end && unsyncedIn(slot) === 0 && holdsNewest(slot)) return true;
  return readSeries(slot, start, end) > 0;
}

function makeRoom(count: i32): void {
  // A long series must not hold its room for ever.
  if (count <= room && (room <= 65536 || count > 4096)) return;
  beginningCount = 0;
  timesVersion++;
  if (columns !== 0) heap.free(columns);
  // Where memory is used up, there is no room: what was freed is others'.
  columns = 0;
  room = 0;
  const wanted = count < 4096 ? 4096 : count;
  columns = heap.alloc((wanted as usize) << 4);
  room = wanted;
}
