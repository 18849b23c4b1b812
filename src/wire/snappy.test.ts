import fc from 'fast-check';
import snappyjs from 'snappyjs';
import { describe, expect, test } from 'vitest';
import { WireError } from './errors.ts';
import { decodeSnappy, encodeSnappy, snappyLength } from './snappy.ts';

const LIMIT = 1 << 20;
/** Texts with repetitions near and far, so that every kind of element occurs. */
const compressible = fc
  .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 80 }), fc.integer({ min: 1, max: 40 })), { maxLength: 12 })
  .map((parts) =>
    Uint8Array.from(parts.flatMap(([bytes, times]) => Array.from({ length: times }, () => [...bytes]).flat())),
  );

describe('decodeSnappy()', () => {
  test.each([
    { name: 'empty block', block: [0], want: [] },
    { name: 'literal', block: [3, 0x08, 1, 2, 3], want: [1, 2, 3] },
    { name: 'literal with a length byte', block: [2, 0xf0, 1, 7, 8], want: [7, 8] },
    { name: 'overlapping copy', block: [5, 0x00, 9, 0x01, 1], want: [9, 9, 9, 9, 9] },
    { name: 'copy with a 4-byte offset', block: [6, 0x08, 1, 2, 3, 0x0b, 3, 0, 0, 0], want: [1, 2, 3, 1, 2, 3] },
  ])('decodes $name', ({ block, want }) => {
    expect([...decodeSnappy(Uint8Array.from(block), { maxBytes: LIMIT })]).toEqual(want);
  });

  test.each([
    { name: 'no bytes', block: [], why: /cut short at byte 0/ },
    {
      name: '4 GiB announced by 20 bytes',
      block: [0xff, 0xff, 0xff, 0xff, 0x0f, ...Array(15).fill(0)],
      why: /above the limit/,
    },
    { name: 'a length of more than 32 bits', block: [0xff, 0xff, 0xff, 0xff, 0x7f], why: /not below 2\^32/ },
    { name: 'more announced than the bytes can hold', block: [0x80, 0x80, 0x04, 0, 1], why: /cannot hold/ },
    { name: 'a literal cut short', block: [4, 0x0c, 1, 2], why: /cut short at byte 1/ },
    { name: 'a copy from before the start', block: [5, 0x00, 1, 0x01, 2], why: /reaches 2 bytes back where 1/ },
    { name: 'a copy with offset 0', block: [5, 0x00, 1, 0x01, 0], why: /reaches 0 bytes back/ },
    { name: 'more than announced', block: [1, 0x04, 1, 2], why: /more is decoded/ },
    { name: 'less than announced', block: [3, 0x04, 1, 2], why: /ends after 2 of 3/ },
  ])('refuses $name', ({ block, why }) => {
    const decode = () => decodeSnappy(Uint8Array.from(block), { maxBytes: LIMIT });
    expect(decode).toThrow(WireError);
    expect(decode).toThrow(why);
  });

  test('reads what snappyjs writes', () => {
    fc.assert(
      fc.property(compressible, (bytes) => {
        const block = new Uint8Array(snappyjs.compress(bytes));
        expect(snappyLength(block)).toBe(bytes.length);
        for (const size of [100, 10_000]) {
          const buffer = new Uint8Array(size).fill(0xee);
          expect(decodeSnappy(block, { maxBytes: LIMIT, buffer })).toEqual(bytes);
        }
      }),
    );
  });

  test('agrees with snappyjs or refuses, whatever the bytes', () => {
    fc.assert(
      fc.property(compressible, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), (bytes, edits) => {
        const block = encodeSnappy(bytes).slice();
        for (const [at, byte] of edits) block[at % block.length] = byte;
        let decoded: Uint8Array;
        try {
          decoded = decodeSnappy(block, { maxBytes: LIMIT });
        } catch (error) {
          expect(error).toBeInstanceOf(WireError);
          return;
        }
        expect(decoded).toEqual(new Uint8Array(snappyjs.uncompress(block)));
      }),
      { numRuns: 500 },
    );
  });
});

describe('encodeSnappy()', () => {
  test('is read by snappyjs and by decodeSnappy()', () => {
    fc.assert(
      fc.property(compressible, (bytes) => {
        const block = encodeSnappy(bytes);
        expect(new Uint8Array(snappyjs.uncompress(block))).toEqual(bytes);
        expect(decodeSnappy(block, { maxBytes: LIMIT })).toEqual(bytes);
      }),
    );
  });

  test('handles long literals and long matches', () => {
    const noise = Uint8Array.from({ length: 100_000 }, (_, i) => Math.imul(i + 1, 2654435761) >>> 24);
    const bytes = new Uint8Array(300_000);
    bytes.set(noise, 0);
    bytes.set(noise, 200_000);
    expect(decodeSnappy(encodeSnappy(bytes), { maxBytes: LIMIT }).every((byte, i) => byte === bytes[i])).toBe(true);
    expect(encodeSnappy(new Uint8Array(300_000)).length).toBeLessThan(20_000);
  });
});
