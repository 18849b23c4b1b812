/*
 * Linear hashing (Litwin 1980): a table that grows by one bucket with each entry, so that no insertion ever waits for all
 * others to be moved. What it holds begins with the next entry of its bucket and its hash.
 *
 * Table: directory, its room in pages, entries, mask of this round, buckets that were divided in this round.
 */
const TABLE_BYTES: usize = 20;
const DIRECTORY: usize = 0;
const ROOM: usize = 4;
const COUNT: usize = 8;
const MASK: usize = 12;
const DIVIDED: usize = 16;

const PAGE_BUCKETS: u32 = 64;
const PAGE_BYTES: usize = 256;

export function newHash(): usize {
  const table = heap.alloc(TABLE_BYTES);
  const directory = heap.alloc(4);
  store<u32>(directory, newPage() as u32);
  store<u32>(table, directory as u32, DIRECTORY);
  store<u32>(table, 1, ROOM);
  store<u32>(table, 0, COUNT);
  store<u32>(table, PAGE_BUCKETS - 1, MASK);
  store<u32>(table, 0, DIVIDED);
  return table;
}

export function hashCount(table: usize): u32 {
  return load<u32>(table, COUNT);
}

export function hashOf(entry: usize): u32 {
  return load<u32>(entry, 4);
}

export function nextInBucket(entry: usize): usize {
  return load<u32>(entry) as usize;
}

/** The first entry that may have this hash, or 0: then `nextInBucket`. */
export function firstInBucket(table: usize, hash: u32): usize {
  return load<u32>(bucketOf(table, hash)) as usize;
}

/** Takes what `insertHashed` needs: where memory is used up, nothing has changed. */
export function makeBucket(table: usize): void {
  const mask = load<u32>(table, MASK);
  const divided = load<u32>(table, DIVIDED);
  const buckets = mask + 1 + divided;
  if (load<u32>(table, COUNT) < buckets) return;
  if ((buckets & (PAGE_BUCKETS - 1)) === 0) addPage(table, buckets / PAGE_BUCKETS);
  // Those of the bucket whose hash has one bit more go to the new one.
  const from = bucketAt(table, divided);
  let kept: usize = 0;
  let moved: usize = 0;
  for (let entry = load<u32>(from) as usize; entry !== 0; ) {
    const next = nextInBucket(entry);
    if (hashOf(entry) & (mask + 1)) {
      store<u32>(entry, moved as u32);
      moved = entry;
    } else {
      store<u32>(entry, kept as u32);
      kept = entry;
    }
    entry = next;
  }
  store<u32>(from, kept as u32);
  store<u32>(bucketAt(table, buckets), moved as u32);
  const isRoundOver = divided === mask;
  store<u32>(table, isRoundOver ? (mask << 1) | 1 : mask, MASK);
  store<u32>(table, isRoundOver ? 0 : divided + 1, DIVIDED);
}

/** To be called after `makeBucket`. */
export function insertHashed(table: usize, entry: usize, hash: u32): void {
  const bucket = bucketOf(table, hash);
  store<u32>(entry, load<u32>(bucket));
  store<u32>(entry, hash, 4);
  store<u32>(bucket, entry as u32);
  store<u32>(table, load<u32>(table, COUNT) + 1, COUNT);
}

export function removeHashed(table: usize, entry: usize): void {
  let at = bucketOf(table, hashOf(entry));
  while ((load<u32>(at) as usize) !== entry) at = load<u32>(at) as usize;
  store<u32>(at, load<u32>(entry));
  store<u32>(table, load<u32>(table, COUNT) - 1, COUNT);
}

function bucketOf(table: usize, hash: u32): usize {
  const mask = load<u32>(table, MASK);
  const index = hash & mask;
  return bucketAt(table, index < load<u32>(table, DIVIDED) ? hash & ((mask << 1) | 1) : index);
}

function bucketAt(table: usize, index: u32): usize {
  const page = load<u32>((load<u32>(table, DIRECTORY) as usize) + (((index / PAGE_BUCKETS) as usize) << 2)) as usize;
  return page + (((index & (PAGE_BUCKETS - 1)) as usize) << 2);
}

function newPage(): usize {
  const page = heap.alloc(PAGE_BYTES);
  memory.fill(page, 0, PAGE_BYTES);
  return page;
}

function addPage(table: usize, index: u32): void {
  const room = load<u32>(table, ROOM);
  if (index === room) {
    // Addresses of pages alone: a million entries have 64 kB of them.
    const grown = heap.realloc(load<u32>(table, DIRECTORY) as usize, (room as usize) << 3);
    store<u32>(table, grown as u32, DIRECTORY);
    store<u32>(table, room << 1, ROOM);
  }
  // Last: where memory is used up, nothing is left that nobody has.
  const page = newPage();
  store<u32>((load<u32>(table, DIRECTORY) as usize) + ((index as usize) << 2), page as u32);
}
