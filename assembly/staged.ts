import { changeUnsynced, findSample, foundBits, insertSample, LATE } from './live-series';

/*
 * What waits for the log, in the order in which it was written. Samples in order are in their series already, where
 * readers do not see them; late ones are put among the others once the log has them.
 */

// Slots of samples in order.
let slots: usize = 0;
let slotRoom: i32 = 0;
let slotHead: i32 = 0;
let slotTail: i32 = 0;

// Late samples: time, bits, the number of the series' one before (as `LATE`), slot.
const ENTRY: usize = 32;
let late: usize = 0;
let lateRoom: i32 = 0;
let lateHead: i32 = 0;
let lateTail: i32 = 0;
/** The number of the entry at `late`; numbers start at 1. */
let lateBase: u64 = 1;

/** Takes what `stageSample` needs: where memory is used up, nothing has changed. */
export function makeStageRoom(): void {
  if (slotTail < slotRoom) return;
  const kept = slotTail - slotHead;
  slots = shifted(slots, 4, slotHead, kept, slotRoom);
  slotRoom = nextRoom(kept, slotRoom);
  slotTail = kept;
  slotHead = 0;
}

/** To be called after `makeStageRoom`. */
export function stageSample(slot: usize): void {
  store<u32>(slots + ((slotTail as usize) << 2), slot as u32);
  slotTail++;
  changeUnsynced(slot, 1);
}

export function stageLate(slot: usize, time: f64, bits: u64): void {
  if (lateTail === lateRoom) {
    const kept = lateTail - lateHead;
    late = shifted(late, ENTRY, lateHead, kept, lateRoom);
    lateBase += lateHead as u64;
    lateRoom = nextRoom(kept, lateRoom);
    lateTail = kept;
    lateHead = 0;
  }
  const at = late + (lateTail as usize) * ENTRY;
  store<f64>(at, time);
  store<u64>(at + 8, bits);
  store<u64>(at + 16, load<u64>(slot, LATE));
  store<u32>(at + 24, slot as u32);
  store<u64>(slot, lateBase + (lateTail as u64), LATE);
  lateTail++;
}

/** Where the late sample of this time that waits for the log is, or 0. */
function findLate(slot: usize, time: f64): usize {
  const oldest = lateBase + (lateHead as u64);
  for (let number = load<u64>(slot, LATE); number >= oldest; ) {
    const at = late + ((number - lateBase) as usize) * ENTRY;
    if (load<f64>(at) === time) return at;
    number = load<u64>(at + 16);
  }
  return 0;
}

/** Whether late samples of this series wait for the log. */
export function hasLate(slot: usize): bool {
  return load<u64>(slot, LATE) >= lateBase + (lateHead as u64);
}

/** Whether a live sample of this time is stored or waits for the log; `storedBits` are its bits then. */
export function isStored(slot: usize, time: f64): bool {
  if (findSample(slot, time)) {
    storedBits = foundBits;
    return true;
  }
  const at = findLate(slot, time);
  if (at === 0) return false;
  storedBits = load<u64>(at + 8);
  return true;
}

export let storedBits: u64 = 0;

export function storedLow(): u32 {
  return storedBits as u32;
}

export function storedHigh(): u32 {
  return (storedBits >> 32) as u32;
}

export function stagedSamples(): i32 {
  return slotTail - slotHead;
}

export function stagedLate(): i32 {
  return lateTail - lateHead;
}

/**
 * Makes the oldest of what waits visible: that many samples in order, and that many late ones. Where memory is used up,
 * the late ones that are left wait on, and are found as before.
 */
export function publish(inOrder: i32, lateOnes: i32): void {
  for (const end = slotHead + inOrder; slotHead < end; slotHead++) {
    changeUnsynced(load<u32>(slots + ((slotHead as usize) << 2)) as usize, -1);
  }
  if (slotHead === slotTail) {
    slotHead = 0;
    slotTail = 0;
  }
  for (const end = lateHead + lateOnes; lateHead < end; ) {
    const at = late + (lateHead as usize) * ENTRY;
    insertSample(load<u32>(at + 24) as usize, load<f64>(at), load<u64>(at + 8));
    lateHead++;
  }
  if (lateHead === lateTail) {
    lateBase += lateHead as u64;
    lateHead = 0;
    lateTail = 0;
  }
}

function nextRoom(kept: i32, room: i32): i32 {
  return kept > room >> 1 ? room * 2 : room < 4096 ? 4096 : room;
}

/** The entries that still wait, at the beginning of a room that has more. */
function shifted(from: usize, size: usize, head: i32, kept: i32, room: i32): usize {
  const next = nextRoom(kept, room);
  const start = from + (head as usize) * size;
  if (next === room) {
    memory.copy(from, start, (kept as usize) * size);
    return from;
  }
  const grown = heap.alloc((next as usize) * size);
  memory.copy(grown, start, (kept as usize) * size);
  if (from !== 0) heap.free(from);
  return grown;
}
