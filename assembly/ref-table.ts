import { give, take } from './live-series';

/** From references to slots: pages of 256, so that references, which are never used again, cost nothing once gone. */
const PAGE_REFS: usize = 256;
const PAGE_BYTES: usize = (PAGE_REFS + 1) * 4;

export function newRefTable(): usize {
  const table = take(8);
  store<u64>(table, 0);
  return table;
}

/** The slot of a reference, or 0. */
export function slotOf(table: usize, ref: u32): usize {
  const page = ref >> 8;
  if (page >= load<u32>(table, 4)) return 0;
  const at = load<u32>((load<u32>(table) as usize) + ((page as usize) << 2)) as usize;
  return at === 0 ? 0 : (load<u32>(at + (((ref & 255) as usize) << 2)) as usize);
}

/** The first reference from `ref` on that has a slot, or 0. */
export function nextRef(table: usize, ref: u32): u32 {
  const pages = load<u32>(table, 4);
  for (let page = ref >> 8; page < pages; page++) {
    const at = load<u32>((load<u32>(table) as usize) + ((page as usize) << 2)) as usize;
    if (at === 0) continue;
    for (let i: u32 = page === ref >> 8 ? ref & 255 : 0; i < 256; i++) {
      if (load<u32>(at + ((i as usize) << 2)) !== 0) return (page << 8) | i;
    }
  }
  return 0;
}

export function setSlot(table: usize, ref: u32, slot: usize): void {
  const page = ref >> 8;
  const pages = load<u32>(table, 4);
  if (page >= pages) growTable(table, pages, page + 1 + (page >> 2));
  const entry = (load<u32>(table) as usize) + ((page as usize) << 2);
  let at = load<u32>(entry) as usize;
  if (at === 0) {
    at = take(PAGE_BYTES);
    memory.fill(at, 0, PAGE_BYTES);
    store<u32>(entry, at as u32);
  }
  store<u32>(at + (((ref & 255) as usize) << 2), slot as u32);
  store<u32>(at + (PAGE_REFS << 2), load<u32>(at + (PAGE_REFS << 2)) + 1);
}

export function clearSlot(table: usize, ref: u32): void {
  if (slotOf(table, ref) === 0) return;
  const entry = (load<u32>(table) as usize) + (((ref >> 8) as usize) << 2);
  const at = load<u32>(entry) as usize;
  store<u32>(at + (((ref & 255) as usize) << 2), 0);
  const left = load<u32>(at + (PAGE_REFS << 2)) - 1;
  store<u32>(at + (PAGE_REFS << 2), left);
  if (left > 0) return;
  give(at, PAGE_BYTES);
  store<u32>(entry, 0);
}

function growTable(table: usize, from: u32, to: u32): void {
  const old = load<u32>(table) as usize;
  const grown = take((to as usize) << 2);
  memory.copy(grown, old, (from as usize) << 2);
  memory.fill(grown + ((from as usize) << 2), 0, ((to - from) as usize) << 2);
  give(old, (from as usize) << 2);
  store<u32>(table, grown as u32);
  store<u32>(table, to, 4);
}
