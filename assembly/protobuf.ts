/** What is wrong with a message, beside 0: nothing is. The texts are in src/wire. */
export const CUT_NUMBER = 1;
export const LONG_NUMBER = 2;
export const FIELD_ZERO = 3;
export const PAST_END = 4;
export const CUT_FIELD = 5;
export const WIRE_TYPE = 6;
export const WIDE_NUMBER = 7;
export const CUT_VALUE = 8;
export const MANY_SAMPLES = 9;
export const MANY_SYMBOLS = 10;
export const UNEVEN = 11;
export const MANY_ATTACHED = 12;

let code: i32 = 0;
let where: usize = 0;
let detail: u32 = 0;
let next: usize = 0;

export function beginMessage(): void {
  code = 0;
}

export function faultCode(): i32 {
  return code;
}

export function faultAt(): usize {
  return where;
}

export function faultDetail(): u32 {
  return detail;
}

/** Keeps the first fault. Always false, for `return fault(...)`. */
export function fault(what: i32, at: usize, more: u32 = 0): bool {
  if (code === 0) {
    code = what;
    where = at;
    detail = more;
  }
  return false;
}

/** Where the value that was just read ends. */
export function nextAt(): usize {
  return next;
}

/** An int64 or uint64. At a fault `next` is `end`, so that loops over a message end. */
export function readVarint(start: usize, end: usize): u64 {
  let at = start;
  let value: u64 = 0;
  for (let shift: u64 = 0; shift < 70; shift += 7) {
    if (at >= end) {
      fault(CUT_NUMBER, start);
      next = end;
      return 0;
    }
    const byte = <u64>load<u8>(at++);
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      next = at;
      return value;
    }
  }
  fault(LONG_NUMBER, start);
  next = end;
  return 0;
}

/** A number of 32 bits. */
export function readUint32(at: usize, end: usize): u32 {
  if (at < end) {
    const byte = <u32>load<u8>(at);
    if (byte < 0x80) {
      next = at + 1;
      return byte;
    }
    if (end - at >= 2 && load<u8>(at, 1) < 0x80) {
      next = at + 2;
      return (byte & 0x7f) | ((<u32>load<u8>(at, 1)) << 7);
    }
  }
  const value = readVarint(at, end);
  if (value > 0xffff_ffff) {
    fault(WIDE_NUMBER, at);
    next = end;
    return 0;
  }
  return <u32>value;
}

/** A field's tag: `number << 3 | wire type`. */
export function readTag(at: usize, end: usize): u32 {
  const tag = readUint32(at, end);
  if (tag >>> 3 === 0) {
    fault(FIELD_ZERO, at);
    next = end;
  }
  return tag;
}

/** Reads a length; `nextAt` is then where the field begins. Returns where it ends. */
export function readLength(at: usize, end: usize): usize {
  const length = readUint32(at, end);
  if (length <= <u32>(end - next)) return next + length;
  fault(PAST_END, at, length);
  next = end;
  return end;
}

/** Returns where a field ends whose tag was read. */
export function skipField(tag: u32, at: usize, end: usize): usize {
  const type = tag & 7;
  if (type === 0) {
    readVarint(at, end);
    return next;
  }
  if (type === 2) return readLength(at, end);
  const size: usize = type === 1 ? 8 : type === 5 ? 4 : 0;
  if (size === 0) fault(WIRE_TYPE, at, tag);
  else if (size > end - at) fault(CUT_FIELD, at);
  else return at + size;
  return end;
}

/** Walks the fields of a message. */
export function checkFields(start: usize, end: usize): bool {
  let at = start;
  while (at < end) {
    const tag = readTag(at, end);
    at = skipField(tag, next, end);
  }
  return code === 0;
}

/** Walks numbers that stand one after another. */
export function checkNumbers(start: usize, end: usize): bool {
  let at = start;
  while (at < end) {
    readVarint(at, end);
    at = next;
  }
  return code === 0;
}

/** Walks an exemplar. Its labels are messages in 1.0 and numbers in 2.0. */
export function checkExemplar(start: usize, end: usize, symbols: bool): bool {
  let at = start;
  while (at < end) {
    const tag = readTag(at, end);
    const field = next;
    at = skipField(tag, field, end);
    if (tag !== 0x0a || code !== 0) continue;
    const fieldStart = fieldBytes(field, end);
    if (symbols) checkNumbers(fieldStart, at);
    else checkFields(fieldStart, at);
  }
  return code === 0;
}

/** Walks a histogram, which is the same message in both protocols. */
export function checkHistogram(start: usize, end: usize): bool {
  let at = start;
  while (at < end) {
    const tag = readTag(at, end);
    const field = next;
    at = skipField(tag, field, end);
    if ((tag & 7) !== 2 || code !== 0) continue;
    const fieldStart = fieldBytes(field, end);
    const number = tag >>> 3;
    if (number === 8 || number === 11) checkFields(fieldStart, at);
    else if (number === 9 || number === 12) checkNumbers(fieldStart, at);
    else if ((number === 10 || number === 13 || number === 16) && ((at - fieldStart) & 7) !== 0) fault(UNEVEN, field);
  }
  return code === 0;
}

function fieldBytes(at: usize, end: usize): usize {
  readLength(at, end);
  return next;
}
