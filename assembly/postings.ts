import { slotOf } from './ref-table';

/*
 * The references of the series that have a label: mostly one, for pods and instances, or very many. They are in blocks
 * that are linked, so that one more never moves the others. Those of series that are gone stay until they are half of
 * all; references are never used twice, so that they are known by having no slot.
 *
 * Within its owner: references of living series, of gone ones, first block or the only reference, last block or 0.
 * Block: the next one, references in it (16 bits), room (16 bits), references. src/tsdb/series-index.ts reads them.
 */
const LIVE: usize = 0;
const GONE: usize = 4;
const FIRST: usize = 8;
const LAST: usize = 12;
export const POSTINGS_BYTES: usize = 16;

const HEAD_BYTES: usize = 8;
/** With the head it is a size that the allocator has, and so are those that follow: 13, 29, 61, 125 and 253. */
const FIRST_ROOM: u32 = 5;
const MOST_ROOM: u32 = 253;

export function clearPostings(postings: usize): void {
  memory.fill(postings, 0, POSTINGS_BYTES);
}

export function livePostings(postings: usize): u32 {
  return load<u32>(postings, LIVE);
}

/** Takes what `addPosting` needs: where memory is used up, nothing has changed. */
export function makePostingRoom(postings: usize): void {
  const last = load<u32>(postings, LAST) as usize;
  if (last === 0) {
    if (load<u32>(postings, LIVE) + load<u32>(postings, GONE) === 0) return;
    const block = newBlock(FIRST_ROOM);
    store<u32>(block, load<u32>(postings, FIRST), HEAD_BYTES);
    store<u16>(block, 1, 4);
    store<u32>(postings, block as u32, FIRST);
    store<u32>(postings, block as u32, LAST);
    return;
  }
  const room = load<u16>(last, 6) as u32;
  if ((load<u16>(last, 4) as u32) < room) return;
  const block = newBlock(min<u32>(MOST_ROOM, room * 2 + 3));
  store<u32>(last, block as u32);
  store<u32>(postings, block as u32, LAST);
}

/** To be called after `makePostingRoom`. */
export function addPosting(postings: usize, ref: u32): void {
  const last = load<u32>(postings, LAST) as usize;
  if (last === 0) {
    store<u32>(postings, ref, FIRST);
  } else {
    const used = load<u16>(last, 4) as usize;
    store<u32>(last + (used << 2), ref, HEAD_BYTES);
    store<u16>(last, (used + 1) as u16, 4);
  }
  store<u32>(postings, load<u32>(postings, LIVE) + 1, LIVE);
}

/** Forgets a reference of a series that is gone: `table` has no slot for it any more. Returns how many are left. */
export function dropPosting(postings: usize, table: usize): u32 {
  const live = load<u32>(postings, LIVE) - 1;
  const gone = load<u32>(postings, GONE) + 1;
  store<u32>(postings, live, LIVE);
  store<u32>(postings, gone, GONE);
  if (live === 0) {
    freeBlocks(postings);
    clearPostings(postings);
  } else if (gone > live) {
    packBlocks(postings, table);
  }
  return live;
}

/** The first block of references, of which there is a made-up one where there is one reference alone; 0 where there is none. */
export function firstPostings(postings: usize): usize {
  if (load<u32>(postings, LIVE) + load<u32>(postings, GONE) === 0) return 0;
  return load<u32>(postings, LAST) === 0 ? postings : (load<u32>(postings, FIRST) as usize);
}

/** The block behind another, or 0. */
export function nextPostings(postings: usize, block: usize): usize {
  return block === postings ? 0 : (load<u32>(block) as usize);
}

/** How many references a block has, of series that are gone too. */
export function postingsHere(postings: usize, block: usize): usize {
  return block === postings ? 1 : (load<u16>(block, 4) as usize);
}

export function postingAt(postings: usize, block: usize, index: usize): u32 {
  return block === postings ? load<u32>(postings, FIRST) : load<u32>(block + (index << 2), HEAD_BYTES);
}

function newBlock(room: u32): usize {
  const block = heap.alloc(HEAD_BYTES + ((room as usize) << 2));
  store<u32>(block, 0);
  store<u16>(block, 0, 4);
  store<u16>(block, room as u16, 6);
  return block;
}

function freeBlocks(postings: usize): void {
  if (load<u32>(postings, LAST) === 0) return;
  freeFrom(load<u32>(postings, FIRST) as usize);
}

function freeFrom(first: usize): void {
  for (let block = first; block !== 0; ) {
    const next = load<u32>(block) as usize;
    heap.free(block);
    block = next;
  }
}

/** Moves the references of living series together. There are some. */
function packBlocks(postings: usize, table: usize): void {
  const first = load<u32>(postings, FIRST) as usize;
  let to = first;
  let filled: usize = 0;
  for (let from = first; from !== 0; from = load<u32>(from) as usize) {
    const used = load<u16>(from, 4) as usize;
    for (let i: usize = 0; i < used; i++) {
      const ref = load<u32>(from + (i << 2), HEAD_BYTES);
      if (slotOf(table, ref) === 0) continue;
      if (filled === (load<u16>(to, 6) as usize)) {
        store<u16>(to, filled as u16, 4);
        to = load<u32>(to) as usize;
        filled = 0;
      }
      store<u32>(to + (filled << 2), ref, HEAD_BYTES);
      filled++;
    }
  }
  store<u16>(to, filled as u16, 4);
  freeFrom(load<u32>(to) as usize);
  store<u32>(to, 0);
  store<u32>(postings, to as u32, LAST);
  store<u32>(postings, 0, GONE);
  if (load<u32>(postings, LIVE) > 1) return;
  const only = load<u32>(first, HEAD_BYTES);
  heap.free(first);
  store<u32>(postings, only, FIRST);
  store<u32>(postings, 0, LAST);
}
