import { postingsOf } from './label-sets';
import { retentionOf } from './live-series';
import { firstPostings, nextPostings, postingAt, postingsHere } from './postings';
import { hasSample } from './read-series';
import { slotOf } from './ref-table';

/**
 * Of `count` labels, whose texts are at `texts`, tells by a byte each at `out` whether a series that has it has a visible
 * sample from `start` to `end`, both included, and not before its class is kept.
 */
export function markSampled(
  table: usize,
  texts: usize,
  count: i32,
  start: f64,
  end: f64,
  rawFloor: f64,
  demandFloor: f64,
  out: usize,
): void {
  for (let i: usize = 0; i < (count as usize); i++) {
    const postings = postingsOf(load<u32>(texts + (i << 2)) as usize);
    store<u8>(out + i, 0);
    for (let block = firstPostings(postings); block !== 0; block = nextPostings(postings, block)) {
      const here = postingsHere(postings, block);
      let found = false;
      for (let j: usize = 0; j < here && !found; j++) {
        const slot = slotOf(table, postingAt(postings, block, j));
        if (slot === 0) continue;
        found = hasSample(slot, max(start, retentionOf(slot) === 0 ? rawFloor : demandFloor), end);
      }
      if (!found) continue;
      store<u8>(out + i, 1);
      break;
    }
  }
}
