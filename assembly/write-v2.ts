import { isMetricName } from './bytes';
import { refOf } from './known-labels';
import {
  addEntry,
  entryNote,
  expectedEntry,
  findEntry,
  forgetNotes,
  noteRound,
  setEntryNote,
  setEntryNumber,
  takeExpected,
} from './label-table';
import { checkNumbers, faultCode, nextAt, readLength, readTag, readVarint, skipField } from './protobuf';
import {
  addLabel,
  beginLabels,
  CANONICAL,
  EMPTY,
  endLabels,
  ODD_REFS,
  REFS_OUT_OF_RANGE,
  TOO_LONG,
  writeCanonical,
} from './sent-labels';
import {
  entryOf,
  hashOf,
  hasSymbols,
  NOT_KNOWN,
  symbolEnd,
  symbolStart,
  symbolsFound,
  useSymbols,
  usualEnd,
} from './symbols';
import {
  addMetadata,
  addUnseen,
  beginPart,
  bodyAt,
  dropFrom,
  endSeries,
  exemplarCount,
  histogramCount,
  isUsualField,
  METADATA_WORDS,
  metadataAt,
  metadataCount,
  partIsFull,
  partSamples,
  partTextLength,
  readExemplar,
  readHistogram,
  readSample,
  takeUsualField,
  USUAL_SAMPLE,
  unseenCount,
} from './write-part';

/** Numbers for the labels of one series: more pass no limit. */
const MAX_REFS: u32 = 4_096;
/** Numbers of the series at hand, and the entries of their symbols. */
const REFS: usize = memory.data(16384);
const KEY: usize = memory.data(16384);

/** Only walk, up to there. */
let dry: bool = false;
let dryUntil: usize = 0;
/** Mixed into what is remembered of metadata. */
let metadataRound: u32 = 0;

/** Where the numbers of the series at hand stand; `scattered` where they stand in several places, and are in `REFS`. */
let refsStart: usize = 0;
let refsEnd: usize = 0;
let scattered: bool = false;
let refCount: u32 = 0;
let tooManyRefs: bool = false;
let began: i64 = 0;
let metadataType: u32 = 0;
let helpRef: u64 = 0;
let unitRef: u64 = 0;

/** Hands out all metadata of a tenant again: what was handed out may be lost. */
export function forgetMetadata(series: usize): void {
  forgetNotes(series);
}

/**
 * Decodes an `io.prometheus.write.v2.Request` from `offset` on, until a part is full. Symbols may stand anywhere.
 * Takes both versions of it: start times of samples (rc.4), and created times of series (rc.3).
 * @param series The table of series by the entries of their symbols; 0: nothing is known.
 * @param names The table of symbols.
 * @returns Where the rest begins. `faultCode` tells whether it went well.
 */
export function decodeWrite2(
  series: usize,
  names: usize,
  start: usize,
  length: u32,
  offset: u32,
  isChecked: bool,
): u32 {
  beginPart(start);
  const end = start + length;
  if (!useSymbols(start, end, offset > 0)) return length;
  dry = false;
  metadataRound = series === 0 ? 0 : noteRound(series);
  const rest = readRequest(series, names, start + offset, end);
  if (!isChecked && rest < end && faultCode() === 0) checkWrite2(start, length, <u32>(rest - start), length);
  // Nobody will have what a damaged request described.
  if (faultCode() !== 0) takeBackNotes();
  return <u32>(rest - start);
}

/** Walks a request from `offset` on, up to the field that reaches `until`. Returns where the next begins. */
export function checkWrite2(start: usize, length: u32, offset: u32, until: u32): u32 {
  dry = true;
  dryUntil = start + until;
  return <u32>(readRequest(0, 0, start + offset, start + length) - start);
}

function readRequest(series: usize, names: usize, start: usize, end: usize): usize {
  let at = start;
  while (at < end) {
    const next = usualEnd(at, end);
    if (next !== 0) {
      if (load<u8>(at) === 0x2a) {
        const field = at + (load<u8>(at, 1) < 0x80 ? 2 : 3);
        if (dry || series === 0 || !readUsual(series, field, next)) {
          if (!readSeries(series, names, field, next)) return end;
        }
      }
      at = next;
      if (dry ? at >= dryUntil : partIsFull()) break;
      continue;
    }
    const tag = readTag(at, end);
    at = nextAt();
    if (tag === 0x2a) {
      const seriesEnd = readLength(at, end);
      if (!readSeries(series, names, nextAt(), seriesEnd)) return end;
      at = seriesEnd;
    } else {
      at = skipField(tag, at, end);
    }
    if (dry ? at >= dryUntil : partIsFull()) break;
  }
  return at;
}

/**
 * Reads a series that is expected next and has what most have: labels, one sample and possibly a type.
 * @returns False where it is another, and nothing was done.
 */
function readUsual(series: usize, start: usize, end: usize): bool {
  const refs = start + 2;
  const length = <usize>load<u8>(start, 1);
  const sample = refs + length;
  if (load<u8>(start) !== 0x0a || length > 0x7f || sample + USUAL_SAMPLE > end || !isUsualField(sample)) return false;
  const rest = sample + USUAL_SAMPLE;
  metadataType = 0;
  if (rest !== end) {
    // A message of a type alone.
    if (end - rest !== 4 || load<u32>(rest) >>> 27 !== 0 || (load<u32>(rest) & 0xff_ffff) !== 0x08_022a) return false;
    metadataType = load<u8>(rest, 3);
  }
  const expected = expectedEntry(series);
  if (expected === 0 || !hasSymbols(expected, refs, sample)) return false;
  const ref = refOf(expected);
  if (ref === 0) return false;
  takeExpected(series, expected);
  takeUsualField(sample, ref);
  if (metadataType === 0) return true;
  refsStart = refs;
  refsEnd = sample;
  refCount = 0;
  helpRef = 0;
  unitRef = 0;
  noteMetadata(expected);
  return true;
}

function readSeries(series: usize, names: usize, start: usize, end: usize): bool {
  const sample = partSamples();
  const exemplar = exemplarCount();
  const histogram = histogramCount();
  refsStart = 0;
  scattered = false;
  refCount = 0;
  tooManyRefs = false;
  began = 0;
  metadataType = 0;
  helpRef = 0;
  unitRef = 0;
  if (!readFields(start, end)) return false;
  if (dry) {
    dropFrom(sample, exemplar, histogram);
    return true;
  }
  const nothing = partSamples() === sample && histogramCount() === histogram;
  const isDescribed = helpRef < symbolsFound() && unitRef < symbolsFound();
  if (series !== 0 && !nothing && isDescribed && !scattered && refsStart !== 0) {
    const expected = expectedEntry(series);
    if (expected !== 0 && hasSymbols(expected, refsStart, refsEnd)) {
      const ref = refOf(expected);
      if (ref !== 0) {
        takeExpected(series, expected);
        endSeries(sample, exemplar, histogram, ref, 0, began);
        return noteMetadata(expected);
      }
    }
  }
  if (!scattered && refsStart !== 0) readRefs(refsStart, refsEnd);
  let flags: u32 = 0;
  if (tooManyRefs) flags |= TOO_LONG;
  if (refCount & 1) flags |= ODD_REFS;
  const count = refCount;
  let highest: u32 = 0;
  for (let i: u32 = 0; i < count; i++) highest = max<u32>(highest, load<u32>(REFS + (i << 2)));
  if (count > 0 && highest >= symbolsFound()) flags |= REFS_OUT_OF_RANGE;
  if (helpRef >= symbolsFound() && helpRef !== 0) flags |= REFS_OUT_OF_RANGE;
  if (unitRef >= symbolsFound() && unitRef !== 0) flags |= REFS_OUT_OF_RANGE;
  if (nothing) flags |= EMPTY;

  let entry: usize = 0;
  if (series !== 0 && flags === 0 && refCount > 0) entry = findSeries(series, names);
  const ref = refOf(entry);
  if (ref !== 0) {
    endSeries(sample, exemplar, histogram, ref, 0, began);
    return noteMetadata(entry);
  }
  const described = flags & REFS_OUT_OF_RANGE ? 0 : metadataNote();
  const unseen = addUnseen();
  endSeries(sample, exemplar, histogram, 0, unseenCount(), began);
  if (described !== 0) describe(0);
  writeUnseen(unseen, flags, sample, described);
  return faultCode() === 0;
}

/** Hands out the metadata of a known series where it is new. */
function noteMetadata(entry: usize): bool {
  const described = metadataNote();
  if (described !== 0 && entryNote(entry) !== described) {
    if (refCount === 0) readRefs(refsStart, refsEnd);
    setEntryNote(entry, described);
    describe(entry);
  }
  return faultCode() === 0;
}

function findSeries(series: usize, names: usize): usize {
  const count = refCount;
  for (let i: u32 = 0; i < count; i++) {
    const symbol = entryOf(names, load<u32>(REFS + (i << 2)));
    if (symbol === NOT_KNOWN) return 0;
    store<u32>(KEY + (i << 2), symbol);
  }
  return findEntry(series, KEY, refCount << 2);
}

function readFields(start: usize, end: usize): bool {
  const sample = partSamples();
  const exemplar = exemplarCount();
  const histogram = histogramCount();
  let at = start;
  while (at < end) {
    let tag = <u32>load<u8>(at);
    let field = at + 2;
    let fieldEnd = field > end ? field : field + load<u8>(at, 1);
    // As most are: a tag and a length of one byte each.
    if ((tag & 0x87) !== 2 || tag < 8 || fieldEnd > end || fieldEnd - field > 0x7f) {
      tag = readTag(at, end);
      at = nextAt();
      if ((tag & 7) !== 2) {
        at = readNumber(tag, at, end);
        continue;
      }
      fieldEnd = readLength(at, end);
      field = nextAt();
      if (faultCode() !== 0) return false;
    }
    at = fieldEnd;
    if (tag === 0x0a) placeRefs(field, fieldEnd);
    else if (tag === 0x12) readSample(field, fieldEnd, sample);
    else if (tag === 0x1a) readHistogram(field, fieldEnd, histogram);
    else if (tag === 0x22) readExemplar(field, fieldEnd, true, exemplar);
    else if (tag === 0x2a) readMetadata(field, fieldEnd);
    else continue;
    if (faultCode() !== 0) return false;
  }
  return faultCode() === 0;
}

/** A field of a series that is no message. Returns where it ends. */
function readNumber(tag: u32, at: usize, end: usize): usize {
  if (tag === 0x08) {
    gatherRefs();
    addRef(readVarint(at, end));
    return nextAt();
  }
  if (tag === 0x30) {
    began = readVarint(at, end);
    return nextAt();
  }
  return skipField(tag, at, end);
}

function placeRefs(start: usize, end: usize): void {
  if (dry) {
    checkNumbers(start, end);
    return;
  }
  if (refsStart === 0 && !scattered) {
    refsStart = start;
    refsEnd = end;
    return;
  }
  gatherRefs();
  readRefs(start, end);
}

function gatherRefs(): void {
  if (scattered) return;
  scattered = true;
  if (refsStart !== 0) readRefs(refsStart, refsEnd);
}

function readRefs(start: usize, end: usize): void {
  let at = start;
  let count = refCount;
  // Numbers of symbols are most of a request: nothing is called here but for numbers of three bytes and more.
  while (at + 1 < end && count < MAX_REFS) {
    const two = <u32>load<u16>(at);
    if ((two & 0x80) === 0) {
      store<u32>(REFS + (count << 2), two & 0x7f);
      at++;
    } else if ((two & 0x8000) === 0) {
      store<u32>(REFS + (count << 2), (two & 0x7f) | ((two >>> 1) & 0x7f80));
      at += 2;
    } else {
      refCount = count;
      addRef(readVarint(at, end));
      count = refCount;
      at = nextAt();
      continue;
    }
    count++;
  }
  refCount = count;
  while (at < end) {
    addRef(readVarint(at, end));
    at = nextAt();
  }
}

function addRef(ref: u64): void {
  if (refCount === MAX_REFS) {
    tooManyRefs = true;
    return;
  }
  store<u32>(REFS + (refCount << 2), ref > 0xffff_ffff ? 0xffff_ffff : <u32>ref);
  refCount++;
}

/** Type 1, help 3, unit 4. */
function readMetadata(start: usize, end: usize): void {
  let at = start;
  // As every encoder writes it: the type first, in one byte.
  if (end - at >= 2 && load<u8>(at) === 0x08 && load<u8>(at, 1) < 0x80) {
    const type = <u32>load<u8>(at, 1);
    metadataType = type > 7 ? 0 : type;
    at += 2;
  }
  while (at < end) {
    const tag = readTag(at, end);
    at = nextAt();
    if (tag === 0x08 || tag === 0x18 || tag === 0x20) {
      const value = readVarint(at, end);
      at = nextAt();
      if (tag === 0x08) metadataType = value > 7 ? 0 : <u32>value;
      else if (tag === 0x18) helpRef = value;
      else unitRef = value;
    } else {
      at = skipField(tag, at, end);
    }
  }
}

/** Stands for the metadata of the series; 0 where it has none. */
function metadataNote(): u32 {
  if (metadataType === 0 && helpRef === 0 && unitRef === 0) return 0;
  let note = (metadataType + 1) * 0x9e3779b1 + metadataRound;
  if (helpRef !== 0) note = (note ^ hashOf(<u32>helpRef)) * 0x85ebca6b;
  if (unitRef !== 0) note = (rotl(note, 13) ^ hashOf(<u32>unitRef)) * 0xc2b2ae35;
  return note | 1;
}

/** @param known The entry of the series, which then no longer needs to be described; or 0. */
function describe(known: usize): void {
  for (let i: u32 = 0; i + 1 < refCount; i += 2) {
    const name = symbolStart(load<u32>(REFS + (i << 2)));
    if (!isMetricName(name, <u32>(symbolEnd - name))) continue;
    const entry = addMetadata();
    store<u32>(entry, metadataType);
    store<u32>(entry, known, 28);
    writeSymbol(entry + 4, load<u32>(REFS + ((i + 1) << 2)));
    if (helpRef !== 0) writeSymbol(entry + 12, <u32>helpRef);
    if (unitRef !== 0) writeSymbol(entry + 20, <u32>unitRef);
    return;
  }
}

function takeBackNotes(): void {
  const count = metadataCount();
  for (let i: u32 = 0; i < count; i++) {
    const entry = <usize>load<u32>(metadataAt() + i * METADATA_WORDS * 4, 28);
    if (entry !== 0) setEntryNote(entry, 0);
  }
}

function writeSymbol(place: usize, ref: u32): void {
  const start = symbolStart(ref);
  store<u32>(place, <u32>(start - bodyAt()));
  store<u32>(place, <u32>(symbolEnd - start), 4);
}

function writeUnseen(unseen: usize, found: u32, sample: u32, note: u32): void {
  const textAt = partTextLength();
  let flags = found;
  beginLabels();
  for (let i: u32 = 0; i + 1 < refCount; i += 2) {
    const nameRef = load<u32>(REFS + (i << 2));
    const valueRef = load<u32>(REFS + ((i + 1) << 2));
    if (nameRef >= symbolsFound() || valueRef >= symbolsFound()) continue;
    const name = symbolStart(nameRef);
    const nameLength = <u32>(symbolEnd - name);
    const value = symbolStart(valueRef);
    addLabel(name, nameLength, value, <u32>(symbolEnd - value));
  }
  flags |= endLabels();
  const sentEnd = partTextLength();
  let from = textAt;
  if (flags & CANONICAL) {
    writeCanonical();
    if (partTextLength() > sentEnd) from = sentEnd;
  }
  const keyEnd = from === textAt ? partTextLength() : sentEnd;
  store<u32>(unseen, flags);
  store<u32>(unseen, sample, 4);
  store<u32>(unseen, partSamples(), 8);
  store<u32>(unseen, from, 12);
  store<u32>(unseen, partTextLength() - from, 16);
  store<u32>(unseen, textAt, 20);
  store<u32>(unseen, keyEnd - textAt, 24);
  store<u32>(unseen, note, 28);
}

/** Remembers the reference of labels as they were sent, texts in the form of `encodeLabels`. */
export function learnSymbols(series: usize, names: usize, start: usize, length: u32, ref: u32, note: u32): void {
  const end = start + length;
  let at = start;
  let texts: u32 = 0;
  while (at < end && texts < MAX_REFS) {
    const textEnd = readLength(at, end);
    const text = nextAt();
    store<u32>(KEY + (texts << 2), <u32>addEntry(names, text, <u32>(textEnd - text)));
    texts++;
    at = textEnd;
  }
  const entry = addEntry(series, KEY, texts << 2);
  setEntryNumber(entry, ref);
  setEntryNote(entry, note);
}

/** Remembers the reference of label bytes as a 1.0 sender writes them. */
export function learnLabels(table: usize, start: usize, length: u32, ref: u32): void {
  setEntryNumber(addEntry(table, start, length), ref);
}
