import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { labelsOf } from '../model/labels.ts';
import { setStaleMarker } from '../model/series.ts';
import { encodeHistogram } from '../testing/encode-histogram.ts';
import { encodeXorChunk as encodeBitByBit } from '../testing/encode-xor-chunk.ts';
import { crc32c } from './crc32c.ts';
import { encodeXorChunk } from './encode-xor-chunk.ts';
import { histogramChunks } from './histogram-chunks.ts';
import { ProtoWriter } from './proto-writer.ts';
import { decodeChunkedFrame, decodeReadResponse, encodeReadRequest, readFrames } from './remote-read.ts';
import {
  type AnsweredSeries,
  decodeReadRequest,
  encodeFrames,
  encodeSampledSeries,
  type Pieces,
  resultHead,
} from './remote-read-answer.ts';
import { decodeSnappy, encodeSnappyPart, snappyLength } from './snappy.ts';

const LABELS = labelsOf({ __name__: 'demand', pod: 'é"' });
const WHOLE = encodeHistogram({
  ...{ count: 6, sum: 5, schema: 0, zeroThreshold: 2 ** -128, zeroCount: 1 },
  ...{ positiveSpans: [{ offset: 0, length: 2 }], positiveDeltas: [2, 1] },
});

const samples = fc
  .array(
    fc.tuple(
      fc.oneof(fc.constant(15_000), fc.integer({ min: 1, max: 20_000 }), fc.nat(2 ** 31), fc.nat(2 ** 40)),
      fc.oneof(fc.double(), fc.integer({ min: -5, max: 5 }), fc.constantFrom(0.1, -0, Number.NaN)),
    ),
    { maxLength: 400 },
  )
  .chain((all) => fc.tuple(fc.constant(all), fc.integer({ min: -1e12, max: 2e12 })))
  .map(([all, start]) => {
    let at = start;
    const times = Float64Array.from(all, ([step]) => (at += step + 1));
    const values = Float64Array.from(all, ([, value]) => value);
    if (values.length > 0) setStaleMarker(values, values.length >> 1);
    return { times, values };
  });

function bitsOf(values: Float64Array): readonly bigint[] {
  return [...new BigUint64Array(values.slice().buffer)];
}

test('encodeXorChunk() writes the bits that Prometheus does', () => {
  fc.assert(
    fc.property(samples, ({ times, values }) => {
      expect([...encodeXorChunk(times, values)]).toEqual([...encodeBitByBit(times, values)]);
    }),
  );
});

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function joined(all: readonly Pieces[]): Uint8Array {
  const bytes = concat(all.flatMap(({ pieces }) => pieces));
  expect(bytes.length).toBe(all.reduce((sum, { length }) => sum + length, 0));
  return bytes;
}

function framesOf(series: AnsweredSeries, index = 0): readonly Pieces[] {
  return [...encodeFrames(series, index)].filter((pieces) => pieces !== undefined);
}

async function read(frames: Uint8Array) {
  const found = [];
  const stream = (async function* () {
    for (let at = 0; at < frames.length; at += 1000) yield frames.subarray(at, at + 1000);
  })();
  for await (const frame of readFrames(stream)) found.push(...decodeChunkedFrame(frame));
  return found;
}

function sampled(series: AnsweredSeries): Pieces {
  const work = encodeSampledSeries(series);
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
  }
}

test('what is answered is what clients read, as chunks and as samples', async () => {
  await fc.assert(
    fc.asyncProperty(samples, async ({ times, values }) => {
      const series = { labels: LABELS, times, values, histograms: [] };
      const [chunks, ...others] = await read(joined(framesOf(series)));
      expect(others).toEqual([]);
      const pieces = sampled(series);
      const answer = concat([resultHead(pieces.length), joined([pieces])]);
      const [got] = decodeReadResponse(answer);
      for (const one of times.length === 0 ? [got!] : [chunks!, got!]) {
        expect(one.labels).toEqual(LABELS);
        expect(one.times).toEqual(times);
        expect(bitsOf(one.values)).toEqual(bitsOf(values));
      }
    }),
  );
});

test('histograms stand between samples, in chunks that do not overlap', async () => {
  const times = Float64Array.of(10, 20, 50, 60);
  const histograms = [30, 40, 70].map((time) => ({ time, bytes: WHOLE }));
  const series = { labels: LABELS, times, values: times, histograms };
  const [chunks] = await read(joined(framesOf(series, 3)));
  expect([...chunks!.times]).toEqual([...times]);
  expect(chunks!.histograms).toEqual([
    { time: 30, count: 2 },
    { time: 70, count: 1 },
  ]);
  const pieces = sampled(series);
  const [got] = decodeReadResponse(concat([resultHead(pieces.length), joined([pieces])]));
  expect(got!.histograms.map(({ time }) => time)).toEqual([30, 40, 70]);
});

test('a series with nothing to answer has no frame', () => {
  expect(framesOf({ labels: LABELS, times: new Float64Array(), values: new Float64Array(), histograms: [] })).toEqual(
    [],
  );
});

describe('histogramChunks()', () => {
  const of = (...all: readonly Parameters<typeof encodeHistogram>[0][]) =>
    [...histogramChunks(all.map((sent, i) => ({ time: i * 1000, bytes: encodeHistogram(sent) })))].map(
      ({ kind, start, end }) => `${kind} ${start}-${end}`,
    );
  const spans = [{ offset: 1, length: 1 }];
  const counting = (count: number, more = {}) => {
    return { count, sum: 1, positiveSpans: spans, positiveDeltas: [count], ...more };
  };

  test.each([
    { name: 'counts that go up', sent: [counting(1), counting(1), counting(3)], want: ['histogram 0-2000'] },
    {
      name: 'a count that goes down',
      sent: [counting(2), counting(1), counting(3)],
      want: ['histogram 0-0', 'histogram 1000-2000'],
    },
    {
      name: 'one bucket that goes down',
      sent: [2, -1].map((last) => {
        return {
          count: 5 + last,
          sum: 1,
          positiveSpans: [{ offset: 0, length: 2 }],
          positiveDeltas: [2 - last, 1 + last],
        };
      }),
      want: ['histogram 0-0', 'histogram 1000-1000'],
    },
    {
      name: 'counting that began anew',
      sent: [counting(1), counting(2, { resetHint: 1 })],
      want: ['histogram 0-0', 'histogram 1000-1000'],
    },
    {
      name: 'a gauge goes down',
      sent: [counting(3, { resetHint: 3 }), counting(1, { resetHint: 3 })],
      want: ['histogram 0-1000'],
    },
    {
      name: 'another layout',
      sent: [counting(1), { ...counting(2), positiveSpans: [{ offset: 2, length: 1 }] }],
      want: ['histogram 0-0', 'histogram 1000-1000'],
    },
    {
      name: 'counts that are floats',
      sent: [
        { floatCount: 1, sum: 1 },
        { floatCount: 2, sum: 1 },
      ],
      want: ['float_histogram 0-0', 'float_histogram 1000-1000'],
    },
  ])('$name', ({ sent, want }) => {
    expect(of(...sent)).toEqual(want);
  });

  test('any bytes are chunks or an error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(WHOLE.length), (noise, at) => {
        for (const bytes of [noise, Uint8Array.from([...WHOLE.subarray(0, at), ...noise])]) {
          try {
            for (const { data } of histogramChunks([{ time: 1, bytes }])) expect(data.length).toBeGreaterThan(3);
          } catch (error) {
            expect(error).toMatchObject({ code: 'bad_wire_data' });
          }
        }
      }),
    );
  });
});

describe('decodeReadRequest()', () => {
  test('reads what a client asks', () => {
    const matchers = [
      { name: '__name__', op: '=~', value: 'a|b' } as const,
      { name: 'pod', op: '!=', value: 'é' } as const,
    ];
    const bytes = encodeReadRequest(matchers, { start: -5, end: 1_785_751_200_000 });
    expect(decodeReadRequest(Uint8Array.from([...bytes, ...bytes]))).toEqual({
      queries: Array(2).fill({ matchers, range: { start: -5, end: 1_785_751_200_000 } }),
      answer: 'chunks',
    });
  });

  test.each([
    { name: 'no kind', bytes: [], answer: 'samples' },
    { name: 'the first that is known', bytes: [0x10, 7, 0x10, 0, 0x10, 1], answer: 'samples' },
    { name: 'packed', bytes: [0x12, 2, 1, 0], answer: 'chunks' },
    { name: 'none that is known', bytes: [0x10, 7], answer: undefined },
  ])('answers: $name', ({ bytes, answer }) => {
    expect(decodeReadRequest(Uint8Array.from(bytes))).toEqual({ queries: [], answer });
  });

  test('all time is bounded to what dates can be', () => {
    const out = new ProtoWriter();
    out.message(0x0a, () => {
      out.int64(0x08, -(2 ** 63));
      out.int64(0x10, 2 ** 62);
    });
    expect(decodeReadRequest(out.finish()).queries[0]!.range).toEqual({ start: -8.64e15, end: 8.64e15 });
  });

  test('any bytes are a request or an error', () => {
    const request = encodeReadRequest([{ name: 'a', op: '!~', value: 'b' }], { start: 1, end: 2 });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(request.length), (noise, at) => {
        for (const bytes of [noise, Uint8Array.from([...request.subarray(0, at), ...noise])]) {
          try {
            decodeReadRequest(bytes);
          } catch (error) {
            expect(error).toMatchObject({ code: 'bad_wire_data' });
          }
        }
      }),
    );
  });
});

test('parts of a snappy block are a block, and sums of pieces are the sum of the whole', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (bytes, at) => {
      const parts = [bytes.subarray(0, at), bytes.subarray(at)];
      const block = concat([snappyLength(bytes.length), ...parts.map(encodeSnappyPart)]);
      expect([...decodeSnappy(block, 1000)]).toEqual([...bytes]);
      expect(crc32c(parts[1]!, crc32c(parts[0]!))).toBe(crc32c(bytes));
    }),
  );
});
