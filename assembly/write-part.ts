import {
  CUT_VALUE,
  checkExemplar,
  checkHistogram,
  fault,
  faultCode,
  MANY_ATTACHED,
  MANY_SAMPLES,
  nextAt,
  readTag,
  readVarint,
  skipField,
} from './protobuf';

/**
 * A part ends behind the series that reaches one of these, so that memory and a turn stay bounded: at these, a turn takes
 * one or two milliseconds, which is what another tenant's request waits for.
 */
const PART_SAMPLES: u32 = 4_096;
/** An unseen series costs a hundred times what a sample does: it gets its labels and its reference outside this module. */
const PART_UNSEEN: u32 = 32;
const PART_METADATA: u32 = 512;
const PART_ATTACHED: u32 = 1_024;
const PART_TEXT_BYTES: u32 = 1 << 20;
const PART_EMPTY: u32 = 65_536;
/** Of one series in one request. Real senders stay a thousand times below it. */
const MAX_SERIES_SAMPLES: u32 = 1 << 20;
const MAX_SERIES_ATTACHED: u32 = 16_384;

/** Words of an entry in each list; src/wire/part-lists.ts reads them. */
export const UNSEEN_WORDS: u32 = 8;
export const ATTACHED_WORDS: u32 = 6;
export const METADATA_WORDS: u32 = 8;

/** List: address, count, capacity. */
const UNSEEN: usize = memory.data(16);
const EXEMPLARS: usize = memory.data(16);
const HISTOGRAMS: usize = memory.data(16);
const METADATA: usize = memory.data(16);

let body: usize = 0;
let count: u32 = 0;
let capacity: u32 = 0;
let refs: usize = 0;
let times: usize = 0;
let values: usize = 0;
let starts: usize = 0;
let started: bool = false;
/** Series that carry nothing. */
let empties: u32 = 0;

let text: usize = 0;
let textLength: u32 = 0;
let textCapacity: u32 = 0;

/** Begins a part. The columns of the part before are overwritten. */
export function beginPart(bodyAt: usize): void {
  body = bodyAt;
  count = 0;
  empties = 0;
  started = false;
  textLength = 0;
  store<u32>(UNSEEN, 0, 4);
  store<u32>(EXEMPLARS, 0, 4);
  store<u32>(HISTOGRAMS, 0, 4);
  store<u32>(METADATA, 0, 4);
  // A series of a million samples must not hold its memory for ever.
  if (capacity > PART_SAMPLES << 1) setCapacity(PART_SAMPLES);
  if (textCapacity > PART_TEXT_BYTES << 1) {
    heap.free(text);
    text = 0;
    textCapacity = 0;
  }
}

export function partIsFull(): bool {
  return (
    count >= PART_SAMPLES ||
    empties >= PART_EMPTY ||
    listCount(UNSEEN) >= PART_UNSEEN ||
    listCount(METADATA) >= PART_METADATA ||
    listCount(EXEMPLARS) + listCount(HISTOGRAMS) >= PART_ATTACHED ||
    textLength >= PART_TEXT_BYTES
  );
}

export function bodyAt(): usize {
  return body;
}

export function partSamples(): u32 {
  return count;
}

export function partEmpties(): u32 {
  return empties;
}

export function partRefs(): usize {
  return refs;
}

export function partTimes(): usize {
  return times;
}

export function partValues(): usize {
  return values;
}

/** 0 where no sample has a start time. */
export function partStarts(): usize {
  return started ? starts : 0;
}

export function partText(): usize {
  return text;
}

export function partTextLength(): u32 {
  return textLength;
}

export function unseenAt(): usize {
  return load<u32>(UNSEEN);
}

export function unseenCount(): u32 {
  return listCount(UNSEEN);
}

export function exemplarsAt(): usize {
  return load<u32>(EXEMPLARS);
}

export function exemplarCount(): u32 {
  return listCount(EXEMPLARS);
}

export function histogramsAt(): usize {
  return load<u32>(HISTOGRAMS);
}

export function histogramCount(): u32 {
  return listCount(HISTOGRAMS);
}

export function metadataAt(): usize {
  return load<u32>(METADATA);
}

export function metadataCount(): u32 {
  return listCount(METADATA);
}

function listCount(list: usize): u32 {
  return load<u32>(list, 4);
}

function push(list: usize, words: u32): usize {
  const size = load<u32>(list, 4);
  if (size === load<u32>(list, 8)) {
    const wide = max<u32>(64, size << 1);
    const before = <usize>load<u32>(list);
    const bytes = wide * words * 4;
    store<u32>(list, before === 0 ? heap.alloc(bytes) : heap.realloc(before, bytes));
    store<u32>(list, wide, 8);
  }
  store<u32>(list, size + 1, 4);
  return load<u32>(list) + size * words * 4;
}

function setCapacity(samples: u32): void {
  refs = resized(refs, samples * 4);
  times = resized(times, samples * 8);
  values = resized(values, samples * 8);
  starts = resized(starts, samples * 8);
  // Last: where memory is used up, there is room for as many as before.
  capacity = samples;
}

function resized(block: usize, bytes: usize): usize {
  return block === 0 ? heap.alloc(bytes) : heap.realloc(block, bytes);
}

/** Drops what a series has added so far. */
export function dropFrom(sample: u32, exemplar: u32, histogram: u32): void {
  count = sample;
  store<u32>(EXEMPLARS, exemplar, 4);
  store<u32>(HISTOGRAMS, histogram, 4);
}

/** A sample as most are, with its tag and length: the value, and a time of six bytes, which those from 2004 to 2109 have. */
export const USUAL_SAMPLE: usize = 18;

/** Whether such a sample is at `at`, where that many bytes are. */
export function isUsualField(at: usize): bool {
  return load<u16>(at) === 0x1012 && isUsualMessage(at + 2);
}

/** The same without tag and length. */
function isUsualMessage(at: usize): bool {
  if (load<u8>(at) !== 0x09 || load<u8>(at, 9) !== 0x10) return false;
  return (load<u64>(at, 8) & 0x8080_8080_8080_0000) === 0x80_8080_8080_0000;
}

function usualTime(at: usize): u64 {
  const word = load<u64>(at, 8) >> 16;
  return (
    (word & 0x7f) |
    ((word >> 1) & 0x3f80) |
    ((word >> 2) & 0x1f_c000) |
    ((word >> 3) & 0xfe0_0000) |
    ((word >> 4) & 0x7_f000_0000) |
    ((word >> 5) & 0x3f8_0000_0000)
  );
}

/** Adds a sample that `isUsualField` has found, of a known series. */
export function takeUsualField(at: usize, ref: u32): void {
  if (count === capacity) setCapacity(max<u32>(4_096, capacity << 1));
  const i = count;
  count = i + 1;
  store<u32>(refs + (i << 2), ref);
  store<f64>(times + (i << 3), <f64>(<i64>usualTime(at + 2)));
  store<u64>(values + (i << 3), load<u64>(at, 3));
  store<f64>(starts + (i << 3), 0);
}

/** Adds a sample that a message holds. Fields in any order; what is missing is 0. */
export function readSample(start: usize, end: usize, firstOfSeries: u32): bool {
  if (count === capacity) setCapacity(max<u32>(4_096, capacity << 1));
  const i = count;
  if (i - firstOfSeries >= MAX_SERIES_SAMPLES) return fault(MANY_SAMPLES, start, MAX_SERIES_SAMPLES);
  count = i + 1;
  let at = start;
  let value: u64 = 0;
  let time: u64 = 0;
  let began: u64 = 0;
  // As every encoder writes it: the value, then the time.
  if (end - at >= 16 && isUsualMessage(at)) {
    value = load<u64>(at, 1);
    time = usualTime(at);
    at += 16;
  } else if (end - at > 10 && load<u8>(at) === 0x09 && load<u8>(at, 9) === 0x10) {
    value = load<u64>(at, 1);
    time = readVarint(at + 10, end);
    at = nextAt();
  }
  while (at < end) {
    const tag = readTag(at, end);
    at = nextAt();
    if (tag === 0x09) {
      if (end - at < 8) return fault(CUT_VALUE, at);
      value = load<u64>(at);
      at += 8;
    } else if (tag === 0x10) {
      time = readVarint(at, end);
      at = nextAt();
    } else if (tag === 0x18) {
      began = readVarint(at, end);
      at = nextAt();
    } else {
      at = skipField(tag, at, end);
    }
  }
  store<f64>(times + (i << 3), <f64>(<i64>time));
  store<u64>(values + (i << 3), value);
  store<f64>(starts + (i << 3), <f64>(<i64>began));
  if (began !== 0) started = true;
  return faultCode() === 0;
}

/** Gives the samples and what else is attached since then their series: a reference, or 0 and the one of `unseen`. */
export function endSeries(sample: u32, exemplar: u32, histogram: u32, ref: u32, unseen: u32, began: i64): void {
  if (sample === count && exemplar === exemplarCount() && histogram === histogramCount()) empties++;
  for (let i = sample; i < count; i++) store<u32>(refs + (i << 2), ref);
  if (began !== 0) {
    for (let i = sample; i < count; i++) {
      if (load<f64>(starts + (i << 3)) === 0) store<f64>(starts + (i << 3), <f64>began);
    }
    if (count > sample) started = true;
  }
  attach(EXEMPLARS, exemplar, ref, unseen, began);
  attach(HISTOGRAMS, histogram, ref, unseen, began);
}

function attach(list: usize, from: u32, ref: u32, unseen: u32, began: i64): void {
  const size = listCount(list);
  for (let i = from; i < size; i++) {
    const entry = <usize>load<u32>(list) + i * ATTACHED_WORDS * 4;
    store<u32>(entry, ref);
    store<u32>(entry, unseen, 4);
    store<f64>(entry, <f64>began, 16);
  }
}

/** Remembers where an exemplar is. */
export function readExemplar(start: usize, end: usize, symbols: bool, firstOfSeries: u32): bool {
  if (exemplarCount() - firstOfSeries >= MAX_SERIES_ATTACHED) return fault(MANY_ATTACHED, start, MAX_SERIES_ATTACHED);
  if (!checkExemplar(start, end, symbols)) return false;
  return placeAttached(EXEMPLARS, start, end);
}

/** Remembers where a histogram is. */
export function readHistogram(start: usize, end: usize, firstOfSeries: u32): bool {
  if (histogramCount() - firstOfSeries >= MAX_SERIES_ATTACHED) return fault(MANY_ATTACHED, start, MAX_SERIES_ATTACHED);
  if (!checkHistogram(start, end)) return false;
  return placeAttached(HISTOGRAMS, start, end);
}

function placeAttached(list: usize, start: usize, end: usize): bool {
  const entry = push(list, ATTACHED_WORDS);
  store<u32>(entry, start - body, 8);
  store<u32>(entry, end - body, 12);
  return true;
}

/** Metadata: the type, then where the name, the help and the unit begin and how long they are; an entry of a table or 0. */
export function addMetadata(): usize {
  const entry = push(METADATA, METADATA_WORDS);
  memory.fill(entry, 0, METADATA_WORDS * 4);
  return entry;
}

/** Unseen: flags, first sample, end, text, length, key, length, note. */
export function addUnseen(): usize {
  const entry = push(UNSEEN, UNSEEN_WORDS);
  memory.fill(entry, 0, UNSEEN_WORDS * 4);
  return entry;
}

/** Room behind the text that the part holds. The text moves when it grows. */
export function textRoom(bytes: u32): usize {
  const needed = textLength + bytes;
  if (needed > textCapacity) {
    const wide = max<u32>(65_536, max<u32>(needed, textCapacity << 1));
    text = resized(text, wide);
    textCapacity = wide;
  }
  return text + textLength;
}

export function setTextLength(length: u32): void {
  textLength = length;
}
