/** What is wrong with a block, beside 0: nothing is. */
const CUT_SHORT = 1;
const TOO_LONG = 2;
const TOO_FAR_BACK = 3;
const TOO_SHORT = 4;
/** Nothing yet, but the step is over. */
const UNFINISHED = 5;

/** Decoded in a step of a millisecond or so. One element may go beyond it. */
const STEP_BYTES: usize = 1 << 20;

let faultAt: usize = 0;
let done: u32 = 0;

/** Where in the block the element is that was at fault, or the next step begins. */
export function snappyFaultAt(): usize {
  return faultAt;
}

/** Bytes that were decoded before the fault, or in the steps so far. */
export function snappyDone(): u32 {
  return done;
}

function refuse(code: i32, at: usize, decoded: u32): i32 {
  faultAt = at;
  done = decoded;
  return code;
}

/**
 * Decodes a step of a snappy block whose preamble was read: elements from `source` on, into exactly `length` bytes.
 * Both stretches of memory need 16 bytes behind them that may be read (source) or written (target).
 * @param from Where in the block the step begins, with `before` bytes decoded: 0 and 0 for the first.
 * @returns 0 at the end, or what is wrong, or that there is more.
 */
export function snappyDecode(source: usize, size: u32, target: usize, length: u32, from: u32, before: u32): i32 {
  const end = source + size;
  const stop = target + length;
  let at = source + from;
  let to = target + before;
  const pause = to + STEP_BYTES;
  while (at < end) {
    if (to >= pause) return refuse(UNFINISHED, at - source, <u32>(to - target));
    const element = at;
    const tag = <u32>load<u8>(at++);
    if ((tag & 3) === 0) {
      let literal = (tag >>> 2) + 1;
      if (literal <= 16 && at + literal <= end && to + literal <= stop) {
        v128.store(to, v128.load(at));
        at += literal;
        to += literal;
        continue;
      }
      if (literal > 60) {
        const extra = literal - 60;
        if (at + extra > end) return refuse(CUT_SHORT, element - source, <u32>(to - target));
        literal = load<u8>(at);
        for (let i: u32 = 1; i < extra; i++) literal |= (<u32>load<u8>(at + i)) << (i << 3);
        at += extra;
        // What is left cannot be 4 GiB: the sum below would not show it.
        if (literal === 0xffff_ffff) return refuse(CUT_SHORT, element - source, <u32>(to - target));
        literal++;
      }
      if (literal > <u32>(end - at)) return refuse(CUT_SHORT, element - source, <u32>(to - target));
      if (literal > <u32>(stop - to)) return refuse(TOO_LONG, element - source, <u32>(to - target));
      // Of a bulk copy the call alone costs more than this.
      if (literal <= 64) for (let i: u32 = 0; i < literal; i += 16) v128.store(to + i, v128.load(at + i));
      else memory.copy(to, at, literal);
      at += literal;
      to += literal;
      continue;
    }
    let copied: u32;
    let offset: u32;
    if ((tag & 3) === 1) {
      if (at >= end) return refuse(CUT_SHORT, element - source, <u32>(to - target));
      copied = ((tag >>> 2) & 7) + 4;
      offset = ((tag >>> 5) << 8) | load<u8>(at);
      at++;
    } else if ((tag & 3) === 2) {
      if (at + 2 > end) return refuse(CUT_SHORT, element - source, <u32>(to - target));
      copied = (tag >>> 2) + 1;
      offset = load<u16>(at);
      at += 2;
    } else {
      if (at + 4 > end) return refuse(CUT_SHORT, element - source, <u32>(to - target));
      copied = (tag >>> 2) + 1;
      offset = load<u32>(at);
      at += 4;
    }
    if (offset === 0 || offset > <u32>(to - target)) return refuse(TOO_FAR_BACK, element - source, <u32>(to - target));
    if (copied > <u32>(stop - to)) return refuse(TOO_LONG, element - source, <u32>(to - target));
    const copyFrom = to - offset;
    if (offset >= 16) {
      v128.store(to, v128.load(copyFrom));
      if (copied > 16) {
        v128.store(to, v128.load(copyFrom, 16), 16);
        // A store of sixteen behind the last byte may reach 16 bytes further, and no more than that is there.
        for (let i: u32 = 32; i < copied; i += 16) v128.store(to + i, v128.load(copyFrom + i));
      }
    } else {
      for (let i: u32 = 0; i < copied; i++) store<u8>(to + i, load<u8>(copyFrom + i));
    }
    to += copied;
  }
  return to === stop ? 0 : refuse(TOO_SHORT, end - source, <u32>(to - target));
}
