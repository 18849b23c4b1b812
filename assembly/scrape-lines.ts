import {
  addEntry,
  entryLength,
  entryNote,
  entryNumber,
  expectedEntry,
  findEntry,
  isEntry,
  setEntryNote,
  setEntryNumber,
  takeExpected,
} from './label-table';

/*
 * Lines of a text exposition whose beginning was there before: a series is the number of an entry of the target's table
 * whose bytes are the line up to its value. Whatever is new or unusual stops the scan, and src/wire/exposition-text.ts
 * reads it.
 */

/** Why a scan stopped. */
const ENDED: u32 = 0;
const FULL: u32 = 1;
const NEW_SERIES: u32 = 2;
/** What stands behind a known series is no plain number, or more than numbers. */
const ODD_REST: u32 = 3;
const NEW_COMMENT: u32 = 4;

/** The note of a comment that says the type of what follows. */
const TYPE_NOTE: u32 = 1;

const TAB: u32 = 9;
const NEWLINE: u32 = 10;
const SPACE: u32 = 32;
const QUOTE: u32 = 34;
const HASH: u32 = 35;
const PLUS: u32 = 43;
const MINUS: u32 = 45;
const DOT: u32 = 46;
const ZERO: u32 = 48;
const BACKSLASH: u32 = 92;
const SMALL_E: u32 = 101;
const OPEN: u32 = 123;
const CLOSE: u32 = 125;

/** Lines of one scan at most. */
const MOST: u32 = 2_048;
const SERIES: usize = memory.data(8_192);
const VALUES: usize = memory.data(16_384);
const TIMES: usize = memory.data(16_384);

/** Powers of ten that doubles hold exactly: a whole number up to 2^53 times or over one of them is rounded once. */
const POWERS: usize = memory.data<f64>([
  1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
  1e21, 1e22,
]);
const LARGEST_POWER: i32 = 22;
const LARGEST_WHOLE: u64 = 9_007_199_254_740_992;
const MOST_DIGITS: i32 = 18;

let count: u32 = 0;
let stop: u32 = 0;
let stopSeries: u32 = 0;
let stopRest: usize = 0;
let stopEnd: usize = 0;
let type: u32 = 0;

/** Lines that were scanned: their columns are at the next three addresses. */
export function scannedLines(): u32 {
  return count;
}

/** Numbers of entries. */
export function scannedSeries(): usize {
  return SERIES;
}

export function scannedValues(): usize {
  return VALUES;
}

/** Milliseconds; NaN where a line has none. */
export function scannedTimes(): usize {
  return TIMES;
}

/** The number of the last comment that says a type; 0 where the scan had none. */
export function scannedType(): u32 {
  return type;
}

export function scanStop(): u32 {
  return stop;
}

/** At an odd rest: whose it is. */
export function scanSeries(): u32 {
  return stopSeries;
}

/** At an odd rest: where it begins. */
export function scanRest(): usize {
  return stopRest;
}

/** Where the line ends at which the scan stopped. */
export function scanEnd(): usize {
  return stopEnd;
}

/** Keeps the beginning of a line, or a comment. Its number is not 0. Returns the entry. */
export function learnLine(table: usize, start: usize, length: u32, number: u32, note: u32): usize {
  const entry = addEntry(table, start, length);
  setEntryNumber(entry, number);
  setEntryNote(entry, note);
  // What follows is expected to follow it.
  findEntry(table, start, length);
  return entry;
}

/** The line is new when it comes again. */
export function forgetLine(entry: usize): void {
  setEntryNumber(entry, 0);
}

/** Takes an entry over into another table, where no bytes of forgotten ones are. Returns it there. */
export function moveLine(entry: usize, table: usize): usize {
  const moved = addEntry(table, entry + 20, entryLength(entry));
  setEntryNumber(moved, entryNumber(entry));
  setEntryNote(moved, entryNote(entry));
  return moved;
}

/** Scans lines until one stops it. Returns where the next line begins. */
export function scanLines(table: usize, start: usize, end: usize, openMetrics: bool): usize {
  count = 0;
  type = 0;
  let at = start;
  while (at < end) {
    const byte = <u32>load<u8>(at);
    if (!openMetrics && (byte === SPACE || byte === TAB || byte === NEWLINE)) {
      at++;
      continue;
    }
    if (count === MOST) return stopAt(FULL, at);
    if (byte === HASH) {
      const lineEnd = endOfLine(at, end);
      const entry = findEntry(table, at, <u32>(lineEnd - at));
      if (entry === 0 || entryNumber(entry) === 0) {
        stopEnd = lineEnd;
        return stopAt(NEW_COMMENT, at);
      }
      if (entryNote(entry) === TYPE_NOTE) type = entryNumber(entry);
      at = min(lineEnd + 1, end);
      continue;
    }
    const rest = readSeries(table, at, end, openMetrics);
    if (rest === 0) return stopAt(NEW_SERIES, at);
    const next = openMetrics ? readOpenMetrics(rest, end) : readText(rest, end);
    if (next === 0) {
      stopRest = rest;
      stopEnd = endOfLine(rest, end);
      return stopAt(ODD_REST, at);
    }
    store<u32>(SERIES + (count << 2), stopSeries);
    count++;
    at = next;
  }
  return stopAt(ENDED, at);
}

function stopAt(why: u32, at: usize): usize {
  stop = why;
  return at;
}

/** Where the text of a known series ends; 0 where it is not known. */
function readSeries(table: usize, at: usize, end: usize, openMetrics: bool): usize {
  const guess = expectedEntry(table);
  if (guess !== 0) {
    const length = entryLength(guess);
    stopSeries = entryNumber(guess);
    if (stopSeries !== 0 && length < <u32>(end - at) && isEntry(guess, at, length) && isWhole(at + length, end)) {
      takeExpected(table, guess);
      return at + length;
    }
  }
  const seriesEnd = endOfSeries(at, end, openMetrics);
  if (seriesEnd !== 0) {
    const entry = findEntry(table, at, <u32>(seriesEnd - at));
    if (entry !== 0 && entryNumber(entry) !== 0) {
      stopSeries = entryNumber(entry);
      return seriesEnd;
    }
  }
  // A quoted text may hold line breaks.
  stopEnd = seriesEnd === 0 ? end : endOfLine(seriesEnd, end);
  return 0;
}

/** Whether a series' text that ends at `at` goes no further. */
function isWhole(at: usize, end: usize): bool {
  if (load<u8>(at - 1) === CLOSE) return true;
  if (!isBlank(load<u8>(at))) return false;
  while (at < end && isBlank(load<u8>(at))) at++;
  return at < end && load<u8>(at) !== OPEN;
}

/** 0 where its braces never close. */
function endOfSeries(start: usize, end: usize, openMetrics: bool): usize {
  let name = start;
  while (name < end && isNameByte(load<u8>(name))) name++;
  let at = name;
  if (!openMetrics) while (at < end && isBlank(load<u8>(at))) at++;
  if (at >= end || load<u8>(at) !== OPEN) return name;
  for (at++; at < end; at++) {
    const byte = <u32>load<u8>(at);
    if (byte === CLOSE) return at + 1;
    if (byte !== QUOTE) continue;
    for (at++; at < end && load<u8>(at) !== QUOTE; at++) if (load<u8>(at) === BACKSLASH) at++;
  }
  return 0;
}

function endOfLine(start: usize, end: usize): usize {
  let at = start;
  const lines = i8x16.splat(<i8>NEWLINE);
  while (at + 16 <= end) {
    const found = i8x16.bitmask(i8x16.eq(v128.load(at), lines));
    if (found !== 0) return at + ctz<i32>(found);
    at += 16;
  }
  while (at < end && load<u8>(at) !== NEWLINE) at++;
  return at;
}

/** A value, and a time in milliseconds where there is one. Where the next line begins; 0 where it is odd. */
function readText(start: usize, end: usize): usize {
  let at = start;
  while (at < end && isBlank(load<u8>(at))) at++;
  at = readNumber(at, end);
  if (at === 0) return 0;
  store<f64>(VALUES + (count << 3), number);
  while (at < end && isBlank(load<u8>(at))) at++;
  if (at >= end) return 0;
  let time = NaN;
  if (load<u8>(at) !== NEWLINE) {
    const negative = load<u8>(at) === MINUS;
    if (negative) at++;
    const first = at;
    let whole: i64 = 0;
    while (at < end && isDigit(load<u8>(at)) && at - first < 16) whole = whole * 10 + (load<u8>(at++) - ZERO);
    if (at === first || at - first === 16) return 0;
    time = <f64>(negative ? -whole : whole);
    while (at < end && isBlank(load<u8>(at))) at++;
    if (at >= end || load<u8>(at) !== NEWLINE) return 0;
  }
  store<f64>(TIMES + (count << 3), time);
  return at + 1;
}

/** The same, with single blanks and a time in seconds. */
function readOpenMetrics(start: usize, end: usize): usize {
  if (start >= end || load<u8>(start) !== SPACE) return 0;
  let at = readNumber(start + 1, end);
  if (at === 0 || at >= end) return 0;
  store<f64>(VALUES + (count << 3), number);
  let time = NaN;
  if (load<u8>(at) === SPACE) {
    at = readNumber(at + 1, end);
    if (at === 0 || at >= end) return 0;
    time = trunc(number * 1000);
  }
  if (load<u8>(at) !== NEWLINE) return 0;
  store<f64>(TIMES + (count << 3), time);
  return at + 1;
}

let number: f64 = 0;

/** Reads a decimal number that is rounded once at most. Returns where it ends; 0 where it is another one, or none. */
function readNumber(start: usize, end: usize): usize {
  let at = start;
  let byte = at < end ? <u32>load<u8>(at) : 0;
  const negative = byte === MINUS;
  if (negative) byte = ++at < end ? <u32>load<u8>(at) : 0;
  let whole: u64 = 0;
  let digits = 0;
  let scale = 0;
  while (isDigit(byte)) {
    whole = whole * 10 + (byte - ZERO);
    if (++digits > MOST_DIGITS) return 0;
    byte = ++at < end ? <u32>load<u8>(at) : 0;
  }
  if (byte === DOT) {
    byte = ++at < end ? <u32>load<u8>(at) : 0;
    while (isDigit(byte)) {
      whole = whole * 10 + (byte - ZERO);
      if (++digits > MOST_DIGITS) return 0;
      scale--;
      byte = ++at < end ? <u32>load<u8>(at) : 0;
    }
  }
  if (byte === SMALL_E) {
    byte = ++at < end ? <u32>load<u8>(at) : 0;
    const down = byte === MINUS;
    if (down || byte === PLUS) byte = ++at < end ? <u32>load<u8>(at) : 0;
    if (!isDigit(byte)) return 0;
    let power = 0;
    while (isDigit(byte) && power < 1_000) {
      power = power * 10 + <i32>(byte - ZERO);
      byte = ++at < end ? <u32>load<u8>(at) : 0;
    }
    scale += down ? -power : power;
  }
  if (digits === 0 || whole > LARGEST_WHOLE || scale < -LARGEST_POWER || scale > LARGEST_POWER) return 0;
  if (byte !== NEWLINE && !isBlank(byte)) return 0;
  const value =
    scale < 0 ? <f64>whole / load<f64>(POWERS + (-scale << 3)) : <f64>whole * load<f64>(POWERS + (scale << 3));
  number = negative ? -value : value;
  return at;
}

function isBlank(byte: u32): bool {
  return byte === SPACE || byte === TAB;
}

function isDigit(byte: u32): bool {
  return byte - ZERO < 10;
}

/** Letters, digits, `_` and `:`. */
function isNameByte(byte: u32): bool {
  return (byte | 32) - 97 < 26 || byte - ZERO < 11 || byte === 95;
}
