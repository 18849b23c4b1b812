import { WireError } from './errors.ts';
import type { WireCore } from './wire-core.ts';

/** By the codes of assembly/protobuf.ts. */
function textOf(code: number, detail: number): string {
  switch (code) {
    case 1:
      return 'a number is cut short';
    case 2:
      return 'a number has more than 10 bytes';
    case 3:
      return 'field number 0';
    case 4:
      return `a length of ${detail} reaches past the end of its message`;
    case 5:
      return 'a field is cut short';
    case 6:
      return `wire type ${detail & 7} in field ${detail >>> 3}`;
    case 7:
      return 'a number that does not fit 32 bits';
    case 8:
      return 'a value is cut short';
    case 9:
      return `more than ${detail} samples of one series`;
    case 10:
      return `more than ${detail} symbols and series`;
    case 12:
      return `more than ${detail} exemplars or histograms of one series`;
    default:
      return 'packed numbers that do not come out even';
  }
}

/** What the module found wrong with a message that begins at `address`. */
export function faultOf(core: WireCore, address: number): WireError {
  const why = textOf(core.faultCode(), core.faultDetail() >>> 0);
  return new WireError('remote write request', why, (core.faultAt() >>> 0) - address);
}

/** By the codes of assembly/snappy.ts. */
export function snappyFault(code: number, at: number, done: number, length: number): WireError {
  switch (code) {
    case 1:
      return new WireError('snappy block', 'an element is cut short', at);
    case 2:
      return new WireError('snappy block', `more is decoded than the announced ${length} bytes`, at);
    case 3:
      return new WireError('snappy block', `a copy reaches further back than the ${done} bytes that are decoded`, at);
    default:
      return new WireError('snappy block', `it ends after ${done} of ${length} announced decoded bytes`, at);
  }
}
