import { refOf } from './known-labels';
import { entryLength, expectedEntry, findEntry, isEntry, takeExpected } from './label-table';
import { checkFields, faultCode, nextAt, readLength, readTag, skipField } from './protobuf';
import { addLabel, beginLabels, CANONICAL, EMPTY, endLabels, NO_KEY, writeCanonical } from './sent-labels';
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

/** Only walk, up to there: what is behind a part is checked before any of it is stored. */
let dry: bool = false;
let dryUntil: usize = 0;

let labelsStart: usize = 0;
let labelsEnd: usize = 0;
let scattered: bool = false;

/**
 * Decodes a `prometheus.WriteRequest` from `offset` on, until a part is full. The labels of series that `table` knows
 * are not decoded. When the first part is not the whole, the rest is walked too, unless it was: see `checkWrite1`.
 * @param table 0: nothing is known.
 * @returns Where the rest begins. `faultCode` tells whether it went well.
 */
export function decodeWrite1(table: usize, start: usize, length: u32, offset: u32, isChecked: bool): u32 {
  beginPart(start);
  const end = start + length;
  dry = false;
  const rest = readRequest(table, start + offset, end);
  if (!isChecked && rest < end && faultCode() === 0) checkWrite1(start, length, <u32>(rest - start), length);
  return <u32>(rest - start);
}

/** Walks a request from `offset` on, up to the field that reaches `until`. Returns where the next begins. */
export function checkWrite1(start: usize, length: u32, offset: u32, until: u32): u32 {
  dry = true;
  dryUntil = start + until;
  return <u32>(readRequest(0, start + offset, start + length) - start);
}

function readRequest(table: usize, start: usize, end: usize): usize {
  let at = start;
  while (at < end) {
    const tag = readTag(at, end);
    at = nextAt();
    if (tag === 0x0a) {
      const seriesEnd = readLength(at, end);
      if (!readSeries(table, nextAt(), seriesEnd)) return end;
      at = seriesEnd;
    } else if (tag === 0x1a) {
      const fieldEnd = readLength(at, end);
      if (!readMetadata(nextAt(), fieldEnd)) return end;
      at = fieldEnd;
    } else {
      at = skipField(tag, at, end);
    }
    if (dry ? at >= dryUntil : partIsFull()) break;
  }
  return at;
}

function readSeries(table: usize, start: usize, end: usize): bool {
  const sample = partSamples();
  const exemplar = exemplarCount();
  const histogram = histogramCount();
  const expected = table === 0 ? <usize>0 : expectedEntry(table);
  if (expected !== 0) {
    const length = entryLength(expected);
    // Most series have one sample and nothing else.
    const usual = start + length;
    if (usual + USUAL_SAMPLE === end && isUsualField(usual) && isEntry(expected, start, length)) {
      const ref = refOf(expected);
      if (ref !== 0) {
        takeExpected(table, expected);
        takeUsualField(usual, ref);
        return true;
      }
    }
    if (length <= <u32>(end - start) && isEntry(expected, start, length)) {
      labelsStart = 0;
      if (!readFields(start + length, end)) return false;
      // More labels may stand behind those that were expected: then it is another series.
      if (labelsStart === 0) {
        takeExpected(table, expected);
        const ref = refOf(expected);
        if (ref !== 0) {
          endSeries(sample, exemplar, histogram, ref, 0, 0);
          return true;
        }
      }
      dropFrom(sample, exemplar, histogram);
    }
  }
  labelsStart = 0;
  labelsEnd = 0;
  scattered = false;
  if (!readFields(start, end)) return false;
  if (dry) {
    dropFrom(sample, exemplar, histogram);
    return true;
  }
  const length = <u32>(labelsEnd - labelsStart);
  const ref = table === 0 || scattered || length === 0 ? 0 : refOf(findEntry(table, labelsStart, length));
  if (ref !== 0) {
    endSeries(sample, exemplar, histogram, ref, 0, 0);
    return true;
  }
  const nothing = partSamples() === sample && exemplarCount() === exemplar && histogramCount() === histogram;
  const unseen = addUnseen();
  endSeries(sample, exemplar, histogram, 0, unseenCount(), 0);
  return readLabels(unseen, start, end, sample, nothing);
}

/** Reads everything but the labels, and finds these. */
function readFields(start: usize, end: usize): bool {
  const sample = partSamples();
  const exemplar = exemplarCount();
  const histogram = histogramCount();
  let at = start;
  while (at < end) {
    const fieldStart = at;
    const tag = readTag(at, end);
    at = nextAt();
    if (tag === 0x12) {
      const fieldEnd = readLength(at, end);
      if (!readSample(nextAt(), fieldEnd, sample)) return false;
      at = fieldEnd;
    } else if (tag === 0x0a) {
      at = readLength(at, end);
      if (dry) checkFields(nextAt(), at);
      if (labelsStart === 0) labelsStart = fieldStart;
      else if (labelsEnd !== fieldStart) scattered = true;
      labelsEnd = at;
    } else if (tag === 0x1a) {
      const fieldEnd = readLength(at, end);
      if (!readExemplar(nextAt(), fieldEnd, false, exemplar)) return false;
      at = fieldEnd;
    } else if (tag === 0x22) {
      const fieldEnd = readLength(at, end);
      if (!readHistogram(nextAt(), fieldEnd, histogram)) return false;
      at = fieldEnd;
    } else {
      at = skipField(tag, at, end);
    }
  }
  return faultCode() === 0;
}

function readLabels(unseen: usize, start: usize, end: usize, sample: u32, nothing: bool): bool {
  const textAt = partTextLength();
  beginLabels();
  let at = start;
  while (at < end) {
    const tag = readTag(at, end);
    at = nextAt();
    if (tag !== 0x0a) {
      at = skipField(tag, at, end);
      continue;
    }
    const labelEnd = readLength(at, end);
    at = nextAt();
    let name: usize = at;
    let nameEnd = at;
    let value: usize = at;
    let valueEnd = at;
    while (at < labelEnd) {
      const field = readTag(at, labelEnd);
      at = nextAt();
      if (field === 0x0a) {
        nameEnd = readLength(at, labelEnd);
        name = nextAt();
        at = nameEnd;
      } else if (field === 0x12) {
        valueEnd = readLength(at, labelEnd);
        value = nextAt();
        at = valueEnd;
      } else {
        at = skipField(field, at, labelEnd);
      }
    }
    if (faultCode() !== 0) return false;
    addLabel(name, <u32>(nameEnd - name), value, <u32>(valueEnd - value));
  }
  let flags = endLabels();
  let from = textAt;
  if (flags & CANONICAL) {
    const sentEnd = partTextLength();
    writeCanonical();
    if (partTextLength() > sentEnd) from = sentEnd;
  }
  if (scattered) flags |= NO_KEY;
  if (nothing) flags |= EMPTY;
  store<u32>(unseen, flags);
  store<u32>(unseen, sample, 4);
  store<u32>(unseen, partSamples(), 8);
  store<u32>(unseen, from, 12);
  store<u32>(unseen, partTextLength() - from, 16);
  store<u32>(unseen, <u32>(labelsStart - bodyAt()), 20);
  store<u32>(unseen, <u32>(labelsEnd - labelsStart), 24);
  return faultCode() === 0;
}

/** Type 1, name 2, help 4, unit 5. */
function readMetadata(start: usize, end: usize): bool {
  const entry = dry ? <usize>0 : addMetadata();
  let at = start;
  while (at < end) {
    const tag = readTag(at, end);
    const field = nextAt();
    at = skipField(tag, field, end);
    if (entry === 0) continue;
    if (tag === 0x08) store<u32>(entry, load<u8>(field));
    const place: usize = tag === 0x12 ? <usize>4 : tag === 0x22 ? <usize>12 : tag === 0x2a ? <usize>20 : <usize>0;
    if (place === 0) continue;
    const textEnd = readLength(field, end);
    store<u32>(entry + place, <u32>(nextAt() - bodyAt()));
    store<u32>(entry + place, <u32>(textEnd - nextAt()), 4);
  }
  return faultCode() === 0;
}
