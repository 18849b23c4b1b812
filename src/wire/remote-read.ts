import type { Label } from '../model/labels.ts';
import type { Matcher, MatcherOp } from '../model/matcher.ts';
import type { TimeRange } from '../model/time.ts';
import { crc32c } from './crc32c.ts';
import { WireError, WireTooLargeError } from './errors.ts';
import { ProtoWriter } from './proto-writer.ts';
import { ProtoReader } from './protobuf.ts';
import { chunkSamples, decodeXorChunk } from './xor-chunk.ts';

/** What was read of a series: a part of its samples, in order. */
export interface ReadSeries {
  readonly labels: readonly Label[];
  readonly times: Float64Array;
  readonly values: Float64Array;
  /** Native histograms, which are not decoded, with the time of the first. */
  readonly histograms: readonly { readonly time: number; readonly count: number }[];
}

const MATCHER_TYPES: Readonly<Record<MatcherOp, number>> = { '=': 0, '!=': 1, '=~': 2, '!~': 3 };
const SAMPLES = 0;
const STREAMED_XOR_CHUNKS = 1;
/** Kinds of chunks. */
const XOR = 1;
const HISTOGRAM = 2;
const FLOAT_HISTOGRAM = 3;

/** A `prometheus.ReadRequest` for one selector, not yet compressed, that asks for a stream of chunks before anything else. */
export function encodeReadRequest(matchers: readonly Matcher[], { start, end }: TimeRange): Uint8Array {
  const out = new ProtoWriter(1024);
  out.message(0x0a, () => {
    out.int64(0x08, start);
    out.int64(0x10, end);
    for (const { name, op, value } of matchers) {
      out.message(0x1a, () => {
        out.int64(0x08, MATCHER_TYPES[op]);
        out.text(0x12, name);
        out.text(0x1a, value);
      });
    }
  });
  out.int64(0x10, STREAMED_XOR_CHUNKS);
  out.int64(0x10, SAMPLES);
  return out.finish();
}

/** A frame is a megabyte by default; a larger one than this is something else. */
const MOST_FRAME_BYTES = 256 << 20;

/**
 * Splits a streamed answer into its frames: a length, a CRC-32C of four bytes, a `prometheus.ChunkedReadResponse`.
 * @throws {WireError} If a frame is damaged, or the stream ends within one.
 */
export async function* readFrames(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Uint8Array = new Uint8Array();
  for await (const part of body) {
    held = held.length === 0 ? part : joined(held, part);
    for (;;) {
      const frame = frameAt(held);
      if (frame === undefined) break;
      yield frame.bytes;
      held = held.subarray(frame.end);
    }
  }
  if (held.length > 0) throw new WireError('an answer of remote read', 'the stream ends within a frame');
}

function frameAt(held: Uint8Array): { readonly bytes: Uint8Array; readonly end: number } | undefined {
  let size = 0;
  let at = 0;
  for (;;) {
    const byte = held[at];
    if (byte === undefined) return undefined;
    size += (byte & 0x7f) * 2 ** (7 * at++);
    if (byte < 0x80) break;
    if (at === 5) throw new WireError('an answer of remote read', 'a frame has no length');
  }
  if (size > MOST_FRAME_BYTES) throw new WireTooLargeError(`a frame of a remote read has ${size} bytes`);
  const end = at + 4 + size;
  if (held.length < end) return undefined;
  const crc = new DataView(held.buffer, held.byteOffset + at, 4).getUint32(0);
  const bytes = held.subarray(at + 4, end);
  if (crc32c(bytes) !== crc) throw new WireError('an answer of remote read', 'a frame is damaged');
  return { bytes, end };
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

/** Decodes a `prometheus.ChunkedReadResponse`. A series may go on in the next one. */
export function decodeChunkedFrame(bytes: Uint8Array): readonly ReadSeries[] {
  const reader = new ProtoReader(bytes, 'an answer of remote read');
  const all: ReadSeries[] = [];
  messages(reader, { 1: () => void all.push(chunkedSeries(reader)) });
  return all;
}

function chunkedSeries(reader: ProtoReader): ReadSeries {
  const labels: Label[] = [];
  const parts: { readonly times: Float64Array; readonly values: Float64Array }[] = [];
  const histograms: { time: number; count: number }[] = [];
  messages(reader, {
    1: () => void labels.push(labelIn(reader)),
    2: () => {
      let time = 0;
      let kind = 0;
      let data = new Uint8Array() as Uint8Array;
      messages(reader, {
        1: () => (time = reader.varint()),
        3: () => (kind = reader.varint()),
        4: () => (data = reader.bytes.subarray(reader.at, reader.end)),
      });
      if (kind === XOR) parts.push(decodeXorChunk(data));
      else if (kind === HISTOGRAM || kind === FLOAT_HISTOGRAM) histograms.push({ time, count: chunkSamples(data) });
      else throw reader.fault(`a chunk of the kind ${kind}, which is not known`, reader.at);
    },
  });
  return { labels, ...together(parts), histograms };
}

/** Decodes a `prometheus.ReadResponse` with samples: what is answered by who does not stream. */
export function decodeReadResponse(bytes: Uint8Array): readonly ReadSeries[] {
  const reader = new ProtoReader(bytes, 'an answer of remote read');
  const all: ReadSeries[] = [];
  messages(reader, {
    1: () => messages(reader, { 1: () => void all.push(sampledSeries(reader)) }),
  });
  return all;
}

function sampledSeries(reader: ProtoReader): ReadSeries {
  const labels: Label[] = [];
  const samples: { time: number; bits: Uint8Array }[] = [];
  const histograms: { time: number; count: number }[] = [];
  messages(reader, {
    1: () => void labels.push(labelIn(reader)),
    2: () => {
      let time = 0;
      let bits = new Uint8Array(8) as Uint8Array;
      messages(reader, {
        1: () => (bits = reader.bytes.subarray(reader.at, reader.at + 8)),
        2: () => (time = reader.varint()),
      });
      samples.push({ time, bits });
    },
    4: () => {
      let time = 0;
      messages(reader, { 15: () => (time = reader.varint()) });
      histograms.push({ time, count: 1 });
    },
  });
  const times = Float64Array.from(samples, ({ time }) => time);
  const values = new Float64Array(samples.length);
  const memory = new Uint8Array(values.buffer);
  samples.forEach(({ bits }, i) => void memory.set(bits, i * 8));
  return { labels, times, values, histograms };
}

function labelIn(reader: ProtoReader): Label {
  let name = '';
  let value = '';
  const text = () => UTF8.decode(reader.bytes.subarray(reader.at, reader.end));
  messages(reader, { 1: () => (name = text()), 2: () => (value = text()) });
  return [name, value];
}

const UTF8 = new TextDecoder();

/** Reads the fields of the message that ends where the reader does: those of `by`, within their own ends. */
function messages(reader: ProtoReader, by: Readonly<Record<number, () => unknown>>): void {
  const { end } = reader;
  while (reader.at < end) {
    const tag = reader.tag();
    const read = by[tag >>> 3];
    if (read === undefined) {
      reader.skip(tag);
      continue;
    }
    const from = reader.at;
    if ((tag & 7) === 2) {
      reader.end = reader.lengthEnd();
      read();
      reader.at = reader.end;
      reader.end = end;
      continue;
    }
    reader.skip(tag);
    const next = reader.at;
    reader.at = from;
    read();
    reader.at = next;
  }
}

function together(parts: readonly { readonly times: Float64Array; readonly values: Float64Array }[]) {
  if (parts.length === 1) return parts[0]!;
  const length = parts.reduce((sum, { times }) => sum + times.length, 0);
  const all = { times: new Float64Array(length), values: new Float64Array(length) };
  let at = 0;
  for (const { times, values } of parts) {
    all.times.set(times, at);
    all.values.set(values, at);
    at += times.length;
  }
  return all;
}
