import { entryNumber } from './label-table';

/** References that the store no longer has, in ascending order: entries with them count as unseen. */
let gone: usize = 0;
let goneCount: u32 = 0;

export function forgetRefs(at: usize, count: u32): void {
  gone = at;
  goneCount = count;
}

/** The reference of an entry, or 0. */
export function refOf(entry: usize): u32 {
  if (entry === 0) return 0;
  const ref = entryNumber(entry);
  if (goneCount === 0) return ref;
  let low: u32 = 0;
  let high = goneCount;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (load<u32>(gone + (middle << 2)) < ref) low = middle + 1;
    else high = middle;
  }
  return low < goneCount && load<u32>(gone + (low << 2)) === ref ? 0 : ref;
}
