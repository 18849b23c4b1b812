import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { labelsOf } from '../model/labels.ts';
import { isStaleMarker, setStaleMarker } from '../model/series.ts';
import { encodeXorChunk } from '../testing/encode-xor-chunk.ts';
import { crc32c } from './crc32c.ts';
import { encodeWriteRequest } from './encode-write-request.ts';
import { ProtoWriter } from './proto-writer.ts';
import { decodeChunkedFrame, decodeReadResponse, encodeReadRequest, readFrames } from './remote-read.ts';
import { decodeXorChunk } from './xor-chunk.ts';

const UTF8 = new TextEncoder();

test('crc32c() is Castagnoli (RFC 3720, B.4)', () => {
  expect(crc32c(UTF8.encode('123456789'))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
});

describe('decodeXorChunk()', () => {
  const samples = fc
    .array(
      fc.tuple(
        fc.oneof(fc.constant(15_000), fc.integer({ min: 0, max: 20_000 }), fc.nat(2 ** 31), fc.nat(2 ** 40)),
        fc.oneof(fc.double(), fc.integer({ min: -5, max: 5 }), fc.constantFrom(0.1, -0, Number.NaN)),
      ),
      { maxLength: 130 },
    )
    .chain((all) => fc.tuple(fc.constant(all), fc.integer({ min: -1e12, max: 2e12 })));

  test('gives back what was encoded, to the bit', () => {
    fc.assert(
      fc.property(samples, fc.nat(), ([all, start], stale) => {
        let at = start;
        const times = Float64Array.from(all, ([step]) => (at += step));
        const values = Float64Array.from(all, ([, value]) => value);
        if (values.length > 0) setStaleMarker(values, stale % values.length);
        const read = decodeXorChunk(encodeXorChunk(times, values));
        expect(read.times).toEqual(times);
        expect(new BigUint64Array(read.values.buffer)).toEqual(new BigUint64Array(values.buffer));
      }),
    );
  });

  test.each([
    8192, 8193, -8191, -8192, 65_536, 65_537, -65_535, 524_288, -524_287, 524_289,
  ])('reads a difference of differences of %i', (difference) => {
    const times = Float64Array.of(0, 1e6, 2e6 + difference);
    expect(decodeXorChunk(encodeXorChunk(times, new Float64Array(3))).times).toEqual(times);
  });

  test('says so where bytes are missing, and takes no memory for what is not there', () => {
    const whole = encodeXorChunk(Float64Array.of(1, 2, 3), Float64Array.of(1, 2.5, 1e300));
    for (let end = 0; end < whole.length; end++) {
      expect(() => decodeXorChunk(whole.subarray(0, end))).toThrow('cut short');
    }
    expect(() => decodeXorChunk(Uint8Array.of(0xff, 0xff, 0))).toThrow('cut short');
  });

  test('any bytes are samples or an error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          expect(decodeXorChunk(bytes).values.length).toBeLessThanOrEqual(bytes.length * 8);
        } catch (error) {
          expect(error).toMatchObject({ code: 'bad_wire_data' });
        }
      }),
    );
  });
});

/** A `prometheus.ChunkedReadResponse` of one series. */
function frameOf(chunks: readonly { readonly kind: number; readonly time: number; readonly data: Uint8Array }[]) {
  const out = new ProtoWriter();
  out.message(0x0a, () => {
    out.message(0x0a, () => {
      out.text(0x0a, '__name__');
      out.text(0x12, 'up');
    });
    for (const { kind, time, data } of chunks) {
      out.message(0x12, () => {
        out.int64(0x08, time);
        out.int64(0x10, time + 1);
        out.int64(0x18, kind);
        out.message(0x22, () => out.bytes(data));
      });
    }
  });
  return out.finish();
}

function framed(bytes: Uint8Array): Uint8Array {
  const out = new ProtoWriter();
  out.number(bytes.length);
  const crc = new Uint8Array(4);
  new DataView(crc.buffer).setUint32(0, crc32c(bytes));
  out.bytes(crc);
  out.bytes(bytes);
  return out.finish();
}

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function all<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const stale = Float64Array.of(1, 2, 3);
setStaleMarker(stale, 2);
const FRAME = frameOf([
  { kind: 1, time: 10, data: encodeXorChunk([10, 20, 30], stale) },
  { kind: 2, time: 40, data: Uint8Array.of(0, 7, 1, 2) },
  { kind: 1, time: 50, data: encodeXorChunk([50], Float64Array.of(5)) },
]);

test('frames come whole, however the stream is cut, and are their series', async () => {
  const stream = Uint8Array.from([...framed(FRAME), ...framed(new Uint8Array()), ...framed(FRAME)]);
  for (const size of [1, 7, stream.length]) {
    const frames = await all(readFrames(inPieces(stream, size)));
    expect(frames.map((frame) => [...frame])).toEqual([[...FRAME], [], [...FRAME]]);
  }
  const [series, ...others] = decodeChunkedFrame(FRAME);
  expect(others).toEqual([]);
  expect([...series!.times]).toEqual([10, 20, 30, 50]);
  expect([...series!.values].slice(0, 2)).toEqual([1, 2]);
  expect(isStaleMarker(series!.values, 2)).toBe(true);
  expect(series).toMatchObject({ labels: [['__name__', 'up']], histograms: [{ time: 40, count: 7 }] });
});

test('a damaged frame, one that is cut short and a kind of chunk that is not known are errors', async () => {
  const damaged = framed(FRAME);
  damaged[20]! ^= 1;
  await expect(all(readFrames(inPieces(damaged, 9)))).rejects.toThrow('a frame is damaged');
  await expect(all(readFrames(inPieces(framed(FRAME).subarray(0, -1), 9)))).rejects.toThrow('ends within a frame');
  const huge = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f);
  await expect(all(readFrames(inPieces(huge, 9)))).rejects.toMatchObject({ code: 'request_too_large' });
  expect(() => decodeChunkedFrame(frameOf([{ kind: 9, time: 0, data: new Uint8Array() }]))).toThrow('the kind 9');
});

test('an answer with samples is read as a request that writes them', () => {
  const sent = { labels: labelsOf({ __name__: 'up', job: 'a' }), times: [-5, 10, 20], values: stale };
  const histogram = {
    labels: sent.labels,
    times: [],
    values: new Float64Array(),
    histograms: [{ time: 7, bytes: new Uint8Array() }],
  };
  const out = new ProtoWriter();
  // Both have their series in field 1.
  out.message(0x0a, () => out.bytes(encodeWriteRequest([sent, histogram])));
  const [series, second] = decodeReadResponse(out.finish());
  expect(series!.labels).toEqual(sent.labels);
  expect([...series!.times]).toEqual([-5, 10, 20]);
  expect(new BigUint64Array(series!.values.buffer)).toEqual(new BigUint64Array(stale.buffer));
  expect(second).toMatchObject({ histograms: [{ time: 7, count: 1 }] });
});

test('any bytes are series or an error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(FRAME.length), (noise, at) => {
      for (const bytes of [noise, Uint8Array.from([...FRAME.subarray(0, at), ...noise])]) {
        for (const decode of [decodeChunkedFrame, decodeReadResponse]) {
          try {
            decode(bytes);
          } catch (error) {
            expect(error).toMatchObject({ code: 'bad_wire_data' });
          }
        }
      }
    }),
  );
});

test('encodeReadRequest() asks for chunks before samples', () => {
  const bytes = encodeReadRequest([{ name: 'a', op: '!~', value: 'b' }], { start: 1, end: 2 });
  // query{start 1, end 2, matcher{type 3, "a", "b"}}, accepted 1, accepted 0
  const matcher = [0x08, 3, 0x12, 1, 0x61, 0x1a, 1, 0x62];
  expect([...bytes]).toEqual([0x0a, 14, 0x08, 1, 0x10, 2, 0x1a, 8, ...matcher, 0x10, 1, 0x10, 0]);
});
