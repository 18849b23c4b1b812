import { equalBytes, hashWithKey, isUtf8 } from './bytes';
import {
  firstInBucket,
  hashCount,
  hashOf,
  insertHashed,
  makeBucket,
  newHash,
  nextInBucket,
  removeHashed,
} from './linear-hash';
import { labelSetOf, setLabelSet } from './live-series';
import { addPosting, clearPostings, dropPosting, livePostings, makePostingRoom, POSTINGS_BYTES } from './postings';

/*
 * The label sets of one tenant's series, as `encodeLabels` writes them: for each label the length of its name, the name,
 * the length of its value, the value. Each distinct label is held once, and a label set is a list of them.
 *
 * Index: texts by their bytes, label sets by theirs, the table of references.
 * Text: next in its bucket, hash, length, its name's text or 0 for a name, next and previous label of that name (of a
 * name: its first label, round in which it was seen last), references, bytes. src/tsdb/series-index.ts reads them.
 * Label set: next in its bucket, hash, series, reference, how many labels, their texts.
 */
const INDEX_BYTES: usize = 12;
const TEXTS: usize = 0;
const SETS: usize = 4;
const REFS: usize = 8;

const LENGTH: usize = 8;
const NAME: usize = 12;
const NEXT: usize = 16;
const BEFORE: usize = 20;
const POSTINGS: usize = 24;
const BYTES: usize = 24 + POSTINGS_BYTES;

const SLOT: usize = 8;
const REF: usize = 12;
const LABELS: usize = 16;
const FIRST_LABEL: usize = 20;

let key0: u64 = 0;
let key1: u64 = 0;
/** Bytes of all indexes but for their tables of buckets. */
let held: usize = 0;
/** Texts that were freed: their addresses may have others now. */
let freed: u32 = 0;
let round: u32 = 0;
/** A label set that is being made: it stays where memory is used up. */
let unfinished: usize = 0;

/** The key of the hashes of label sets, which attackers cannot know. To be set once, before there is an index. */
export function seedLabelSets(a: u32, b: u32, c: u32, d: u32): void {
  key0 = ((<u64>a) << 32) | b;
  key1 = ((<u64>c) << 32) | d;
}

/** @param refs The table of references of the same tenant. */
export function newLabelSets(refs: usize): usize {
  const index = heap.alloc(INDEX_BYTES);
  store<u32>(index, newHash() as u32, TEXTS);
  store<u32>(index, newHash() as u32, SETS);
  store<u32>(index, refs as u32, REFS);
  return index;
}

export function labelSetCount(index: usize): u32 {
  return hashCount(load<u32>(index, SETS) as usize);
}

export function labelSetBytes(): usize {
  return held;
}

export function freedTexts(): u32 {
  return freed;
}

/** The hash of the bytes of a label set. */
export function hashLabels(start: usize, length: u32): u32 {
  return hashWithKey(key0, key1, start, length);
}

/** The series with exactly these labels, which have that hash, or 0. */
export function findSeries(index: usize, start: usize, length: u32, hash: u32): usize {
  let set = firstInBucket(load<u32>(index, SETS) as usize, hash);
  for (; set !== 0; set = nextInBucket(set)) {
    if (hashOf(set) === hash && isLabelSet(set, start, length)) return load<u32>(set, SLOT) as usize;
  }
  return 0;
}

function isLabelSet(set: usize, start: usize, length: u32): bool {
  const end = start + length;
  let at = start;
  const labels = load<u32>(set, LABELS) as usize;
  for (let i: usize = 0; i < labels; i++) {
    const text = load<u32>(set + (i << 2), FIRST_LABEL) as usize;
    const size = load<u32>(text, LENGTH);
    if (at + size > end || !equalBytes(text + BYTES, at, size)) return false;
    at += size;
  }
  return at === end;
}

// What `readText` has found.
let textEnd: usize = 0;

/** Reads a length and its text. False where that is not what stands there. */
function readText(start: usize, end: usize): bool {
  let at = start;
  let size: u64 = 0;
  let shift: u64 = 0;
  for (;;) {
    if (at >= end || shift > 28) return false;
    const byte = load<u8>(at++);
    size |= (<u64>(byte & 0x7f)) << shift;
    shift += 7;
    if (byte < 0x80) break;
  }
  if (size > <u64>(end - at)) return false;
  textEnd = at + <usize>size;
  return true;
}

/** How many labels these bytes are; -1 where they are none. Whether they are UTF-8 is asked once of each label. */
function countLabels(start: usize, length: u32): i32 {
  const end = start + length;
  let labels = 0;
  for (let at = start; at < end; labels++) {
    if (!readText(at, end) || !readText(textEnd, end)) return -1;
    at = textEnd;
  }
  return labels;
}

/**
 * Gives a series its labels, which have that hash. No other may have them, and the table of references must have it by now.
 * @returns False where these bytes are no label set. Where memory is used up, the series has none.
 */
export function addLabelSet(index: usize, slot: usize, ref: u32, start: usize, length: u32, hash: u32): bool {
  const labels = countLabels(start, length);
  if (labels < 0) return false;
  const sets = load<u32>(index, SETS) as usize;
  makeBucket(sets);
  const bytes = FIRST_LABEL + ((labels as usize) << 2);
  if (unfinished !== 0) heap.free(unfinished);
  unfinished = 0;
  const set = heap.alloc(bytes);
  unfinished = set;
  const end = start + length;
  round++;
  let i: usize = 0;
  for (let at = start; at < end; i++) {
    readText(at, end);
    const nameEnd = textEnd;
    readText(nameEnd, end);
    const text = labelFor(load<u32>(index, TEXTS) as usize, at, <u32>(nameEnd - at), <u32>(textEnd - at));
    const name: usize = text === 0 ? 0 : (load<u32>(text, NAME) as usize);
    if (name === 0 || load<u32>(name, BEFORE) === round) {
      dropUnusedLabels(index, start, length);
      return false;
    }
    store<u32>(name, round, BEFORE);
    makePostingRoom(text + POSTINGS);
    store<u32>(set + (i << 2), text as u32, FIRST_LABEL);
    at = textEnd;
  }
  store<u32>(set, slot as u32, SLOT);
  store<u32>(set, ref, REF);
  store<u32>(set, labels as u32, LABELS);
  held += bytes;
  unfinished = 0;
  insertHashed(sets, set, hash);
  setLabelSet(slot, set);
  for (let j: usize = 0; j < i; j++) addPosting((load<u32>(set + (j << 2), FIRST_LABEL) as usize) + POSTINGS, ref);
  return true;
}

/** Forgets those of some labels that no series has: one could not be added after all. */
export function dropUnusedLabels(index: usize, start: usize, length: u32): void {
  const texts = load<u32>(index, TEXTS) as usize;
  const end = start + length;
  for (let at = start; at < end && readText(at, end); at = textEnd) {
    const nameEnd = textEnd;
    if (!readText(nameEnd, end)) return;
    const text = findText(index, at, <u32>(textEnd - at));
    if (text !== 0) {
      if (livePostings(text + POSTINGS) === 0) dropLabel(texts, text);
      continue;
    }
    // A name may have found room that its label did not.
    const name = findText(index, at, <u32>(nameEnd - at));
    if (name !== 0 && load<u32>(name, NEXT) === 0) freeText(texts, name);
  }
}

/** Forgets the label set of a series that is gone: the table of references must not have it any more. */
export function dropLabelSet(index: usize, set: usize): void {
  removeHashed(load<u32>(index, SETS) as usize, set);
  const labels = load<u32>(set, LABELS) as usize;
  for (let i: usize = 0; i < labels; i++) {
    const text = load<u32>(set + (i << 2), FIRST_LABEL) as usize;
    if (dropPosting(text + POSTINGS, load<u32>(index, REFS) as usize) === 0) {
      dropLabel(load<u32>(index, TEXTS) as usize, text);
    }
  }
  held -= FIRST_LABEL + (labels << 2);
  heap.free(set);
}

/** The text of a label, or of a name alone, or 0. */
export function findText(index: usize, start: usize, length: u32): usize {
  return textOf(load<u32>(index, TEXTS) as usize, start, length, hashWithKey(key0, key1, start, length));
}

/** How many series have the label of this name that a label set has. */
export function likeInName(index: usize, start: usize, length: u32, name: usize, nameLength: u32): u32 {
  const end = start + length;
  for (let at = start; at < end && readText(at, end); ) {
    const nameEnd = textEnd;
    if (!readText(nameEnd, end)) return 0;
    if (<u32>(nameEnd - at) === nameLength && equalBytes(at, name, nameLength)) {
      const text = findText(index, at, <u32>(textEnd - at));
      return text === 0 ? 0 : livePostings(text + POSTINGS);
    }
    at = textEnd;
  }
  return 0;
}

/** Where the references of the series that have a label begin. */
export function postingsOf(text: usize): usize {
  return text + POSTINGS;
}

/** The text of the label of this name that a series has, or 0. */
export function labelNamed(slot: usize, name: usize): usize {
  const set = labelSetOf(slot);
  const labels = load<u32>(set, LABELS) as usize;
  for (let i: usize = 0; i < labels; i++) {
    const text = load<u32>(set + (i << 2), FIRST_LABEL) as usize;
    if ((load<u32>(text, NAME) as usize) === name) return text;
  }
  return 0;
}

/** Whether a text, which stands behind its length, is UTF-8. */
function isUtf8Text(start: usize, length: u32): bool {
  let at = start;
  while (load<u8>(at++) > 0x7f);
  return isUtf8(at, length - <u32>(at - start));
}

function textOf(texts: usize, start: usize, length: u32, hash: u32): usize {
  for (let text = firstInBucket(texts, hash); text !== 0; text = nextInBucket(text)) {
    if (hashOf(text) === hash && load<u32>(text, LENGTH) === length && equalBytes(text + BYTES, start, length)) {
      return text;
    }
  }
  return 0;
}

/** The text of a label, which is added where there is none. Its name stands first. 0 where it is not UTF-8. */
function labelFor(texts: usize, start: usize, nameLength: u32, length: u32): usize {
  const hash = hashWithKey(key0, key1, start, length);
  const known = textOf(texts, start, length, hash);
  if (known !== 0) return known;
  const valueAt = start + nameLength;
  if (!isUtf8Text(start, nameLength) || !isUtf8Text(valueAt, length - nameLength)) return 0;
  const nameHash = hashWithKey(key0, key1, start, nameLength);
  let name = textOf(texts, start, nameLength, nameHash);
  if (name === 0) name = newText(texts, start, nameLength, nameHash);
  const text = newText(texts, start, length, hash);
  const next = load<u32>(name, NEXT) as usize;
  store<u32>(text, name as u32, NAME);
  store<u32>(text, next as u32, NEXT);
  if (next !== 0) store<u32>(next, text as u32, BEFORE);
  store<u32>(name, text as u32, NEXT);
  return text;
}

function newText(texts: usize, start: usize, length: u32, hash: u32): usize {
  makeBucket(texts);
  const text = heap.alloc(BYTES + (length as usize));
  store<u32>(text, length, LENGTH);
  store<u32>(text, 0, NAME);
  store<u32>(text, 0, NEXT);
  store<u32>(text, 0, BEFORE);
  clearPostings(text + POSTINGS);
  memory.copy(text + BYTES, start, length);
  held += BYTES + (length as usize);
  insertHashed(texts, text, hash);
  return text;
}

function dropLabel(texts: usize, text: usize): void {
  const name = load<u32>(text, NAME) as usize;
  const next = load<u32>(text, NEXT) as usize;
  const before = load<u32>(text, BEFORE) as usize;
  if (next !== 0) store<u32>(next, before as u32, BEFORE);
  store<u32>(before === 0 ? name : before, next as u32, NEXT);
  freeText(texts, text);
  if (load<u32>(name, NEXT) === 0) freeText(texts, name);
}

function freeText(texts: usize, text: usize): void {
  removeHashed(texts, text);
  held -= BYTES + (load<u32>(text, LENGTH) as usize);
  freed++;
  heap.free(text);
}
