import { appendSample, findSample, heldBytes, insertSample, newestOf, retentionOf } from './live-series';
import { slotOf } from './ref-table';
import { isStored, makeStageRoom, stageLate, stageSample, storedBits } from './staged';
import { getVarint, putVarint, unzigzag, varintEnd, zigzag } from './varint';

/** As `OUTCOME` in src/storage/write.ts. */
const APPENDED: u8 = 0;
const DUPLICATE: u8 = 1;
const OUT_OF_ORDER: u8 = 2;
const CONFLICT: u8 = 3;
const TOO_FAR_IN_FUTURE: u8 = 4;
const TOO_OLD: u8 = 5;
const GONE: u8 = 6;
const FULL: u8 = 7;
/** Added to `APPENDED` for a sample that is not the newest of its series. */
const LATE: u8 = 0x80;

// What bounds the next batches: set by `limitAppends`.
let latest: f64 = 0;
let oldestRaw: f64 = 0;
let oldestDemand: f64 = 0;
let windowMs: f64 = 0;
let mostBytes: f64 = 0;

export function limitAppends(until: f64, rawFrom: f64, demandFrom: f64, outOfOrderMs: f64, bytes: f64): void {
  latest = until;
  oldestRaw = rawFrom;
  oldestDemand = demandFrom;
  windowMs = outOfOrderMs;
  mostBytes = bytes;
}

// Samples of a log record. The control byte: bits 0-3, how many high bytes of the value follow; 4-5, the reference is
// the one before (0), the next (1) or a difference that follows (2); 6-7, the time likewise is the one before (0), as
// much later as the last change (1) or a difference that follows (2); or it follows as a double (3).
let recordAt: usize = 0;
let lastRef: u32 = 0;
let lastTime: i64 = 0;
let lastStep: i64 = 0;

/** The most that one sample takes in a record. */
export const RECORD_SAMPLE_BYTES: usize = 24;

function beginRecord(at: usize): void {
  recordAt = at;
  lastRef = 0;
  lastTime = 0;
  lastStep = 0;
}

function putSample(ref: u32, time: f64, bits: u64): void {
  const control = recordAt++;
  const unused = (ctz<u64>(bits) as i32) >> 3;
  const length = bits === 0 ? 0 : 8 - unused;
  let refMode = 0;
  if (ref !== lastRef) {
    refMode = ref === lastRef + 1 ? 1 : 2;
    if (refMode === 2) recordAt = putVarint(recordAt, zigzag((ref as i64) - (lastRef as i64)));
    lastRef = ref;
  }
  let timeMode = 0;
  const whole = Math.abs(time) <= 9007199254740992 ? (time as i64) : 0;
  if (reinterpret<u64>(whole as f64) !== reinterpret<u64>(time)) {
    timeMode = 3;
    store<f64>(recordAt, time);
    recordAt += 8;
  } else if (whole !== lastTime) {
    const step = whole - lastTime;
    timeMode = step === lastStep ? 1 : 2;
    if (timeMode === 2) recordAt = putVarint(recordAt, zigzag(step));
    lastStep = step;
    lastTime = whole;
  }
  store<u64>(recordAt, length === 0 ? 0 : bits >> (((8 - length) << 3) as u64));
  recordAt += length as usize;
  store<u8>(control, (length | (refMode << 4) | (timeMode << 6)) as u8);
}

export function recordEnd(): usize {
  return recordAt;
}

/**
 * Appends a batch: judges each sample, puts it in its place, and writes those that are new to `record`, which must have
 * room for 24 bytes a sample. Nothing is visible before `publish`.
 * @returns How many were appended.
 */
export function appendBatch(
  table: usize,
  refs: usize,
  times: usize,
  values: usize,
  count: i32,
  outcomes: usize,
  record: usize,
): i32 {
  beginRecord(record);
  let appended = 0;
  let ref: u32 = 0;
  let slot: usize = 0;
  let oldest: f64 = 0;
  for (let i = 0; i < count; i++) {
    const next = load<u32>(refs + ((i as usize) << 2));
    if (next !== ref || i === 0) {
      ref = next;
      slot = slotOf(table, ref);
      if (slot !== 0) oldest = retentionOf(slot) === 0 ? oldestRaw : oldestDemand;
    }
    let outcome = APPENDED;
    if (slot === 0) outcome = GONE;
    else {
      const time = load<f64>(times + ((i as usize) << 3));
      const bits = load<u64>(values + ((i as usize) << 3));
      if (!(time <= latest)) outcome = TOO_FAR_IN_FUTURE;
      else if (time < oldest) outcome = TOO_OLD;
      else {
        const newest = newestOf(slot);
        const isLate = time <= newest;
        if (isLate) outcome = judgeLate(slot, time, bits, newest);
        if (outcome === APPENDED && (heldBytes() as f64) >= mostBytes) outcome = FULL;
        if (outcome === APPENDED) {
          // Whichever traps, where memory is used up, leaves no sample that is held and not in the record.
          if (isLate) {
            stageLate(slot, time, bits);
            outcome = LATE;
          } else {
            makeStageRoom();
            appendSample(slot, time, bits);
            stageSample(slot);
          }
          putSample(ref, time, bits);
          appended++;
        }
      }
    }
    store<u8>(outcomes + (i as usize), outcome);
  }
  return appended;
}

function judgeLate(slot: usize, time: f64, bits: u64, newest: f64): u8 {
  if (isStored(slot, time)) return storedBits === bits ? DUPLICATE : CONFLICT;
  return time < newest - windowMs ? OUT_OF_ORDER : APPENDED;
}

/** Puts a sample that the log has in its place, visible at once. It may be there already. */
function restore(slot: usize, time: f64, bits: u64): void {
  if (time > newestOf(slot)) appendSample(slot, time, bits);
  else if (!findSample(slot, time)) insertSample(slot, time, bits);
}

/**
 * Restores what `appendBatch` wrote.
 * @returns Samples whose series is unknown; -1 where the bytes before `end` are no such samples.
 */
export function restoreRecord(table: usize, at: usize, end: usize, count: i32): i32 {
  let orphans = 0;
  let ref: u32 = 0;
  let time: i64 = 0;
  let step: i64 = 0;
  let slot: usize = 0;
  let known: u32 = 0;
  for (let i = 0; i < count; i++) {
    if (at >= end) return -1;
    const control = load<u8>(at++) as i32;
    const refMode = (control >> 4) & 3;
    if (refMode === 1) ref++;
    else if (refMode === 2) {
      ref = ((ref as i64) + unzigzag(getVarint(at, end))) as u32;
      if (varintEnd === 0) return -1;
      at = varintEnd;
    }
    const timeMode = control >> 6;
    if (timeMode === 1) time += step;
    else if (timeMode === 2) {
      step = unzigzag(getVarint(at, end));
      if (varintEnd === 0) return -1;
      at = varintEnd;
      time += step;
    }
    let when = time as f64;
    if (timeMode === 3) {
      if (at + 8 > end) return -1;
      when = load<f64>(at);
      at += 8;
    }
    const length = control & 15;
    if (length > 8 || at + (length as usize) > end) return -1;
    // Up to eight bytes behind the end are loaded and shifted out.
    const bits = length === 0 ? 0 : load<u64>(at) << (((8 - length) << 3) as u64);
    at += length as usize;
    if (ref !== known || i === 0) {
      known = ref;
      slot = slotOf(table, ref);
    }
    if (slot === 0 || !(Math.abs(when) < Infinity)) orphans++;
    else restore(slot, when, bits);
  }
  return at === end ? orphans : -1;
}

/** The same for columns. References are in `refs`, or all samples are of `slot` where that is not 0. */
export function restoreColumns(table: usize, slot: usize, refs: usize, times: usize, values: usize, count: i32): i32 {
  let orphans = 0;
  const one = slot !== 0;
  for (let i = 0; i < count; i++) {
    if (!one) slot = slotOf(table, load<u32>(refs + ((i as usize) << 2)));
    const time = load<f64>(times + ((i as usize) << 3));
    if (slot === 0 || !(Math.abs(time) < Infinity)) orphans++;
    else restore(slot, time, load<u64>(values + ((i as usize) << 3)));
  }
  return orphans;
}
