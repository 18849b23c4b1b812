import { encodeWriteRequest } from '../src/wire/encode-write-request.ts';

/*
 * Remote write bodies that are made once and changed in place for each request, for bench/noisy-sender.ts: a flood's
 * sender shares a core with the tenant that is watched, and must cost it little.
 */

/** In a label's value: becomes the series' number. */
export const NUMBER = '########';
const DIGITS = NUMBER.length;
const ZERO = 0x30;
/** Takes as many bytes as every time from 2004 to 2109. */
const MARKED_TIME = 2 ** 41 - 1;
const TIME_BYTES = 6;

/** What a literal of snappy holds here, and what stands before it. */
const LITERAL_BYTES = 65_536;
const LITERAL_HEAD = 3;

export interface Body {
  readonly bytes: Buffer;
  /** The time of all samples, and the first of its series' numbers where they have any. */
  change(timeMs: number, firstNumber: number): void;
}

/** So many bodies with one sample of each series, for a request at a time each. */
export function openBodies(count: number, labels: readonly (readonly (readonly [string, string])[])[]): Body[] {
  const raw = encodeWriteRequest(
    labels.map((each) => ({ labels: each, times: [MARKED_TIME], values: Float64Array.of(each.length) })),
  );
  const { bytes: made, at } = packed(raw);
  const bytesAt = (place: number, length: number) => Array.from({ length }, (_, i) => at(place + i));
  const times = placesOf(Buffer.from([0x10, ...varint(MARKED_TIME)]), raw);
  const timeBytes = Int32Array.from(times.flatMap((place) => bytesAt(place + 1, TIME_BYTES)));
  const numberBytes = Int32Array.from(placesOf(Buffer.from(NUMBER), raw).flatMap((place) => bytesAt(place, DIGITS)));
  return Array.from({ length: count }, () => {
    const bytes = Buffer.from(made);
    return { bytes, change };
    function change(timeMs: number, firstNumber: number): void {
      const time = varint(timeMs);
      for (let i = 0; i < timeBytes.length; i++) bytes[timeBytes[i]!] = time[i % TIME_BYTES]!;
      for (let i = 0; i < numberBytes.length; i += DIGITS) {
        let rest = firstNumber + i / DIGITS;
        for (let d = DIGITS - 1; d >= 0; d--) {
          bytes[numberBytes[i + d]!] = ZERO + (rest % 10);
          rest = Math.floor(rest / 10);
        }
      }
    }
  });
}

function placesOf(sought: Uint8Array, bytes: Uint8Array): readonly number[] {
  const within = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const found: number[] = [];
  for (let at = within.indexOf(sought); at !== -1; at = within.indexOf(sought, at + sought.length)) found.push(at);
  return found;
}

/** Snappy without compressing, and where each byte of the original is in it. */
function packed(raw: Uint8Array): { readonly bytes: Buffer; readonly at: (place: number) => number } {
  const head = Buffer.from(varint(raw.length));
  const parts = [head];
  for (let from = 0; from < raw.length; from += LITERAL_BYTES) {
    const part = raw.subarray(from, from + LITERAL_BYTES);
    parts.push(Buffer.from([0xf4, (part.length - 1) & 0xff, (part.length - 1) >> 8]), Buffer.from(part));
  }
  const at = (place: number) => head.length + place + LITERAL_HEAD * (Math.floor(place / LITERAL_BYTES) + 1);
  return { bytes: Buffer.concat(parts), at };
}

function varint(value: number): readonly number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}
