import { ProtoReader } from './protobuf.ts';

/** A native histogram of whole counts, with exponential buckets, as remote write's `Histogram` has it. */
export interface NativeHistogram {
  readonly count: number;
  readonly sum: Float64Array;
  /** -4 to 8: a bucket is 2^(2^-schema) wide. */
  readonly schema: number;
  readonly zeroThreshold: number;
  readonly zeroCount: number;
  readonly positive: Buckets;
  readonly negative: Buckets;
}

/** Counts by index, without zeros, in order of index. Index `i` holds what is above base^(i-1) and up to base^i. */
export type Buckets = ReadonlyMap<number, number>;

/** Schemas that a native histogram may have. */
export const MIN_SCHEMA = -4;
export const MAX_SCHEMA = 8;

const COUNT = 1;
const SUM = 3;
const SCHEMA = 4;
const ZERO_THRESHOLD = 5;
const ZERO_COUNT = 6;
const NEGATIVE_SPANS = 8;
const NEGATIVE_DELTAS = 9;
const POSITIVE_SPANS = 11;
const POSITIVE_DELTAS = 12;

/** As the store keeps histograms: fields in order, default values left out, no times (`HistogramSample.bytes`). */
export function encodeNativeHistogram(histogram: NativeHistogram): Uint8Array {
  const { count, sum, schema, zeroThreshold, zeroCount, positive, negative } = histogram;
  const bytes: number[] = [];
  if (count !== 0) bytes.push(COUNT << 3, ...varint(count));
  const sumBytes = new Uint8Array(sum.buffer, sum.byteOffset, 8);
  if (sumBytes.some((byte) => byte !== 0)) bytes.push((SUM << 3) | 1, ...sumBytes);
  if (schema !== 0) bytes.push(SCHEMA << 3, ...varint(zigzag(schema)));
  if (zeroThreshold !== 0)
    bytes.push((ZERO_THRESHOLD << 3) | 1, ...new Uint8Array(Float64Array.of(zeroThreshold).buffer));
  if (zeroCount !== 0) bytes.push(ZERO_COUNT << 3, ...varint(zeroCount));
  pushBuckets(bytes, negative, NEGATIVE_SPANS, NEGATIVE_DELTAS);
  pushBuckets(bytes, positive, POSITIVE_SPANS, POSITIVE_DELTAS);
  return Uint8Array.from(bytes);
}

/** A gap of more empty buckets than this begins a new span, as Prometheus's own clients do. */
const LARGEST_FILLED_GAP = 2;

function pushBuckets(bytes: number[], buckets: Buckets, spansField: number, deltasField: number): void {
  const spans: { readonly offset: number; length: number }[] = [];
  const deltas: number[] = [];
  let next = 0;
  let previous = 0;
  const push = (count: number) => {
    spans.at(-1)!.length++;
    deltas.push(...varint(zigzag(count - previous)));
    previous = count;
  };
  for (const [index, count] of buckets) {
    const gap = index - next;
    if (spans.length === 0 || gap > LARGEST_FILLED_GAP) spans.push({ offset: gap, length: 0 });
    else for (let empty = 0; empty < gap; empty++) push(0);
    push(count);
    next = index + 1;
  }
  for (const { offset, length } of spans) {
    const span = [...(offset === 0 ? [] : [1 << 3, ...varint(zigzag(offset))]), 2 << 3, ...varint(length)];
    bytes.push((spansField << 3) | 2, ...varint(span.length), ...span);
  }
  if (deltas.length > 0) {
    bytes.push((deltasField << 3) | 2, ...varint(deltas.length));
    for (const byte of deltas) bytes.push(byte);
  }
}

function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return [...bytes, rest];
}

/**
 * Reads what `encodeNativeHistogram` writes.
 * @returns Undefined where it is of another kind: float counts, custom buckets.
 * @throws {WireError} If the bytes are no such message.
 */
export function decodeNativeHistogram(bytes: Uint8Array): NativeHistogram | undefined {
  const reader = new ProtoReader(bytes, 'native histogram');
  const sum = new Float64Array(1);
  const read = { count: 0, schema: 0, zeroThreshold: 0, zeroCount: 0, other: false };
  const negative: Layout = { spans: [], deltas: [] };
  const positive: Layout = { spans: [], deltas: [] };
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === COUNT << 3) read.count = reader.varint();
    else if (tag === ((SUM << 3) | 1)) new Uint8Array(sum.buffer).set(take8(reader));
    else if (tag === SCHEMA << 3) read.schema = unzigzag(reader.varint());
    else if (tag === ((ZERO_THRESHOLD << 3) | 1))
      read.zeroThreshold = new Float64Array(take8(reader).slice().buffer)[0]!;
    else if (tag === ZERO_COUNT << 3) read.zeroCount = reader.varint();
    else if (tag === ((NEGATIVE_SPANS << 3) | 2)) readSpan(reader, negative);
    else if (tag === ((POSITIVE_SPANS << 3) | 2)) readSpan(reader, positive);
    else if (tag === ((NEGATIVE_DELTAS << 3) | 2)) readDeltas(reader, negative);
    else if (tag === ((POSITIVE_DELTAS << 3) | 2)) readDeltas(reader, positive);
    else {
      read.other = true;
      reader.skip(tag);
    }
  }
  const { other, ...rest } = read;
  if (other || rest.schema < MIN_SCHEMA || rest.schema > MAX_SCHEMA) return undefined;
  return { ...rest, sum, positive: bucketsOf(positive), negative: bucketsOf(negative) };
}

interface Layout {
  readonly spans: { readonly offset: number; readonly length: number }[];
  readonly deltas: number[];
}

function readSpan(reader: ProtoReader, { spans }: Layout): void {
  const outer = reader.end;
  reader.end = reader.lengthEnd();
  let offset = 0;
  let length = 0;
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === 1 << 3) offset = unzigzag(reader.varint());
    else if (tag === 2 << 3) length = reader.uint32();
    else reader.skip(tag);
  }
  reader.end = outer;
  spans.push({ offset, length });
}

function readDeltas(reader: ProtoReader, { deltas }: Layout): void {
  const outer = reader.end;
  reader.end = reader.lengthEnd();
  while (reader.at < reader.end) deltas.push(unzigzag(reader.varint()));
  reader.end = outer;
}

function take8(reader: ProtoReader): Uint8Array {
  const { at } = reader;
  if (at + 8 > reader.end) throw reader.fault('a number is cut short', at);
  reader.at += 8;
  return reader.bytes.subarray(at, at + 8);
}

function unzigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}

function bucketsOf({ spans, deltas }: Layout): Buckets {
  const buckets = new Map<number, number>();
  let index = 0;
  let at = 0;
  let count = 0;
  for (const { offset, length } of spans) {
    index += offset;
    for (let i = 0; i < length && at < deltas.length; i++, index++) {
      count += deltas[at++]!;
      if (count !== 0) buckets.set(index, count);
    }
  }
  return buckets;
}

/** Buckets of a coarser schema: `by` steps down join 2^by neighbours each. */
export function coarser(buckets: Buckets, by: number): Buckets {
  if (by === 0) return buckets;
  const joined = new Map<number, number>();
  for (const [index, count] of buckets) {
    const to = Math.floor((index - 1) / 2 ** by) + 1;
    joined.set(to, (joined.get(to) ?? 0) + count);
  }
  return joined;
}

/** What the cumulative histogram keeps at most, of either sign: it becomes coarser beyond. */
const MAX_BUCKETS = 320;

/** A histogram and what came after it, in one: at the coarser of their schemas. Their zero thresholds must be equal. */
export function addHistograms(a: NativeHistogram, b: NativeHistogram): NativeHistogram {
  let schema = Math.min(a.schema, b.schema);
  let positive = joined(coarser(a.positive, a.schema - schema), coarser(b.positive, b.schema - schema));
  let negative = joined(coarser(a.negative, a.schema - schema), coarser(b.negative, b.schema - schema));
  while (Math.max(positive.size, negative.size) > MAX_BUCKETS && schema > MIN_SCHEMA) {
    positive = coarser(positive, 1);
    negative = coarser(negative, 1);
    schema--;
  }
  return {
    count: a.count + b.count,
    sum: Float64Array.of(a.sum[0]! + b.sum[0]!),
    schema,
    zeroThreshold: a.zeroThreshold,
    zeroCount: a.zeroCount + b.zeroCount,
    positive,
    negative,
  };
}

function joined(a: Buckets, b: Buckets): Buckets {
  const all = new Map(a);
  for (const [index, count] of b) all.set(index, (all.get(index) ?? 0) + count);
  return new Map([...all].sort(([x], [y]) => x - y));
}
