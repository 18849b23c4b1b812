import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isStaleMarker, setStaleMarker } from '../model/series.ts';
import { encodeWriteRequest, type OutgoingSeries } from './encode-write-request.ts';
import { WireError } from './errors.ts';
import { decodeWriteRequest, type LabelTable } from './remote-write.ts';

const NOTHING_KNOWN: LabelTable = { find: () => 0 };
const label = fc.tuple(fc.string({ unit: 'grapheme', maxLength: 8 }), fc.string({ unit: 'grapheme', maxLength: 200 }));
const outgoing: fc.Arbitrary<OutgoingSeries> = fc
  .tuple(
    fc.array(label, { maxLength: 5 }),
    fc.array(fc.tuple(fc.integer({ min: -(2 ** 53) + 1, max: 2 ** 53 - 1 }), fc.double()), {
      minLength: 1,
      maxLength: 6,
    }),
  )
  .map(([labels, samples]) => ({
    labels,
    times: samples.map(([time]) => time),
    values: Float64Array.from(samples, ([, value]) => value),
  }));

describe('decodeWriteRequest()', () => {
  test('reads what encodeWriteRequest() writes', () => {
    fc.assert(
      fc.property(fc.array(outgoing, { maxLength: 5 }), (series) => {
        const bytes = encodeWriteRequest(series);
        const decoded = decodeWriteRequest(bytes, NOTHING_KNOWN);
        expect(decoded.unseen.map(({ labels }) => labels)).toEqual(series.map(({ labels }) => labels));
        expect([...decoded.times]).toEqual(series.flatMap(({ times }) => Array.from(times)));
        expect([...decoded.values]).toEqual(series.flatMap(({ values }) => [...values]));
        expect(decoded.next).toBe(bytes.length);
      }),
    );
  });

  test('keeps the bits of a staleness marker', () => {
    const values = new Float64Array(2);
    setStaleMarker(values, 1);
    const decoded = decodeWriteRequest(
      encodeWriteRequest([{ labels: [['__name__', 'up']], times: [1, 2], values }]),
      NOTHING_KNOWN,
    );
    expect([isStaleMarker(decoded.values, 0), isStaleMarker(decoded.values, 1)]).toEqual([false, true]);
  });

  test('asks the table with the label bytes and does not decode what it knows', () => {
    const bytes = encodeWriteRequest([
      { labels: [['__name__', 'a']], times: [1, 2], values: Float64Array.of(10, 20) },
      { labels: [['__name__', 'b']], times: [3], values: Float64Array.of(30) },
    ]);
    const first = decodeWriteRequest(bytes, NOTHING_KNOWN);
    const known = first.unseen[0]!.raw!;
    const table: LabelTable = {
      find: (all, start, end) => {
        const asked = new Uint8Array(all.buffer, all.byteOffset + start, end - start);
        return asked.join() === known.join() ? 7 : 0;
      },
    };
    const second = decodeWriteRequest(bytes, table);
    expect([...second.refs]).toEqual([7, 7, 0]);
    expect(second.unseen.map(({ labels }) => labels)).toEqual([[['__name__', 'b']]]);
  });

  test('believes what the table expects, unless more labels follow', () => {
    const bytes = encodeWriteRequest([
      { labels: [['a', '1']], times: [1], values: Float64Array.of(10) },
      {
        labels: [
          ['a', '1'],
          ['b', '2'],
        ],
        times: [2],
        values: Float64Array.of(20),
      },
    ]);
    const { length } = decodeWriteRequest(bytes, NOTHING_KNOWN).unseen[0]!.raw!;
    const asked: number[] = [];
    const table: LabelTable = {
      find: (_, start, end) => {
        asked.push(end - start);
        return 8;
      },
      expectedLength: () => length,
      takeExpected: () => 7,
    };
    expect([...decodeWriteRequest(bytes, table).refs]).toEqual([7, 8]);
    expect(asked).toEqual([2 * length]);
  });

  /** `up` with one sample, written by hand: fields in any order, unknown ones between. */
  const NAME = [0x0a, 0x0e, 0x0a, 0x08, ...new TextEncoder().encode('__name__'), 0x12, 0x02, 0x75, 0x70];
  const LABEL_A = [0x0a, 0x06, 0x0a, 0x01, 0x61, 0x12, 0x01, 0x62];
  const ONE = [0, 0, 0, 0, 0, 0, 0xf0, 0x3f];
  const series = (...body: number[]) => [0x0a, body.length, ...body];
  test.each([
    { name: 'no timestamp is 0', body: series(...NAME, 0x12, 9, 0x09, ...ONE), times: [0], values: [1], labels: 1 },
    { name: 'no value is 0', body: series(...NAME, 0x12, 2, 0x10, 5), times: [5], values: [0], labels: 1 },
    {
      name: 'time before value',
      body: series(...NAME, 0x12, 11, 0x10, 5, 0x09, ...ONE),
      times: [5],
      values: [1],
      labels: 1,
    },
    { name: 'samples before labels', body: series(0x12, 2, 0x10, 5, ...NAME), times: [5], values: [0], labels: 1 },
    {
      name: 'labels around samples',
      body: series(...NAME, 0x12, 2, 0x10, 5, ...LABEL_A),
      times: [5],
      values: [0],
      labels: 2,
    },
    {
      name: 'unknown fields',
      body: [0x78, 1, ...series(0x7a, 1, 0, 0x7d, 1, 2, 3, 4, ...NAME, 0x12, 5, 0x7a, 1, 0, 0x10, 5)],
      times: [5],
      values: [0],
      labels: 1,
    },
    {
      name: 'a negative time in 10 bytes',
      body: series(...NAME, 0x12, 11, 0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
      times: [-1],
      values: [0],
      labels: 1,
    },
    { name: 'no samples at all', body: series(...NAME), times: [], values: [], labels: undefined },
  ])('reads $name', ({ body, times, values, labels }) => {
    const decoded = decodeWriteRequest(Uint8Array.from(body), NOTHING_KNOWN);
    expect([...decoded.times]).toEqual(times);
    expect([...decoded.values]).toEqual(values);
    expect(decoded.unseen[0]?.labels.length).toBe(labels);
  });

  test('counts exemplars and histograms, reads metadata', () => {
    const metadata = [{ metric: 'up', type: 'gauge', help: 'Is it up?', unit: 'bool' }];
    const bytes = Uint8Array.from([...series(...NAME, 0x1a, 0, 0x1a, 0, 0x22, 0), ...encodeWriteRequest([], metadata)]);
    const decoded = decodeWriteRequest(bytes, NOTHING_KNOWN);
    expect(decoded.skipped).toEqual({ exemplars: 2, histograms: 1 });
    expect(decoded.metadata).toEqual(metadata);
  });

  test('marks labels that are not UTF-8', () => {
    const bad = series(0x0a, 6, 0x0a, 1, 0x61, 0x12, 1, 0xff, 0x12, 2, 0x10, 5);
    expect(decodeWriteRequest(Uint8Array.from(bad), NOTHING_KNOWN).unseen[0]?.invalidUtf8).toBe(true);
  });

  test.each([
    { name: 'a length past the end', body: [0x0a, 0x20, 0x0a], why: /length of 32 .* at byte 1/ },
    { name: 'a label past its series', body: [0x0a, 0x02, 0x0a, 0x05, 1, 2, 3, 4, 5], why: /length of 5/ },
    { name: 'a value cut short', body: [0x0a, 5, 0x12, 3, 0x09, 1, 2], why: /value is cut short/ },
    { name: 'a number cut short', body: [0x0a, 4, 0x12, 2, 0x10, 0xff], why: /cut short/ },
    { name: 'a number of 11 bytes', body: [0x78, ...Array(11).fill(0xff)], why: /more than 10 bytes/ },
    { name: 'field 0', body: [0x00], why: /field number 0/ },
    { name: 'a group', body: [0x7b], why: /wire type 3/ },
  ])('refuses $name', ({ body, why }) => {
    const decode = () => decodeWriteRequest(Uint8Array.from(body), NOTHING_KNOWN);
    expect(decode).toThrow(WireError);
    expect(decode).toThrow(why);
  });

  test('decodes damaged bytes or refuses them, and nothing else', () => {
    fc.assert(
      fc.property(
        fc.array(outgoing, { minLength: 1, maxLength: 4 }),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 5 }),
        fc.nat(),
        (all, edits, cut) => {
          let bytes = encodeWriteRequest(all).slice();
          for (const [at, byte] of edits) bytes[at % bytes.length] = byte;
          bytes = bytes.subarray(0, bytes.length - (cut % bytes.length));
          try {
            const decoded = decodeWriteRequest(bytes, NOTHING_KNOWN);
            expect(decoded.times.length).toBeLessThanOrEqual(bytes.length / 2);
          } catch (error) {
            expect(error).toBeInstanceOf(WireError);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  test('hands a large request out in parts, and refuses it whole when its end is damaged', () => {
    const count = 20_000;
    const large = Array.from({ length: count }, (_, i) => ({
      labels: [['__name__', `m${i}`]] as const,
      times: [i],
      values: Float64Array.of(i),
    }));
    const bytes = encodeWriteRequest(large);
    const times: number[] = [];
    let parts = 0;
    for (let next = 0; next < bytes.length; parts++) {
      const part = decodeWriteRequest(bytes, NOTHING_KNOWN, next);
      times.push(...part.times);
      next = part.next;
    }
    expect(parts).toBe(3);
    expect(times).toEqual(large.map(({ times: [time] }) => time));
    expect(() => decodeWriteRequest(bytes.subarray(0, bytes.length - 1), NOTHING_KNOWN)).toThrow(WireError);
  });
});
