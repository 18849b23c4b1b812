import { addEntry, entryNumber, findEntry, setEntryNumber } from './label-table';
import {
  addHistogram,
  addLeft,
  addResource,
  addSample,
  beginColumns,
  dropSamples,
  otlpHistogramCount,
  otlpSamples,
} from './otlp-columns';
import { beginMessage, faultCode, nextAt, readLength, readTag, readVarint, skipField } from './protobuf';

/*
 * An OTLP request whose resources, metrics and points were there before: each is found by its bytes in the table of its
 * level, below the number of what it is in. Keys, which src/wire/otlp-keys.ts makes as well:
 *   resource   its message
 *   metric     resource's number, scope's message and schema URL each behind its length, the metric's fields but its
 *              points each behind its length, kind, temporality, whether it is monotonic
 *   number     metric's number, the attributes' fields
 *   histogram  metric's number, whether there is a sum, length of the bounds' field, that field, the attributes' fields
 * A metric with anything new or unusual in it is left to the caller as a whole.
 */

const GAUGE: u32 = 5;
const SUM: u32 = 7;
const HISTOGRAM: u32 = 9;
const SUMMARY: u32 = 11;
const CUMULATIVE: u32 = 2;

/** Keys that are longer are not kept. */
const MOST_KEY: u32 = 16_384;
const METRIC_KEY: usize = memory.data(16_400);
const POINT_KEY: usize = memory.data(16_400);
const LARGEST_COUNT: u64 = 9_007_199_254_740_991;
const NANOS: u64 = 1_000_000;

// One for each level: whatever a sender writes, it cannot be taken for a key of another.
let resourceTable: usize = 0;
let metricTable: usize = 0;
let pointTable: usize = 0;
let begin: usize = 0;
/** Of the resource that is read. */
let first: f64 = 0;
let last: f64 = 0;

/** Keeps a key. Its number is not 0. Returns the number that it has: that of before, where it was kept already. */
export function learnOtlp(table: usize, start: usize, length: u32, number: u32): u32 {
  const entry = addEntry(table, start, length);
  const before = entryNumber(entry);
  if (before !== 0) return before;
  setEntryNumber(entry, number);
  return number;
}

/** Scans a request. `faultCode` tells whether it went well: what is damaged is left to the caller as a whole. */
export function scanOtlp(resources: usize, metrics: usize, points: usize, start: usize, length: u32): void {
  resourceTable = resources;
  metricTable = metrics;
  pointTable = points;
  beginMessage();
  beginColumns();
  begin = start;
  const end = start + length;
  let at = start;
  while (at < end) {
    const tag = readTag(at, end);
    at = nextAt();
    if (tag !== 0x0a) {
      at = skipField(tag, at, end);
      continue;
    }
    const resourceEnd = readLength(at, end);
    readResource(nextAt(), resourceEnd);
    at = resourceEnd;
  }
}

function readResource(start: usize, end: usize): void {
  let resource: usize = 0;
  let resourceEnd: usize = 0;
  let isOdd = false;
  let at = start;
  while (at < end) {
    const tag = readTag(at, end);
    const field = nextAt();
    at = skipField(tag, field, end);
    if (tag !== 0x0a) continue;
    if (resource !== 0) isOdd = true;
    readLength(field, end);
    resource = nextAt();
    resourceEnd = at;
  }
  if (faultCode() !== 0) return;
  const length = <u32>(resourceEnd - resource);
  const entry = isOdd || length > MOST_KEY ? <usize>0 : findEntry(resourceTable, resource, length);
  const number = entry === 0 ? 0 : entryNumber(entry);
  first = Infinity;
  last = 0;
  at = start;
  while (at < end) {
    const tag = readTag(at, end);
    const field = nextAt();
    at = skipField(tag, field, end);
    if (tag !== 0x12) continue;
    readLength(field, end);
    readScope(nextAt(), at, number);
  }
  addResource(<u32>(start - begin), number, first, last);
}

let keyLength: u32 = 0;

function addKeyWord(word: u32): void {
  store<u32>(METRIC_KEY + keyLength, word);
  keyLength += 4;
}

/** False where the key would be too long. */
function addKeyBytes(start: usize, length: u32): bool {
  if (length > MOST_KEY || keyLength + length + 32 > MOST_KEY) return false;
  addKeyWord(length);
  memory.copy(METRIC_KEY + keyLength, start, length);
  keyLength += length;
  return true;
}

function readScope(start: usize, end: usize, resource: u32): void {
  let scope: usize = 0;
  let scopeLength: u32 = 0;
  let schema: usize = 0;
  let schemaLength: u32 = 0;
  let isOdd = resource === 0;
  let at = start;
  while (at < end) {
    const tag = readTag(at, end);
    const field = nextAt();
    at = skipField(tag, field, end);
    if (tag !== 0x0a && tag !== 0x1a) continue;
    readLength(field, end);
    if (tag === 0x0a) {
      if (scope !== 0) isOdd = true;
      scope = nextAt();
      scopeLength = <u32>(at - scope);
    } else {
      if (schema !== 0) isOdd = true;
      schema = nextAt();
      schemaLength = <u32>(at - schema);
    }
  }
  keyLength = 0;
  addKeyWord(resource);
  if (!addKeyBytes(scope, scopeLength) || !addKeyBytes(schema, schemaLength)) isOdd = true;
  const shared = keyLength;
  at = start;
  while (at < end && faultCode() === 0) {
    const tag = readTag(at, end);
    const field = nextAt();
    at = skipField(tag, field, end);
    if (tag !== 0x12) continue;
    readLength(field, end);
    keyLength = shared;
    readMetric(nextAt(), at, isOdd);
  }
}

let name: usize = 0;
let nameLength: u32 = 0;
let about: usize = 0;
let aboutLength: u32 = 0;
let unit: usize = 0;
let unitLength: u32 = 0;
let data: usize = 0;
let dataEnd: usize = 0;
let kind: u32 = 0;
let temporality: u32 = 0;
let monotonic: u32 = 0;

function readMetric(start: usize, end: usize, isOdd: bool): void {
  const sample = otlpSamples();
  const histogram = otlpHistogramCount();
  const isPlain = readHead(start, end);
  if (kind === 0 || faultCode() !== 0) {
    // It has no points, or none that are understood: the decoder passes over it too.
    if (!isPlain) addLeft(<u32>(start - begin));
    return;
  }
  let number: u32 = 0;
  if (isPlain && !isOdd && kind <= HISTOGRAM && (kind === GAUGE || temporality === CUMULATIVE)) {
    const isShort = addKeyBytes(name, nameLength) && addKeyBytes(about, aboutLength) && addKeyBytes(unit, unitLength);
    addKeyWord((kind << 16) | (temporality << 8) | monotonic);
    const entry = isShort ? findEntry(metricTable, METRIC_KEY, keyLength) : <usize>0;
    if (entry !== 0) number = entryNumber(entry);
  }
  let at = data;
  while (at < dataEnd) {
    const tag = readTag(at, dataEnd);
    const field = nextAt();
    at = skipField(tag, field, dataEnd);
    if (tag !== 0x0a) continue;
    readLength(field, dataEnd);
    const point = nextAt();
    if (number === 0) readTime(point, at);
    else if (!(kind === HISTOGRAM ? readHistogram(point, at, number) : readNumber(point, at, number))) {
      number = 0;
      readTime(point, at);
    }
    if (faultCode() !== 0) return;
  }
  if (number !== 0) return;
  dropSamples(sample, histogram);
  addLeft(<u32>(start - begin));
}

/** Finds the parts of a metric. False where a part is there twice. */
function readHead(start: usize, end: usize): bool {
  name = about = unit = data = dataEnd = 0;
  nameLength = aboutLength = unitLength = 0;
  kind = temporality = monotonic = 0;
  let isPlain = true;
  let at = start;
  while (at < end) {
    const tag = readTag(at, end);
    const field = nextAt();
    at = skipField(tag, field, end);
    if ((tag & 7) !== 2 || faultCode() !== 0) continue;
    const number = tag >>> 3;
    readLength(field, end);
    const value = nextAt();
    const length = <u32>(at - value);
    if (number === 1) {
      if (name !== 0) isPlain = false;
      name = value;
      nameLength = length;
    } else if (number === 2) {
      if (about !== 0) isPlain = false;
      about = value;
      aboutLength = length;
    } else if (number === 3) {
      if (unit !== 0) isPlain = false;
      unit = value;
      unitLength = length;
    } else if (number === GAUGE || number === SUM || (number >= HISTOGRAM && number <= SUMMARY)) {
      if (kind !== 0) isPlain = false;
      kind = number;
      data = value;
      dataEnd = at;
    }
  }
  at = data;
  while (at < dataEnd) {
    const tag = readTag(at, dataEnd);
    const field = nextAt();
    at = skipField(tag, field, dataEnd);
    if (tag === 0x10) temporality = <u32>min<u64>(readVarint(field, dataEnd), 255);
    else if (tag === 0x18) monotonic = readVarint(field, dataEnd) !== 0 ? 1 : 0;
  }
  if (kind === GAUGE) temporality = monotonic = 0;
  if (kind === HISTOGRAM) monotonic = 0;
  return isPlain;
}

/** A number's point: fields of its kind are in the order of the specification, and every one is optional. */
let pointTime: f64 = 0;
let pointStart: f64 = 0;
let attributes: usize = 0;
let attributesEnd: usize = 0;

/** For the span of a resource, of a point that is not taken here. */
function readTime(start: usize, end: usize): void {
  let time: f64 = 0;
  let at = start;
  while (at < end) {
    const tag = readTag(at, end);
    const field = nextAt();
    at = skipField(tag, field, end);
    if (tag === 0x19 && faultCode() === 0) time = millis(field);
  }
  widenSpan(time);
}

function widenSpan(time: f64): void {
  if (time === 0) return;
  first = min(first, time);
  last = max(last, time);
}

function millis(at: usize): f64 {
  return <f64>(load<u64>(at) / NANOS);
}

/** False where attributes do not stand together. */
function takeAttributes(field: usize, end: usize): bool {
  if (attributes === 0) attributes = field;
  else if (attributesEnd !== field) return false;
  attributesEnd = end;
  return true;
}

/** False where it is new or unusual. */
function readNumber(start: usize, end: usize, metric: u32): bool {
  pointTime = 0;
  pointStart = 0;
  attributes = attributesEnd = 0;
  let value: f64 = 0;
  let hasValue = false;
  let at = start;
  while (at < end) {
    const fieldStart = at;
    const tag = readTag(at, end);
    const field = nextAt();
    at = skipField(tag, field, end);
    if (faultCode() !== 0) return false;
    if (tag === 0x3a) {
      if (!takeAttributes(fieldStart, at)) return false;
    } else if (tag === 0x11) pointStart = millis(field);
    else if (tag === 0x19) pointTime = millis(field);
    else if (tag === 0x21) {
      value = load<f64>(field);
      hasValue = true;
    } else if (tag === 0x31) {
      value = <f64>load<i64>(field);
      hasValue = true;
    } else if (tag === 0x2a) return false;
    else if (tag === 0x40 && readVarint(field, end) & 1) return false;
  }
  const length = <u32>(attributesEnd - attributes);
  if (!hasValue || pointTime === 0 || length + 4 > MOST_KEY) return false;
  store<u32>(POINT_KEY, metric);
  memory.copy(POINT_KEY + 4, attributes, length);
  const entry = findEntry(pointTable, POINT_KEY, length + 4);
  if (entry === 0) return false;
  const ref = entryNumber(entry);
  if (ref === 0) return false;
  widenSpan(pointTime);
  addSample(ref, pointTime, pointStart, value);
  return true;
}

function readHistogram(start: usize, end: usize, metric: u32): bool {
  pointTime = 0;
  pointStart = 0;
  attributes = attributesEnd = 0;
  let count: u64 = 0;
  let sum: f64 = 0;
  let hasSum = false;
  let counts: usize = 0;
  let countsLength: u32 = 0;
  let bounds: usize = 0;
  let boundsLength: u32 = 0;
  let at = start;
  while (at < end) {
    const fieldStart = at;
    const tag = readTag(at, end);
    const field = nextAt();
    at = skipField(tag, field, end);
    if (faultCode() !== 0) return false;
    if (tag === 0x4a) {
      if (!takeAttributes(fieldStart, at)) return false;
    } else if (tag === 0x11) pointStart = millis(field);
    else if (tag === 0x19) pointTime = millis(field);
    else if (tag === 0x21) count = load<u64>(field);
    else if (tag === 0x29) {
      sum = load<f64>(field);
      hasSum = true;
    } else if (tag === 0x32) {
      if (counts !== 0) return false;
      readLength(field, end);
      counts = nextAt();
      countsLength = <u32>(at - counts);
    } else if (tag === 0x3a) {
      if (bounds !== 0) return false;
      readLength(field, end);
      bounds = nextAt();
      boundsLength = <u32>(at - bounds);
    } else if (tag === 0x31 || tag === 0x39 || tag === 0x42) return false;
    else if (tag === 0x50 && readVarint(field, end) & 1) return false;
  }
  const length = <u32>(attributesEnd - attributes);
  if (pointTime === 0 || length > MOST_KEY || boundsLength > MOST_KEY || length + boundsLength + 12 > MOST_KEY)
    return false;
  if (((boundsLength | countsLength) & 7) !== 0 || count > LARGEST_COUNT) return false;
  // One more than the bounds, or none of either.
  if (countsLength !== boundsLength + 8 && (countsLength | boundsLength) !== 0) return false;
  store<u32>(POINT_KEY, metric);
  store<u32>(POINT_KEY, hasSum ? 1 : 0, 4);
  store<u32>(POINT_KEY, boundsLength, 8);
  memory.copy(POINT_KEY + 12, bounds, boundsLength);
  memory.copy(POINT_KEY + 12 + boundsLength, attributes, length);
  const entry = findEntry(pointTable, POINT_KEY, length + boundsLength + 12);
  if (entry === 0) return false;
  const number = entryNumber(entry);
  if (number === 0) return false;
  for (let i: u32 = 0; i < countsLength; i += 8) if (load<u64>(counts + i) > LARGEST_COUNT) return false;
  widenSpan(pointTime);
  addHistogram(number);
  if (hasSum) addSample(0, pointTime, pointStart, sum);
  addSample(0, pointTime, pointStart, <f64>count);
  let below: f64 = 0;
  for (let i: u32 = 0; i < boundsLength && load<f64>(bounds + i) !== Infinity; i += 8) {
    below += <f64>load<u64>(counts + i);
    addSample(0, pointTime, pointStart, below);
  }
  addSample(0, pointTime, pointStart, <f64>count);
  return true;
}
