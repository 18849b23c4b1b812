import type { Label } from '../model/labels.ts';
import type { Matcher, MatcherOp } from '../model/matcher.ts';
import type { TimeRange } from '../model/time.ts';
import { crc32c } from './crc32c.ts';
import { encodeXorChunk } from './encode-xor-chunk.ts';
import { WireError } from './errors.ts';
import { histogramChunks, type TimedHistogram } from './histogram-chunks.ts';
import { ProtoWriter } from './proto-writer.ts';
import { ProtoReader } from './protobuf.ts';

/* The answering side of remote read: `remote-read.ts` asks. */

export interface ReadQuery {
  readonly matchers: readonly Matcher[];
  /** Both ends included. */
  readonly range: TimeRange;
}

export interface ReadRequest {
  readonly queries: readonly ReadQuery[];
  /** In the client's order, only those that are known here. Undefined where it names none of them, but others. */
  readonly answer: 'samples' | 'chunks' | undefined;
}

/** A series with all that is answered of it, in order of time. At one time it has a sample or a histogram. */
export interface AnsweredSeries {
  readonly labels: readonly Label[];
  readonly times: Float64Array;
  readonly values: Float64Array;
  readonly histograms: readonly TimedHistogram[];
}

const OPS: readonly MatcherOp[] = ['=', '!=', '=~', '!~'];
const ANSWERS = ['samples', 'chunks'] as const;
/** Kinds of chunks. */
const KINDS = { histogram: 2, float_histogram: 3 } as const;
const XOR = 1;
/** As many as Prometheus has in a chunk: clients decode no more of one than they need. */
const SAMPLES_IN_CHUNK = 120;
/** Samples of an answer that are encoded in one piece. */
const SAMPLES_IN_PIECE = 4_096;
const PIECE_BYTES = 128 * 1024;
/** What JavaScript dates can be; Prometheus asks for all time with more. */
const MOST_MILLIS = 8.64e15;

/**
 * Decodes a `prometheus.ReadRequest`.
 * @throws {WireError} If it is none.
 */
export function decodeReadRequest(bytes: Uint8Array): ReadRequest {
  const reader = new ProtoReader(bytes, 'a remote read request');
  const queries: ReadQuery[] = [];
  const accepted: number[] = [];
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === 0x0a) queries.push(within(reader, () => readQuery(reader)));
    else if (tag === 0x10) accepted.push(reader.varint());
    else if (tag === 0x12) {
      within(reader, () => {
        while (reader.at < reader.end) accepted.push(reader.varint());
      });
    } else reader.skip(tag);
  }
  if (accepted.length === 0) return { queries, answer: 'samples' };
  return { queries, answer: ANSWERS[accepted.find((kind) => ANSWERS[kind] !== undefined) ?? -1] };
}

function readQuery(reader: ProtoReader): ReadQuery {
  const matchers: Matcher[] = [];
  let start = 0;
  let end = 0;
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === 0x08) start = clamped(reader.varint());
    else if (tag === 0x10) end = clamped(reader.varint());
    else if (tag === 0x1a) matchers.push(within(reader, () => readMatcher(reader)));
    else reader.skip(tag);
  }
  return { matchers, range: { start, end } };
}

function readMatcher(reader: ProtoReader): Matcher {
  let kind = 0;
  let name = '';
  let value = '';
  const text = () => within(reader, () => UTF8.decode(reader.bytes.subarray(reader.at, reader.end)));
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === 0x08) kind = reader.varint();
    else if (tag === 0x12) name = text();
    else if (tag === 0x1a) value = text();
    else reader.skip(tag);
  }
  const op = OPS[kind];
  if (op === undefined) throw new WireError('a remote read request', `a matcher of the kind ${kind}`);
  return { name, op, value };
}

const UTF8 = new TextDecoder();

function clamped(time: number): number {
  return Math.max(-MOST_MILLIS, Math.min(MOST_MILLIS, time));
}

function within<T>(reader: ProtoReader, read: () => T): T {
  const outer = reader.end;
  reader.end = reader.lengthEnd();
  const value = read();
  reader.at = reader.end;
  reader.end = outer;
  return value;
}

/** Pieces of bytes that belong together, and how many there are. */
export interface Pieces {
  readonly pieces: readonly Uint8Array[];
  readonly length: number;
}

/**
 * Encodes a series as a `prometheus.TimeSeries` in its place in a `QueryResult`. Yields between pieces of work of well
 * under a millisecond.
 */
export function* encodeSampledSeries(series: AnsweredSeries): Generator<undefined, Pieces, void> {
  const { times, values, histograms } = series;
  const body = new PieceWriter();
  writeLabels(body.out, series.labels);
  for (let from = 0; from < times.length; from += SAMPLES_IN_PIECE) {
    body.add(samplesOf(times, values, from, Math.min(times.length, from + SAMPLES_IN_PIECE)));
    yield;
  }
  for (const { time, bytes } of histograms) {
    body.out.message(0x22, () => {
      body.out.bytes(bytes);
      body.out.int64(0x78, time);
    });
    if (body.isFull()) yield;
  }
  return tagged(0x0a, body.finish());
}

/** What a `ReadResponse` has before the series of a query. */
export function resultHead(length: number): Uint8Array {
  return tagged(0x0a, { pieces: [], length }).pieces[0]!;
}

/** `Sample` messages, each with its tag in a `TimeSeries`. */
function samplesOf(times: Float64Array, values: Float64Array, from: number, to: number): Uint8Array {
  const bytes = new Uint8Array((to - from) * 22);
  const ofValues = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  let at = 0;
  for (let i = from; i < to; i++) {
    bytes[at++] = 0x12;
    const lengthAt = at++;
    bytes[at++] = 0x09;
    bytes.set(ofValues.subarray(8 * i, 8 * i + 8), at);
    at += 8;
    bytes[at++] = 0x10;
    at = writeInt64(bytes, at, times[i]!);
    bytes[lengthAt] = at - lengthAt - 1;
  }
  return bytes.subarray(0, at);
}

function writeInt64(bytes: Uint8Array, start: number, value: number): number {
  let at = start;
  if (value < 0) {
    let rest = BigInt.asUintN(64, BigInt(value));
    for (let i = 0; i < 9; i++, rest >>= 7n) bytes[at++] = Number(rest & 0x7fn) | 0x80;
    bytes[at++] = Number(rest);
    return at;
  }
  // Milliseconds of today take 41 bits: the upper ones apart, so that the rest is whole numbers of 32 bits.
  let rest = value;
  for (; rest > 0x7fff_ffff; rest = Math.floor(rest / 128)) bytes[at++] = (rest % 128) | 0x80;
  let low = rest | 0;
  for (; low > 0x7f; low >>>= 7) bytes[at++] = (low & 0x7f) | 0x80;
  bytes[at++] = low;
  return at;
}

/**
 * A stream's frames are no longer than this where a series can be cut: Prometheus takes the parts of one for two series
 * (it reads 50 MiB of a frame at most), so none is cut that need not be.
 */
const MOST_FRAME_BYTES = 32 << 20;

/**
 * Encodes a series as frames of a streamed answer: a length, a CRC-32C and a `prometheus.ChunkedReadResponse` with chunks
 * of 120 samples each. Yields undefined between pieces of work of well under a millisecond.
 * @param queryIndex Which of the request's queries it answers.
 */
export function* encodeFrames(series: AnsweredSeries, queryIndex: number): Generator<Pieces | undefined, void, void> {
  let body = new PieceWriter();
  let isEmpty = true;
  for (const { kind, start, end, data } of chunksOf(series)) {
    if (isEmpty) writeLabels(body.out, series.labels);
    isEmpty = false;
    body.out.message(0x12, () => {
      if (start !== 0) body.out.int64(0x08, start);
      if (end !== 0) body.out.int64(0x10, end);
      body.out.int64(0x18, kind);
      body.out.int64(0x22, data.length);
      body.out.bytes(data);
    });
    yield;
    body.isFull();
    if (body.length < MOST_FRAME_BYTES) continue;
    yield* framed(body.finish(), queryIndex);
    body = new PieceWriter();
    isEmpty = true;
  }
  if (!isEmpty) yield* framed(body.finish(), queryIndex);
}

interface TypedChunk {
  readonly kind: number;
  readonly start: number;
  readonly end: number;
  readonly data: Uint8Array;
}

/** Chunks of floats and of histograms, none of which overlaps another. */
function* chunksOf({ times, values, histograms }: AnsweredSeries): Generator<TypedChunk> {
  let from = 0;
  let next = 0;
  while (from < times.length || next < histograms.length) {
    const histogramAt = histograms[next]?.time ?? Number.POSITIVE_INFINITY;
    let to = from;
    while (to < times.length && to - from < SAMPLES_IN_CHUNK && times[to]! < histogramAt) to++;
    if (to > from) {
      const [part, valuesOfPart] = [times.subarray(from, to), values.subarray(from, to)];
      yield { kind: XOR, start: part[0]!, end: part.at(-1)!, data: encodeXorChunk(part, valuesOfPart) };
      from = to;
      continue;
    }
    const floatAt = times[from] ?? Number.POSITIVE_INFINITY;
    let last = next;
    while (last < histograms.length && histograms[last]!.time < floatAt) last++;
    for (const { kind, ...chunk } of histogramChunks(histograms.slice(next, last))) {
      yield { ...chunk, kind: KINDS[kind] };
    }
    next = last;
  }
}

function* framed(series: Pieces, queryIndex: number): Generator<Pieces | undefined, void, void> {
  const index = new ProtoWriter(16);
  if (queryIndex > 0) index.int64(0x10, queryIndex);
  const message = tagged(0x0a, series);
  const pieces = [...message.pieces, index.finish()];
  let crc = 0;
  for (const piece of pieces) {
    crc = crc32c(piece, crc);
    if (piece.length > PIECE_BYTES / 2) yield;
  }
  const length = message.length + pieces.at(-1)!.length;
  const head = new ProtoWriter(16);
  head.number(length);
  const sum = new Uint8Array(4);
  new DataView(sum.buffer).setUint32(0, crc);
  head.bytes(sum);
  const start = head.finish();
  yield { pieces: [start, ...pieces], length: start.length + length };
}

function tagged(tag: number, { pieces, length }: Pieces): Pieces {
  const head = new ProtoWriter(16);
  head.number(tag);
  head.number(length);
  const start = head.finish();
  return { pieces: [start, ...pieces], length: start.length + length };
}

function writeLabels(out: ProtoWriter, labels: readonly Label[]): void {
  for (const [name, value] of labels) {
    out.message(0x0a, () => {
      out.text(0x0a, name);
      out.text(0x12, value);
    });
  }
}

/** Collects a message in pieces, so that none of its growing copies what is there already. */
class PieceWriter {
  out = new ProtoWriter(1024);
  length = 0;
  readonly #pieces: Uint8Array[] = [];

  add(bytes: Uint8Array): void {
    this.#take();
    this.#pieces.push(bytes);
    this.length += bytes.length;
  }

  /** Whether a piece is done with: what follows goes into another. */
  isFull(): boolean {
    if (this.out.length < PIECE_BYTES) return false;
    this.#take();
    return true;
  }

  finish(): Pieces {
    this.#take();
    return { pieces: this.#pieces, length: this.length };
  }

  #take(): void {
    if (this.out.length === 0) return;
    this.length += this.out.length;
    this.#pieces.push(this.out.finish());
    this.out = new ProtoWriter(1024);
  }
}
