import { equalBytes } from './bytes';
import { decodeChunk, encodeChunk } from './codec';

/*
 * The live samples of one series: encoded chunks in order of time, and behind them an open buffer of raw samples.
 * Readers see all but the last `unsynced` samples.
 */

// A series: address of its first byte is what others call its slot.
const NEWEST: usize = 0;
/** One more than the number of its last late sample that waits for the log; see `late-samples`. */
export const LATE: usize = 8;
const OPEN: usize = 16;
const CHUNKS: usize = 20;
const OPEN_COUNT: usize = 24;
const OPEN_CAPACITY: usize = 26;
const CHUNK_COUNT: usize = 28;
const CHUNK_CAPACITY: usize = 32;
const UNSYNCED: usize = 36;
const COUNT: usize = 40;
const RETENTION: usize = 44;
/** Its label set, see `label-sets`; 0 where it has none. */
const LABEL_SET: usize = 48;
const SERIES_BYTES: usize = 52;

// A chunk.
const FIRST: usize = 0;
const LAST: usize = 8;
const SAMPLES: usize = 16;
const LENGTH: usize = 20;
const BYTES: usize = 24;
/** The decoder loads up to eight bytes behind a chunk. */
const SLACK: usize = 8;

/** The open buffer grows to this, and is then encoded behind the last chunk: in four steps that one is full. */
const OPEN_SAMPLES: i32 = 30;
const FULL_SAMPLES: i32 = 120;
/**
 * Wide buffers hold a whole chunk, which is then encoded once and not in four steps. They may take this much in all, so
 * that many series do not take more memory each.
 */
const MOST_WIDE_BYTES: usize = 32 << 20;
/** Late samples may fill a chunk up to this before it is divided. */
const MOST_SAMPLES: i32 = 240;
/** No chunk spans more time. */
const CHUNK_MS: f64 = 7_200_000;

/** Room for the samples of one chunk, and for its bytes. */
const ROOM: i32 = 512;
const times: usize = heap.alloc(ROOM * 8);
const values: usize = heap.alloc(ROOM * 8);
const encoded: usize = heap.alloc(ROOM * 40 + 256);
/** The chunk whose samples are in `times` and `values`; 0 for none. */
let decoded: usize = 0;

let held: usize = 0;
let wideBytes: usize = 0;
let samples: f64 = 0;

/** Bytes of all series, without what the allocator adds. */
export function heldBytes(): usize {
  return held;
}

/** Live samples of all series, those that wait for the log included. */
export function liveSamples(): f64 {
  return samples;
}

export function take(bytes: usize): usize {
  const address = heap.alloc(bytes);
  held += bytes;
  return address;
}

export function give(address: usize, bytes: usize): void {
  if (address === 0) return;
  held -= bytes;
  heap.free(address);
}

export function newSeries(retention: i32): usize {
  const slot = take(SERIES_BYTES);
  memory.fill(slot, 0, SERIES_BYTES);
  store<f64>(slot, -Infinity, NEWEST);
  store<i32>(slot, retention, RETENTION);
  return slot;
}

export function freeSeries(slot: usize): void {
  const chunks = load<u32>(slot, CHUNKS) as usize;
  for (let i = 0, n = load<i32>(slot, CHUNK_COUNT); i < n; i++) freeChunk(chunkAt(slot, i));
  give(chunks, (load<u32>(slot, CHUNK_CAPACITY) as usize) << 2);
  giveOpen(slot);
  samples -= load<u32>(slot, COUNT) as f64;
  give(slot, SERIES_BYTES);
}

export function newestOf(slot: usize): f64 {
  return load<f64>(slot, NEWEST);
}

/** Whether the newest sample is held: it may be on disk already, or deleted, where late ones came behind it. */
export function holdsNewest(slot: usize): bool {
  const n = load<u16>(slot, OPEN_COUNT) as usize;
  const last = load<i32>(slot, CHUNK_COUNT) - 1;
  if (n === 0 && last < 0) return false;
  const open = load<u32>(slot, OPEN) as usize;
  return (n > 0 ? load<f64>(open + ((n - 1) << 3)) : load<f64>(chunkAt(slot, last), LAST)) === newestOf(slot);
}

export function retentionOf(slot: usize): i32 {
  return load<i32>(slot, RETENTION);
}

export function labelSetOf(slot: usize): usize {
  return load<u32>(slot, LABEL_SET) as usize;
}

export function setLabelSet(slot: usize, set: usize): void {
  store<u32>(slot, set as u32, LABEL_SET);
}

export function keepAs(slot: usize, retention: i32): void {
  store<i32>(slot, retention, RETENTION);
}

/** Samples held, those that wait for the log included. */
export function countIn(slot: usize): i32 {
  return load<i32>(slot, COUNT);
}

export function unsyncedIn(slot: usize): i32 {
  return load<i32>(slot, UNSYNCED);
}

export function changeUnsynced(slot: usize, by: i32): void {
  store<i32>(slot, load<i32>(slot, UNSYNCED) + by, UNSYNCED);
}

/** Appends a sample that is newer than the newest one. */
export function appendSample(slot: usize, time: f64, bits: u64): void {
  let n = load<u16>(slot, OPEN_COUNT) as usize;
  let capacity = load<u16>(slot, OPEN_CAPACITY) as usize;
  if (n === capacity) {
    if (n >= (OPEN_SAMPLES as usize) && !mayBeWide(slot, n)) {
      sealSeries(slot);
      n = 0;
      capacity = load<u16>(slot, OPEN_CAPACITY) as usize;
    }
    if (n === capacity) capacity = growOpen(slot, n, capacity);
  }
  const open = load<u32>(slot, OPEN) as usize;
  store<f64>(open + (n << 3), time);
  store<u64>(open + ((capacity + n) << 3), bits);
  store<u16>(slot, (n + 1) as u16, OPEN_COUNT);
  store<f64>(slot, time, NEWEST);
  store<i32>(slot, load<i32>(slot, COUNT) + 1, COUNT);
  samples += 1;
}

/** At the beginning of a chunk, of a series whose full chunk spans no more time than it may. */
function mayBeWide(slot: usize, n: usize): bool {
  if (n !== (OPEN_SAMPLES as usize) || wideBytes >= MOST_WIDE_BYTES) return false;
  const last = load<i32>(slot, CHUNK_COUNT) - 1;
  if (last >= 0 && load<i32>(chunkAt(slot, last), SAMPLES) + OPEN_SAMPLES <= FULL_SAMPLES) return false;
  const open = load<u32>(slot, OPEN) as usize;
  return (load<f64>(open + ((n - 1) << 3)) - load<f64>(open)) * 4 <= CHUNK_MS;
}

function growOpen(slot: usize, n: usize, capacity: usize): usize {
  const next: usize =
    capacity === 0 ? 4 : capacity === 4 ? 12 : capacity === 12 ? (OPEN_SAMPLES as usize) : FULL_SAMPLES;
  const open = load<u32>(slot, OPEN) as usize;
  const grown = take(next << 4);
  if (next > (OPEN_SAMPLES as usize)) wideBytes += next << 4;
  memory.copy(grown, open, n << 3);
  memory.copy(grown + (next << 3), open + (capacity << 3), n << 3);
  give(open, capacity << 4);
  store<u32>(slot, grown as u32, OPEN);
  store<u16>(slot, next as u16, OPEN_CAPACITY);
  return next;
}

/** Encodes the open buffer behind the last chunk, or as a new one where that is full. */
export function sealSeries(slot: usize): void {
  const n = load<u16>(slot, OPEN_COUNT) as i32;
  if (n === 0) return;
  const capacity = load<u16>(slot, OPEN_CAPACITY) as usize;
  const open = load<u32>(slot, OPEN) as usize;
  const last = load<i32>(slot, CHUNK_COUNT) - 1;
  let before = 0;
  if (last >= 0) {
    const chunk = chunkAt(slot, last);
    const end = load<f64>(open + (((n - 1) as usize) << 3));
    if (load<i32>(chunk, SAMPLES) + n <= FULL_SAMPLES && end - load<f64>(chunk, FIRST) <= CHUNK_MS) {
      before = decodeInto(chunk);
    }
  }
  if (before === 0) makeChunkRoom(slot);
  memory.copy(times + ((before as usize) << 3), open, (n as usize) << 3);
  memory.copy(values + ((before as usize) << 3), open + (capacity << 3), (n as usize) << 3);
  if (before > 0) replaceChunk(slot, last, encodeScratch(0, before + n));
  else insertChunk(slot, last + 1, encodeScratch(0, n));
  store<u16>(slot, 0, OPEN_COUNT);
  if (capacity > (OPEN_SAMPLES as usize)) freeOpen(slot);
}

function freeOpen(slot: usize): void {
  giveOpen(slot);
  store<u32>(slot, 0, OPEN);
  store<u16>(slot, 0, OPEN_COUNT);
  store<u16>(slot, 0, OPEN_CAPACITY);
}

function giveOpen(slot: usize): void {
  const capacity = load<u16>(slot, OPEN_CAPACITY) as usize;
  if (capacity > (OPEN_SAMPLES as usize)) wideBytes -= capacity << 4;
  give(load<u32>(slot, OPEN) as usize, capacity << 4);
}

export function chunkAt(slot: usize, index: i32): usize {
  return load<u32>((load<u32>(slot, CHUNKS) as usize) + ((index as usize) << 2)) as usize;
}

export function chunkCount(slot: usize): i32 {
  return load<i32>(slot, CHUNK_COUNT);
}

export function chunkFirst(chunk: usize): f64 {
  return load<f64>(chunk, FIRST);
}

export function chunkLast(chunk: usize): f64 {
  return load<f64>(chunk, LAST);
}

export function chunkSamples(chunk: usize): i32 {
  return load<i32>(chunk, SAMPLES);
}

export function chunkBytes(chunk: usize): usize {
  return chunk + BYTES;
}

export function chunkLength(chunk: usize): i32 {
  return load<i32>(chunk, LENGTH);
}

export function openCount(slot: usize): i32 {
  return load<u16>(slot, OPEN_COUNT) as i32;
}

/** Copies the times of the open buffer, unless they are there already. Returns whether they were not. */
export function copyOpenTimes(slot: usize, to: usize): bool {
  const bytes = (openCount(slot) as usize) << 3;
  const open = load<u32>(slot, OPEN) as usize;
  if (equalBytes(to, open, bytes as u32)) return false;
  memory.copy(to, open, bytes);
  return true;
}

export function copyOpenValues(slot: usize, to: usize): void {
  const open = load<u32>(slot, OPEN) as usize;
  memory.copy(to, open + ((load<u16>(slot, OPEN_CAPACITY) as usize) << 3), (openCount(slot) as usize) << 3);
}

/** How many chunks from the first on will not change by themselves any more, and are visible as a whole. */
export function closedChunks(slot: usize): i32 {
  let closed = load<i32>(slot, CHUNK_COUNT);
  if (closed > 0) {
    const last = chunkAt(slot, closed - 1);
    const spans = load<f64>(slot, NEWEST) - load<f64>(last, FIRST);
    if (load<i32>(last, SAMPLES) < FULL_SAMPLES && spans <= CHUNK_MS) closed--;
  }
  let behind = load<u16>(slot, OPEN_COUNT) as i32;
  for (let i = load<i32>(slot, CHUNK_COUNT) - 1; i >= closed; i--) behind += load<i32>(chunkAt(slot, i), SAMPLES);
  const unsynced = load<i32>(slot, UNSYNCED);
  while (closed > 0 && unsynced > behind) behind += load<i32>(chunkAt(slot, --closed), SAMPLES);
  return closed;
}

/** Drops chunks from the first on. */
export function dropChunks(slot: usize, count: i32): i32 {
  if (count === 0) return 0;
  const chunks = load<u32>(slot, CHUNKS) as usize;
  const left = load<i32>(slot, CHUNK_COUNT) - count;
  let dropped = 0;
  for (let i = 0; i < count; i++) {
    dropped += load<i32>(chunkAt(slot, i), SAMPLES);
    freeChunk(chunkAt(slot, i));
  }
  memory.copy(chunks, chunks + ((count as usize) << 2), (left as usize) << 2);
  store<i32>(slot, left, CHUNK_COUNT);
  changeCount(slot, -dropped);
  return dropped;
}

/** Drops what ends before `floor` and does not wait for the log. Returns how many samples went. */
export function dropBefore(slot: usize, floor: f64): i32 {
  let gone = 0;
  let dropped = 0;
  const unsynced = load<i32>(slot, UNSYNCED);
  const total = load<i32>(slot, COUNT);
  for (const n = load<i32>(slot, CHUNK_COUNT); gone < n; gone++) {
    const chunk = chunkAt(slot, gone);
    dropped += load<i32>(chunk, SAMPLES);
    if (load<f64>(chunk, LAST) >= floor || total - dropped < unsynced) break;
  }
  dropped = dropChunks(slot, gone);
  const n = load<u16>(slot, OPEN_COUNT) as i32;
  if (n === 0 || unsynced > 0 || load<i32>(slot, CHUNK_COUNT) > 0) return dropped;
  const open = load<u32>(slot, OPEN) as usize;
  if (load<f64>(open + (((n - 1) as usize) << 3)) >= floor) return dropped;
  freeOpen(slot);
  changeCount(slot, -n);
  return dropped + n;
}

/** The bits of the sample that `findSample` has found. */
export let foundBits: u64 = 0;

/** Whether a sample of exactly this time is held, visible or not. */
export function findSample(slot: usize, time: f64): bool {
  const n = load<u16>(slot, OPEN_COUNT) as i32;
  const open = load<u32>(slot, OPEN) as usize;
  if (n > 0 && time >= load<f64>(open)) {
    return foundIn(open, open + ((load<u16>(slot, OPEN_CAPACITY) as usize) << 3), n, time);
  }
  const index = chunkFor(slot, time);
  if (index < 0) return false;
  const chunk = chunkAt(slot, index);
  if (time < load<f64>(chunk, FIRST) || time > load<f64>(chunk, LAST)) return false;
  return foundIn(times, values, decodeInto(chunk), time);
}

function foundIn(column: usize, bits: usize, n: i32, time: f64): bool {
  const at = (lowerBound(column, n, time) as usize) << 3;
  if (at === (n as usize) << 3 || load<f64>(column + at) !== time) return false;
  foundBits = load<u64>(bits + at);
  return true;
}

/** The index of the last chunk that starts at or before `time`; the first where none does, -1 where there is none. */
export function chunkFor(slot: usize, time: f64): i32 {
  const n = load<i32>(slot, CHUNK_COUNT);
  let low = 0;
  let high = n;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (load<f64>(chunkAt(slot, middle), FIRST) <= time) low = middle + 1;
    else high = middle;
  }
  return low > 0 ? low - 1 : n > 0 ? 0 : -1;
}

/** The index of the first time not below `time`. */
export function lowerBound(column: usize, n: i32, time: f64): i32 {
  let low = 0;
  let high = n;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (load<f64>(column + ((middle as usize) << 3)) < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Puts a visible sample among the others. No sample of its time is held, and a newer one is. Where memory is used up,
 * nothing has changed.
 */
export function insertSample(slot: usize, time: f64, bits: u64): void {
  if (load<u16>(slot, OPEN_COUNT) >= (FULL_SAMPLES as u16)) sealSeries(slot);
  const n = load<u16>(slot, OPEN_COUNT) as i32;
  const index = chunkFor(slot, time);
  const behind =
    index === load<i32>(slot, CHUNK_COUNT) - 1 && (index < 0 || time > load<f64>(chunkAt(slot, index), LAST));
  if (behind && n > 0) {
    let capacity = load<u16>(slot, OPEN_CAPACITY) as usize;
    if (capacity === (n as usize)) capacity = growOpen(slot, capacity, capacity);
    const open = load<u32>(slot, OPEN) as usize;
    insertAt(open, open + (capacity << 3), n, time, bits);
    store<u16>(slot, (n + 1) as u16, OPEN_COUNT);
    changeCount(slot, 1);
    return;
  }
  if (index < 0) {
    makeChunkRoom(slot);
    store<f64>(times, time);
    store<u64>(values, bits);
    insertChunk(slot, 0, encodeScratch(0, 1));
    changeCount(slot, 1);
    return;
  }
  const held = decodeInto(chunkAt(slot, index));
  insertAt(times, values, held, time, bits);
  decoded = 0;
  if (held < MOST_SAMPLES) {
    replaceChunk(slot, index, encodeScratch(0, held + 1));
    changeCount(slot, 1);
    return;
  }
  const half = held >> 1;
  makeChunkRoom(slot);
  const older = encodeScratch(0, half);
  const newer = encodeScratch(half, held + 1 - half);
  replaceChunk(slot, index, newer);
  insertChunk(slot, index, older);
  changeCount(slot, 1);
}

function insertAt(column: usize, bits: usize, n: i32, time: f64, value: u64): void {
  const at = (lowerBound(column, n, time) as usize) << 3;
  const rest = ((n as usize) << 3) - at;
  memory.copy(column + at + 8, column + at, rest);
  memory.copy(bits + at + 8, bits + at, rest);
  store<f64>(column + at, time);
  store<u64>(bits + at, value);
}

/**
 * Takes over a chunk of `n` samples, whose bytes were decoded before, behind all samples.
 * @returns False where it does not belong there.
 */
export function attachChunk(slot: usize, bytes: usize, length: i32, n: i32, first: f64, last: f64): bool {
  if (!(first > load<f64>(slot, NEWEST)) || n > MOST_SAMPLES) return false;
  sealSeries(slot);
  const chunk = take(BYTES + (length as usize) + SLACK);
  memory.copy(chunk + BYTES, bytes, length as usize);
  store<f64>(chunk, first, FIRST);
  store<f64>(chunk, last, LAST);
  store<i32>(chunk, n, SAMPLES);
  store<i32>(chunk, length, LENGTH);
  insertChunk(slot, load<i32>(slot, CHUNK_COUNT), chunk);
  store<f64>(slot, last, NEWEST);
  changeCount(slot, n);
  return true;
}

function changeCount(slot: usize, by: i32): void {
  store<i32>(slot, load<i32>(slot, COUNT) + by, COUNT);
  samples += by as f64;
}

function decodeInto(chunk: usize): i32 {
  if (decoded === chunk) return load<i32>(chunk, SAMPLES);
  decoded = 0;
  const count = decodeChunk(chunk + BYTES, load<i32>(chunk, LENGTH), times, values, ROOM);
  decoded = chunk;
  return count;
}

/** A chunk of `n` samples of `times` and `values`. */
function encodeScratch(from: i32, n: i32): usize {
  decoded = 0;
  const at = (from as usize) << 3;
  const length = encodeChunk(times + at, values + at, n, encoded);
  const chunk = take(BYTES + (length as usize) + SLACK);
  memory.copy(chunk + BYTES, encoded, length as usize);
  store<f64>(chunk, load<f64>(times + at), FIRST);
  store<f64>(chunk, load<f64>(times + at + (((n - 1) as usize) << 3)), LAST);
  store<i32>(chunk, n, SAMPLES);
  store<i32>(chunk, length, LENGTH);
  return chunk;
}

function freeChunk(chunk: usize): void {
  if (decoded === chunk) decoded = 0;
  give(chunk, BYTES + (load<u32>(chunk, LENGTH) as usize) + SLACK);
}

function replaceChunk(slot: usize, index: i32, chunk: usize): void {
  freeChunk(chunkAt(slot, index));
  store<u32>((load<u32>(slot, CHUNKS) as usize) + ((index as usize) << 2), chunk as u32);
}

function makeChunkRoom(slot: usize): void {
  const n = load<i32>(slot, CHUNK_COUNT);
  const capacity = load<i32>(slot, CHUNK_CAPACITY);
  if (n < capacity) return;
  const chunks = load<u32>(slot, CHUNKS) as usize;
  const next = capacity === 0 ? 3 : capacity + (capacity >> 1) + 2;
  const grown = take((next as usize) << 2);
  memory.copy(grown, chunks, (n as usize) << 2);
  give(chunks, (capacity as usize) << 2);
  store<u32>(slot, grown as u32, CHUNKS);
  store<i32>(slot, next, CHUNK_CAPACITY);
}

function insertChunk(slot: usize, index: i32, chunk: usize): void {
  makeChunkRoom(slot);
  const n = load<i32>(slot, CHUNK_COUNT);
  const at = (load<u32>(slot, CHUNKS) as usize) + ((index as usize) << 2);
  memory.copy(at + 4, at, ((n - index) as usize) << 2);
  store<u32>(at, chunk as u32);
  store<i32>(slot, n + 1, CHUNK_COUNT);
}
