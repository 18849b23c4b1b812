import { equalBytes, hashBytes } from './bytes';

/**
 * A table from byte strings to numbers. Bytes are compared on every hit, so that equal hashes do no harm. Entries stay
 * where they are for as long as the table is: their addresses serve as numbers too.
 *
 * Table: slots, mask, entries, page, at, end, bytes held, guess, last found, last added, note round; while it grows, the
 * slots before, their mask, and how many of them were moved: a few with each entry, so that no one waits for all of them.
 * Entry: hash, number, length, the entry that was found after it, a note of the caller's, bytes.
 * Slot: hash, entry or 0. Page: the page before it, size, entries.
 */
const TABLE_BYTES: usize = 56;
const ENTRY_BYTES: usize = 20;
const PAGE_HEAD: usize = 8;
const FIRST_PAGE: usize = 4096;
const MAX_PAGE: usize = 1 << 20;
const FIRST_SLOTS: u32 = 256;

const SLOTS: usize = 0;
const MASK: usize = 4;
const COUNT: usize = 8;
const PAGE: usize = 12;
const AT: usize = 16;
const END: usize = 20;
const HELD: usize = 24;
const GUESS: usize = 28;
const FOUND: usize = 32;
const ADDED: usize = 36;
const ROUND: usize = 40;
const OLD_SLOTS: usize = 44;
const OLD_MASK: usize = 48;
const MOVED: usize = 52;
/** With each new entry: all are moved long before the table is full again. */
const MOVED_AT_ONCE: u32 = 16;

export function newTable(): usize {
  const table = heap.alloc(TABLE_BYTES);
  memory.fill(table, 0, TABLE_BYTES);
  newSlots(table, FIRST_SLOTS);
  store<u32>(table, TABLE_BYTES + (FIRST_SLOTS << 3), HELD);
  return table;
}

export function dropTable(table: usize): void {
  let page = <usize>load<u32>(table, PAGE);
  while (page !== 0) {
    const before = <usize>load<u32>(page);
    heap.free(page);
    page = before;
  }
  heap.free(load<u32>(table, SLOTS));
  if (load<u32>(table, OLD_SLOTS) !== 0) heap.free(load<u32>(table, OLD_SLOTS));
  heap.free(table);
}

/** Memory that the table holds. */
export function tableBytes(table: usize): u32 {
  return load<u32>(table, HELD);
}

export function entryNumber(entry: usize): u32 {
  return load<u32>(entry, 4);
}

export function setEntryNumber(entry: usize, number: u32): void {
  store<u32>(entry, number, 4);
}

export function entryLength(entry: usize): u32 {
  return load<u32>(entry, 8);
}

export function entryNote(entry: usize): u32 {
  return load<u32>(entry, 16);
}

export function setEntryNote(entry: usize, note: u32): void {
  store<u32>(entry, note, 16);
}

export function entryBytes(entry: usize): usize {
  return entry + ENTRY_BYTES;
}

/** To be mixed into the notes of entries. */
export function noteRound(table: usize): u32 {
  return load<u32>(table, ROUND);
}

/** No note that was made before is like one that is made from now on. */
export function forgetNotes(table: usize): void {
  store<u32>(table, noteRound(table) + 1, ROUND);
}

/** Senders repeat themselves: the entry that followed the last one found when that was found before; or 0. */
export function expectedEntry(table: usize): usize {
  return load<u32>(table, GUESS);
}

/** Whether an entry has exactly these bytes. */
export function isEntry(entry: usize, start: usize, length: u32): bool {
  return load<u32>(entry, 8) === length && equalBytes(entry + ENTRY_BYTES, start, length);
}

/** The expected entry was right. */
export function takeExpected(table: usize, entry: usize): void {
  store<u32>(table, entry, FOUND);
  store<u32>(table, load<u32>(entry, 12), GUESS);
}

/** The entry of these bytes, or 0. */
export function findEntry(table: usize, start: usize, length: u32): usize {
  const guess = expectedEntry(table);
  if (guess !== 0 && isEntry(guess, start, length)) {
    takeExpected(table, guess);
    return guess;
  }
  const found = lookUp(table, start, length, hashBytes(start, length));
  if (found === 0) {
    store<u32>(table, 0, FOUND);
    store<u32>(table, 0, GUESS);
    return 0;
  }
  const last = <usize>load<u32>(table, FOUND);
  if (last !== 0) store<u32>(last, found, 12);
  takeExpected(table, found);
  return found;
}

/** The entry of these bytes, which is added where there is none. */
export function addEntry(table: usize, start: usize, length: u32): usize {
  const hash = hashBytes(start, length);
  const known = lookUp(table, start, length, hash);
  if (known !== 0) return known;
  const entry = newEntry(table, length);
  store<u32>(entry, hash);
  store<u32>(entry, 0, 4);
  store<u32>(entry, length, 8);
  store<u32>(entry, 0, 12);
  store<u32>(entry, 0, 16);
  memory.copy(entry + ENTRY_BYTES, start, length);
  const added = <usize>load<u32>(table, ADDED);
  if (added !== 0 && load<u32>(added, 12) === 0) store<u32>(added, entry, 12);
  store<u32>(table, entry, ADDED);

  const count = load<u32>(table, COUNT) + 1;
  store<u32>(table, count, COUNT);
  const slots = load<u32>(table, MASK) + 1;
  // Linear probing slows down when more than three of five slots are taken.
  if (count * 5 > slots * 3) widen(table, slots << 1);
  if (load<u32>(table, OLD_SLOTS) !== 0) moveSlots(table, MOVED_AT_ONCE);
  place(load<u32>(table, SLOTS), load<u32>(table, MASK), hash, entry);
  return entry;
}

function lookUp(table: usize, start: usize, length: u32, hash: u32): usize {
  const found = lookUpIn(load<u32>(table, SLOTS), load<u32>(table, MASK), start, length, hash);
  const old = <usize>load<u32>(table, OLD_SLOTS);
  return found !== 0 || old === 0 ? found : lookUpIn(old, load<u32>(table, OLD_MASK), start, length, hash);
}

function lookUpIn(slots: usize, mask: u32, start: usize, length: u32, hash: u32): usize {
  let slot = slots + ((hash & mask) << 3);
  let entry = <usize>load<u32>(slot, 4);
  for (let i = hash & mask; entry !== 0; ) {
    if (load<u32>(slot) === hash && isEntry(entry, start, length)) return entry;
    i = (i + 1) & mask;
    slot = slots + (i << 3);
    entry = <usize>load<u32>(slot, 4);
  }
  return 0;
}

function place(slots: usize, mask: u32, hash: u32, entry: usize): void {
  let i = hash & mask;
  while (load<u32>(slots + (i << 3), 4) !== 0) i = (i + 1) & mask;
  store<u32>(slots + (i << 3), hash);
  store<u32>(slots + (i << 3), entry, 4);
}

function newSlots(table: usize, count: u32): void {
  const slots = heap.alloc(count << 3);
  memory.fill(slots, 0, count << 3);
  store<u32>(table, slots, SLOTS);
  store<u32>(table, count - 1, MASK);
}

function widen(table: usize, count: u32): void {
  if (load<u32>(table, OLD_SLOTS) !== 0) moveSlots(table, u32.MAX_VALUE);
  const before = load<u32>(table, SLOTS);
  const mask = load<u32>(table, MASK);
  newSlots(table, count);
  store<u32>(table, before, OLD_SLOTS);
  store<u32>(table, mask, OLD_MASK);
  store<u32>(table, 0, MOVED);
  store<u32>(table, load<u32>(table, HELD) + (count << 3), HELD);
}

/** Entries stay in the slots before until all of these were moved. */
function moveSlots(table: usize, most: u32): void {
  const before = <usize>load<u32>(table, OLD_SLOTS);
  const size = load<u32>(table, OLD_MASK) + 1;
  const from = load<u32>(table, MOVED);
  const to = size - from <= most ? size : from + most;
  for (let i = from; i < to; i++) {
    const slot = before + (i << 3);
    const entry = <usize>load<u32>(slot, 4);
    if (entry !== 0) place(load<u32>(table, SLOTS), load<u32>(table, MASK), load<u32>(slot), entry);
  }
  store<u32>(table, to, MOVED);
  if (to < size) return;
  heap.free(before);
  store<u32>(table, 0, OLD_SLOTS);
  store<u32>(table, load<u32>(table, HELD) - (size << 3), HELD);
}

/** Room for an entry, in pages that never move. */
function newEntry(table: usize, length: u32): usize {
  const size = (ENTRY_BYTES + length + 3) & ~3;
  let at = <usize>load<u32>(table, AT);
  if (at === 0 || size > <usize>load<u32>(table, END) - at) {
    const before = <usize>load<u32>(table, PAGE);
    const usual = before === 0 ? FIRST_PAGE : min<usize>(MAX_PAGE, (<usize>load<u32>(before, 4)) << 1);
    const bytes = max<usize>(usual, size + PAGE_HEAD);
    const page = heap.alloc(bytes);
    store<u32>(page, before);
    store<u32>(page, min<usize>(bytes, MAX_PAGE), 4);
    store<u32>(table, page, PAGE);
    store<u32>(table, page + bytes, END);
    store<u32>(table, load<u32>(table, HELD) + <u32>bytes, HELD);
    at = page + PAGE_HEAD;
  }
  store<u32>(table, at + size, AT);
  return at;
}
