import { hashBytes } from './bytes';
import { entryBytes, entryLength, findEntry, isEntry } from './label-table';
import { fault, faultCode, MANY_SYMBOLS, nextAt, readLength, readTag, skipField } from './protobuf';

/* The symbols of the remote write 2.0 request decoded last, and what a tenant's table knows of them. */

/** Symbols and series of one request: a usual one of 32 MiB has a tenth of it. */
const MAX_SYMBOLS: u32 = 1 << 21;

/** In place of an entry: the table has none. */
export const NOT_KNOWN: u32 = 0xffff_ffff;

/** Symbol: where its length stands, the hash of its bytes or 0. */
const SYMBOL_BYTES: u32 = 8;
let symbols: usize = 0;
/** Their entries in the table, for as many (0: not looked up yet). */
let entries: usize = 0;
let symbolCount: u32 = 0;
let symbolCapacity: u32 = 0;
/** The request whose symbols those are; 0 for none. */
let requestStart: usize = 0;
let requestEnd: usize = 0;

/** Makes the symbols of a request those at hand, wherever in it they stand. False at a fault. */
export function useSymbols(start: usize, end: usize, isBegun: bool): bool {
  if (isBegun && requestStart === start && requestEnd === end) {
    // Of as many parts as a request has, only the first walks all of it. Every request is read from its beginning first.
    forgetEntries();
    return true;
  }
  requestStart = 0;
  requestEnd = end;
  if (!findSymbols(start, end)) return false;
  requestStart = start;
  return true;
}

function findSymbols(start: usize, end: usize): bool {
  if (symbolCapacity > 65_536) {
    heap.free(symbols);
    heap.free(entries);
    symbols = 0;
    entries = 0;
    symbolCapacity = 0;
  }
  symbolCount = 0;
  let at = start;
  for (let fields: u32 = 0; at < end; fields++) {
    if (fields >= MAX_SYMBOLS) return fault(MANY_SYMBOLS, at, MAX_SYMBOLS);
    let field = at + 1;
    let next = usualEnd(at, end);
    let tag = <u32>load<u8>(at);
    if (next === 0) {
      tag = readTag(at, end);
      field = nextAt();
      next = skipField(tag, field, end);
    }
    at = next;
    if (tag !== 0x22) continue;
    if (symbolCount === symbolCapacity) growSymbols();
    const symbol = symbols + symbolCount * SYMBOL_BYTES;
    store<u64>(symbol, <u64>field);
    symbolCount++;
  }
  if (faultCode() !== 0) return false;
  forgetEntries();
  return true;
}

/** The end of a field that begins with a tag of one byte and a length of one or two; 0 where it is not such a field. */
export function usualEnd(at: usize, end: usize): usize {
  const left = end - at;
  if (left < 3 || (load<u8>(at) & 0xf7) !== 0x22) return 0;
  const low = <u32>load<u8>(at, 1);
  const high = <u32>load<u8>(at, 2);
  if (low >= 0x80 && high >= 0x80) return 0;
  const size = low < 0x80 ? low + 2 : ((low & 0x7f) | (high << 7)) + 3;
  return size <= <u32>left ? at + size : 0;
}

function growSymbols(): void {
  const wide = max<u32>(4_096, symbolCapacity << 1);
  symbols = symbols === 0 ? heap.alloc(wide * SYMBOL_BYTES) : heap.realloc(symbols, wide * SYMBOL_BYTES);
  entries = entries === 0 ? heap.alloc(wide * 4) : heap.realloc(entries, wide * 4);
  // Last: where memory is used up, there is room for as many as before.
  symbolCapacity = wide;
}

/** The tables may have let go of the entries, or be another tenant's. */
function forgetEntries(): void {
  memory.fill(entries, 0, symbolCount * 4);
}

/** Of the request decoded last. */
export function symbolsFound(): u32 {
  return symbolCount;
}

/** Where a symbol of the request decoded last begins. To be asked only below their count. */
export function symbolAt(ref: u32): usize {
  symbolBegan = symbolStart(ref);
  return symbolBegan;
}

/** The length of the symbol asked for last. */
export function symbolLength(): u32 {
  return <u32>(symbolEnd - symbolBegan);
}

/** Where the bytes of a symbol begin, which is checked to be there; `symbolEnd` is where they end. */
export function symbolStart(ref: u32): usize {
  const at = <usize>load<u32>(symbols + ref * SYMBOL_BYTES);
  const length = load<u8>(at);
  // That it is there was seen when it was found.
  if (length < 0x80) {
    symbolEnd = at + 1 + length;
    return at + 1;
  }
  symbolEnd = readLength(load<u32>(symbols + ref * SYMBOL_BYTES), requestEnd);
  return nextAt();
}

export let symbolEnd: usize = 0;
let symbolBegan: usize = 0;

/** The entry of a symbol in a table of them, or `NOT_KNOWN`. */
export function entryOf(names: usize, ref: u32): u32 {
  const known = load<u32>(entries + (ref << 2));
  if (known !== 0) return known;
  const start = symbolStart(ref);
  const found = <u32>findEntry(names, start, <u32>(symbolEnd - start));
  const entry = found === 0 ? NOT_KNOWN : found;
  store<u32>(entries + (ref << 2), entry);
  return entry;
}

/** Not 0. */
export function hashOf(ref: u32): u32 {
  const symbol = symbols + ref * SYMBOL_BYTES;
  const known = load<u32>(symbol, 4);
  if (known !== 0) return known;
  const start = symbolStart(ref);
  const hash = hashBytes(start, <u32>(symbolEnd - start)) | 1;
  store<u32>(symbol, hash, 4);
  return hash;
}

/**
 * Whether numbers of symbols, in pairs, are exactly those of a series' entry. Symbols that the request has not used
 * before are compared with what the entry has in their place: then most of them need no look-up.
 */
export function hasSymbols(entry: usize, start: usize, end: usize): bool {
  let key = entryBytes(entry);
  const keyEnd = key + entryLength(entry);
  const all = entries;
  const count = symbolCount;
  // A name and its value at a time.
  for (let at = start; at < end; key += 8) {
    if (keyEnd - key < 8 || end - at < 2) return false;
    const two = <u32>load<u16>(at);
    let name = two & 0xff;
    let value = two >>> 8;
    at += 2;
    if ((two & 0x8080) !== 0) {
      const third = <u32>load<u8>(at);
      if ((two & 0x80) === 0 && at < end && third < 0x80) {
        value = (value & 0x7f) | (third << 7);
        at++;
      } else {
        at = readPair(at - 2, end);
        if (at === 0) return false;
        name = pairName;
        value = pairValue;
      }
    }
    if (name >= count || value >= count) return false;
    const pair = ((<u64>load<u32>(all + (value << 2))) << 32) | load<u32>(all + (name << 2));
    if (load<u64>(key) === pair) continue;
    if (!isSymbol(name, load<u32>(key)) || !isSymbol(value, load<u32>(key, 4))) return false;
  }
  return key === keyEnd;
}

let pairName: u32 = 0;
let pairValue: u32 = 0;

/** Two numbers of which one is long. Returns where they end; 0 where they do not, or are longer than those of any symbol. */
function readPair(start: usize, end: usize): usize {
  const middle = readRef(start, end);
  pairName = pairValue;
  return middle === 0 ? 0 : readRef(middle, end);
}

function readRef(start: usize, end: usize): usize {
  let at = start;
  let ref: u32 = 0;
  for (let shift: u32 = 0; shift < 28 && at < end; shift += 7) {
    const byte = <u32>load<u8>(at++);
    ref |= (byte & 0x7f) << shift;
    if (byte >= 0x80) continue;
    pairValue = ref;
    return at;
  }
  return 0;
}

/** Whether a symbol of the request is that of an entry. */
function isSymbol(ref: u32, wanted: u32): bool {
  const known = load<u32>(entries + (ref << 2));
  if (known !== 0) return known === wanted;
  const text = symbolStart(ref);
  if (!isEntry(wanted, text, <u32>(symbolEnd - text))) return false;
  store<u32>(entries + (ref << 2), wanted);
  return true;
}
