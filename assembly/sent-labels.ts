import { compareBytes, equalBytes, isMetricName, isUtf8 } from './bytes';
import { partText, partTextLength, setTextLength, textRoom } from './write-part';

/** What was found out about the labels of an unseen series; src/wire/part-lists.ts knows them too. */
export const INVALID_UTF8: u32 = 1;
export const ODD_REFS: u32 = 2;
export const REFS_OUT_OF_RANGE: u32 = 4;
/** Not to be learnt: the labels do not stand together, or are too many. */
export const NO_KEY: u32 = 8;
/** `text` is what `encodeLabels` writes, within the limits. Where it is not set, `text` is as it was sent. */
export const CANONICAL: u32 = 16;
export const TOO_LONG: u32 = 32;
export const EMPTY: u32 = 64;

/** Labels beyond these bytes are not looked at: no limit lets them pass. */
const MAX_LABEL_BYTES: u32 = 256 << 10;
/** Sorting is for what may pass. */
const MAX_SORTED: u32 = 256;
/** Label: name, its length, value, its length. */
const SORTED: usize = memory.data(4096);

let count: u32 = 0;
let bytes: u32 = 0;
let flags: u32 = 0;
let sentAt: u32 = 0;

let maxNames: u32 = 30;
let maxNameBytes: u32 = 1_024;
let maxValueBytes: u32 = 2_048;

/** What a label set may have for its canonical bytes to be made here. */
export function limitLabels(names: u32, nameBytes: u32, valueBytes: u32): void {
  maxNames = min<u32>(names, MAX_SORTED);
  maxNameBytes = nameBytes;
  maxValueBytes = valueBytes;
}

export function beginLabels(): void {
  count = 0;
  bytes = 0;
  flags = 0;
  sentAt = partTextLength();
}

/** Adds a label as it was sent, to the text of the part. */
export function addLabel(name: usize, nameLength: u32, value: usize, valueLength: u32): void {
  if (flags & TOO_LONG) return;
  // Each may be long enough alone for the sum to wrap.
  if (nameLength > MAX_LABEL_BYTES || valueLength > MAX_LABEL_BYTES) {
    flags |= TOO_LONG;
    return;
  }
  bytes += nameLength + valueLength + 8;
  if (bytes > MAX_LABEL_BYTES) {
    flags |= TOO_LONG;
    return;
  }
  if (!isUtf8(name, nameLength) || !isUtf8(value, valueLength)) flags |= INVALID_UTF8;
  if (count < MAX_SORTED) {
    const label = SORTED + (count << 4);
    store<u32>(label, name);
    store<u32>(label, nameLength, 4);
    store<u32>(label, value, 8);
    store<u32>(label, valueLength, 12);
  }
  count++;
  writeText(name, nameLength);
  writeText(value, valueLength);
}

function writeText(start: usize, length: u32): void {
  let at = textRoom(length + 5);
  let rest = length;
  while (rest > 0x7f) {
    store<u8>(at++, (rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  store<u8>(at++, rest);
  memory.copy(at, start, length);
  setTextLength(<u32>(at + length - partText()));
}

/** Puts the canonical bytes behind what was sent, or in its place where both are the same. Returns the flags. */
export function endLabels(): u32 {
  if (flags !== 0 || count > MAX_SORTED || !sortLabels()) return flags;
  let kept: u32 = 0;
  let named = false;
  for (let i: u32 = 0; i < count; i++) {
    const label = SORTED + (i << 4);
    const name = <usize>load<u32>(label);
    const nameLength = load<u32>(label, 4);
    const valueLength = load<u32>(label, 12);
    if (nameLength === 0 || nameLength > maxNameBytes || valueLength > maxValueBytes) return flags;
    if (i > 0 && compareBytes(load<u32>(label - 16), load<u32>(label - 16, 4), name, nameLength) === 0) return flags;
    if (valueLength === 0) continue;
    kept++;
    if (isMetricName(name, nameLength)) named = true;
  }
  if (!named || kept > maxNames) return flags;
  flags |= CANONICAL;
  return flags;
}

/** Writes the canonical bytes behind the text. To be called where `endLabels` says that there are such. */
export function writeCanonical(): void {
  const sentEnd = partTextLength();
  for (let i: u32 = 0; i < count; i++) {
    const label = SORTED + (i << 4);
    if (load<u32>(label, 12) === 0) continue;
    writeText(load<u32>(label), load<u32>(label, 4));
    writeText(load<u32>(label, 8), load<u32>(label, 12));
  }
  // Usual senders write them as they are to be: then once is enough.
  const length = sentEnd - sentAt;
  const sent = partText() + sentAt;
  if (partTextLength() - sentEnd === length && equalBytes(sent, sent + length, length)) setTextLength(sentEnd);
}

/**
 * Sorts by name. False where bytes and UTF-16 code units may disagree on the order: above U+DFFF, where the first byte
 * of a character is 0xEE or more.
 */
function sortLabels(): bool {
  for (let i: u32 = 0; i < count; i++) {
    const name = <usize>load<u32>(SORTED + (i << 4));
    const length = load<u32>(SORTED + (i << 4), 4);
    for (let j: u32 = 0; j < length; j++) if (load<u8>(name + j) >= 0xee) return false;
    let to = i;
    const label = v128.load(SORTED + (i << 4));
    while (to > 0) {
      const before = SORTED + ((to - 1) << 4);
      if (compareBytes(load<u32>(before), load<u32>(before, 4), name, length) <= 0) break;
      v128.store(before + 16, v128.load(before));
      to--;
    }
    v128.store(SORTED + (to << 4), label);
  }
  return true;
}
