import { decodeChunk } from './codec';
import {
  chunkAt,
  chunkBytes,
  chunkCount,
  chunkFirst,
  chunkFor,
  chunkLast,
  chunkLength,
  chunkSamples,
  copyOpen,
  lowerBound,
  openCount,
  unsyncedIn,
} from './live-series';

// Where `readSeries` leaves samples.
let room: i32 = 0;
let columns: usize = 0;
let from: i32 = 0;

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
  for (; index < chunks && passed < visible; index++) {
    const chunk = chunkAt(slot, index);
    if (chunkFirst(chunk) > end) break;
    const count = chunkSamples(chunk);
    passed += count;
    if (chunkLast(chunk) < start) continue;
    const at = columns + ((n as usize) << 3);
    decodeChunk(chunkBytes(chunk), chunkLength(chunk), at, at + ((room as usize) << 3), count);
    n += count;
  }
  if (index === chunks && passed < visible) {
    const at = columns + ((n as usize) << 3);
    const count = copyOpen(slot, at, at + ((room as usize) << 3));
    n += count;
    passed += count;
  }
  if (passed > visible) n -= passed - visible;
  if (n <= 0) return 0;
  from = lowerBound(columns, n, start);
  while (n > from && load<f64>(columns + (((n - 1) as usize) << 3)) > end) n--;
  return n - from;
}

function makeRoom(count: i32): void {
  // A long series must not hold its room for ever.
  if (count <= room && (room <= 65536 || count > 4096)) return;
  if (columns !== 0) heap.free(columns);
  // Where memory is used up, there is no room: what was freed is others'.
  columns = 0;
  room = 0;
  const wanted = count < 4096 ? 4096 : count;
  columns = heap.alloc((wanted as usize) << 4);
  room = wanted;
}
