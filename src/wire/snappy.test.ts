import fc from 'fast-check';
import snappyjs from 'snappyjs';
import { describe, expect, test } from 'vitest';
import { PROPERTY_RUNS } from '../testing/property-runs.ts';
import { loadCore } from '../tsdb/core.ts';
import { CoreMemory } from './core-memory.ts';
import { WireError } from './errors.ts';
import { decodeSnappy as decodeWhole, encodeSnappy } from './snappy.ts';
import { announcedLength, WriteBody } from './write-body.ts';

const LIMIT = 1 << 20;
const memory = new CoreMemory(await loadCore());

/** In pieces, as blocks come over the wire. */
function decodeSnappy(block: Uint8Array, pieceBytes = 7): Uint8Array {
  const count = Math.ceil(block.length / pieceBytes);
  const pieces = Array.from({ length: count }, (_, i) => block.subarray(i * pieceBytes, (i + 1) * pieceBytes));
  using body = WriteBody.decode(memory, pieces, { protocol: '1.0', maxBytes: LIMIT });
  return body.bytes(0, body.length).slice();
}
/** Texts with repetitions near and far, so that every kind of element occurs. */
const compressible = fc
  .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 80 }), fc.integer({ min: 1, max: 40 })), { maxLength: 12 })
  .map((parts) =>
    Uint8Array.from(parts.flatMap(([bytes, times]) => Array.from({ length: times }, () => [...bytes]).flat())),
  );

describe('WriteBody.decode()', () => {
  test.each([
    { name: 'empty block', block: [0], want: [] },
    { name: 'literal', block: [3, 0x08, 1, 2, 3], want: [1, 2, 3] },
    { name: 'literal with a length byte', block: [2, 0xf0, 1, 7, 8], want: [7, 8] },
    { name: 'overlapping copy', block: [5, 0x00, 9, 0x01, 1], want: [9, 9, 9, 9, 9] },
    { name: 'copy with a 4-byte offset', block: [6, 0x08, 1, 2, 3, 0x0b, 3, 0, 0, 0], want: [1, 2, 3, 1, 2, 3] },
  ])('decodes $name', ({ block, want }) => {
    expect([...decodeSnappy(Uint8Array.from(block))]).toEqual(want);
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
    { name: 'a copy from before the start', block: [5, 0x00, 1, 0x01, 2], why: /further back than the 1 bytes/ },
    { name: 'a copy with offset 0', block: [5, 0x00, 1, 0x01, 0], why: /further back than/ },
    { name: 'more than announced', block: [1, 0x04, 1, 2], why: /more is decoded/ },
    { name: 'less than announced', block: [3, 0x04, 1, 2], why: /ends after 2 of 3/ },
  ])('refuses $name', ({ block, why }) => {
    const decode = () => decodeSnappy(Uint8Array.from(block));
    expect(decode).toThrow(WireError);
    expect(decode).toThrow(why);
  });

  test('a long block takes steps, between which others may be decoded', () => {
    const bytes = Uint8Array.from({ length: 3_500_000 }, (_, i) =>
      i % 1_000 < 900 ? i % 7 : (i * 2_654_435_761) >>> 13,
    );
    const block = encodeSnappy(bytes);
    const pieces = [block.subarray(0, 1_200), block.subarray(1_200)];
    const steps = WriteBody.decodeInSteps(memory, pieces, { protocol: '1.0', maxBytes: 4 << 20 });
    let count = 1;
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) {
      count++;
      expect([...decodeSnappy(Uint8Array.of(3, 0x08, 1, 2, 3))]).toEqual([1, 2, 3]);
    }
    using body = step.value;
    expect(body.bytes(0, body.length).every((byte, i) => byte === bytes[i])).toBe(true);
    expect(body.length).toBe(bytes.length);
    expect(count).toBeGreaterThanOrEqual(4);
  });

  test('reads what snappyjs writes', () => {
    fc.assert(
      fc.property(compressible, (bytes) => {
        const block = new Uint8Array(snappyjs.compress(bytes));
        expect(announcedLength([block]).length).toBe(bytes.length);
        for (const size of [1, 3, 10_000]) expect(decodeSnappy(block, size)).toEqual(bytes);
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
          decoded = decodeSnappy(block);
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
        expect(decodeSnappy(block)).toEqual(bytes);
      }),
    );
  });

  test('handles long literals and long matches', () => {
    const noise = Uint8Array.from({ length: 100_000 }, (_, i) => Math.imul(i + 1, 2654435761) >>> 24);
    const bytes = new Uint8Array(300_000);
    bytes.set(noise, 0);
    bytes.set(noise, 200_000);
    expect(decodeSnappy(encodeSnappy(bytes)).every((byte, i) => byte === bytes[i])).toBe(true);
    expect(encodeSnappy(new Uint8Array(300_000)).length).toBeLessThan(20_000);
  });
});

describe('decodeSnappy()', () => {
  test('gives back what either encoder packed', () => {
    fc.assert(
      fc.property(compressible, (bytes) => {
        expect(decodeWhole(encodeSnappy(bytes), LIMIT)).toEqual(bytes);
        expect(decodeWhole(new Uint8Array(snappyjs.compress(bytes)), LIMIT)).toEqual(bytes);
      }),
    );
  });

  test('any bytes are what the module makes of them: the same, or an error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (block) => {
        let want: Uint8Array | undefined;
        try {
          want = decodeSnappy(block);
        } catch {}
        if (want !== undefined) expect(decodeWhole(block, LIMIT)).toEqual(want);
        else expect(() => decodeWhole(block, LIMIT)).toThrow();
      }),
      { numRuns: 8 * PROPERTY_RUNS },
    );
    expect(() => decodeWhole(Uint8Array.of(0x80, 0x80, 0x80, 0x01), LIMIT)).toThrow('2097152 bytes');
  });
});
