import { ProtoWriter } from './proto-writer.ts';
import { ProtoReader } from './protobuf.ts';

/** A native histogram of a request: what the store keeps of it, or why it cannot be kept. */
export type ReadHistogram =
  | {
      readonly kind: 'histogram';
      readonly time: number;
      /** 0: unset. */
      readonly start: number;
      /** As `HistogramSample.bytes` has it. */
      readonly bytes: Uint8Array;
    }
  | { readonly kind: 'refused'; readonly time: number; readonly why: string };

const MIN_SCHEMA = -4;
const MAX_SCHEMA = 8;
/** Finer ones are made coarser, as Prometheus does; nobody has finer ones than this. */
const MAX_SENT_SCHEMA = 52;
const CUSTOM_BUCKETS = -53;
/** The store keeps 1 MiB of one. Read, each byte may take ten times as much. */
const MAX_BYTES = 4 << 20;
/** Where a bucket may begin, from the one before: `sint32` on the wire. */
const MAX_OFFSET = 2 ** 31;

interface Span {
  readonly offset: number;
  readonly length: number;
}

interface Side {
  spans: readonly Span[];
  /** Of integer histograms: each count less the one before. */
  deltas: number[];
  /** Of float histograms. */
  counts: number[];
}

interface Fields {
  countInt: number | undefined;
  countFloat: number | undefined;
  sum: Float64Array;
  schema: number;
  zeroThreshold: number;
  zeroCount: number;
  readonly negative: Side;
  readonly positive: Side;
  resetHint: number;
  time: number;
  start: number;
  custom: number[];
}

/**
 * Reads and checks a `Histogram` message of remote write, which is the same in 1.0 and 2.0. The rules are those of
 * Prometheus's `Histogram.Validate`; counts must be below 2^53.
 * @throws {WireError} If the bytes are no such message.
 */
export function readHistogram(bytes: Uint8Array): ReadHistogram {
  if (bytes.length > MAX_BYTES) return { kind: 'refused', time: 0, why: `it takes more than ${MAX_BYTES} bytes` };
  const fields = readFields(bytes);
  const { time, start } = fields;
  const why = faultOf(fields);
  if (why !== undefined) return { kind: 'refused', time, why };
  return { kind: 'histogram', time, start, bytes: encode(coarser(fields)) };
}

function readFields(bytes: Uint8Array): Fields {
  const reader = new ProtoReader(bytes, 'native histogram');
  const spans = { negative: [] as Span[], positive: [] as Span[] };
  const fields: Fields = {
    countInt: undefined,
    countFloat: undefined,
    sum: new Float64Array(1),
    schema: 0,
    zeroThreshold: 0,
    zeroCount: 0,
    negative: { spans: spans.negative, deltas: [], counts: [] },
    positive: { spans: spans.positive, deltas: [], counts: [] },
    resetHint: 0,
    time: 0,
    start: 0,
    custom: [],
  };
  while (reader.at < reader.end) {
    const tag = reader.tag();
    const field = tag >>> 3;
    const side = field < 11 ? fields.negative : fields.positive;
    if (tag === 0x08) fields.countInt = reader.varint();
    else if (tag === 0x11) fields.countFloat = double(reader);
    else if (tag === 0x19) fields.sum = bitsOf(reader);
    else if (tag === 0x20) fields.schema = unzigzag(reader.varint());
    else if (tag === 0x29) fields.zeroThreshold = double(reader);
    else if (tag === 0x30) fields.zeroCount = reader.varint();
    else if (tag === 0x39) fields.zeroCount = double(reader);
    else if (tag === 0x42) spans.negative.push(readSpan(reader));
    else if (tag === 0x5a) spans.positive.push(readSpan(reader));
    else if (field === 9 || field === 12) readNumbers(reader, tag, side.deltas);
    else if (field === 10 || field === 13) readDoubles(reader, tag, side.counts);
    else if (tag === 0x70) fields.resetHint = reader.varint();
    else if (tag === 0x78) fields.time = reader.varint();
    else if (field === 16) readDoubles(reader, tag, fields.custom);
    else if (tag === 17 << 3) fields.start = reader.varint();
    else reader.skip(tag);
  }
  return fields;
}

function readSpan(reader: ProtoReader): Span {
  const outer = reader.end;
  reader.end = reader.lengthEnd();
  let offset = 0;
  let length = 0;
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === 0x08) offset = unzigzag(reader.varint());
    else if (tag === 0x10) length = reader.varint();
    else reader.skip(tag);
  }
  reader.end = outer;
  return { offset, length };
}

/** Packed or not. */
function readNumbers(reader: ProtoReader, tag: number, into: number[]): void {
  if ((tag & 7) === 0) {
    into.push(unzigzag(reader.varint()));
    return;
  }
  if ((tag & 7) !== 2) {
    reader.skip(tag);
    return;
  }
  const outer = reader.end;
  reader.end = reader.lengthEnd();
  while (reader.at < reader.end) into.push(unzigzag(reader.varint()));
  reader.end = outer;
}

/** Packed or not. */
function readDoubles(reader: ProtoReader, tag: number, into: number[]): void {
  if ((tag & 7) === 1) {
    into.push(double(reader));
    return;
  }
  if ((tag & 7) !== 2) {
    reader.skip(tag);
    return;
  }
  const outer = reader.end;
  reader.end = reader.lengthEnd();
  while (reader.at < reader.end) into.push(double(reader));
  reader.end = outer;
}

function double(reader: ProtoReader): number {
  const { at } = reader;
  if (at + 8 > reader.end) throw reader.fault('a value is cut short', at);
  reader.at += 8;
  return reader.view.getFloat64(at, true);
}

/** As memory: a staleness marker must not pass through a number. */
function bitsOf(reader: ProtoReader): Float64Array {
  const { at } = reader;
  double(reader);
  return new Float64Array(reader.bytes.slice(at, at + 8).buffer);
}

function unzigzag(value: number): number {
  // Numbers of more than 53 bits are refused later: what they are exactly makes no difference.
  const unsigned = value < 0 ? value + 2 ** 64 : value;
  return unsigned % 2 === 0 ? unsigned / 2 : -(unsigned + 1) / 2;
}

const MOST = Number.MAX_SAFE_INTEGER;

function faultOf(fields: Fields): string | undefined {
  const { countInt, countFloat, schema, custom, zeroCount, zeroThreshold, positive, negative } = fields;
  if (countInt !== undefined && countFloat !== undefined) return 'it has a count of both kinds';
  const isFloat = countFloat !== undefined;
  if (schema === CUSTOM_BUCKETS) {
    if (negative.spans.length + negative.deltas.length + negative.counts.length > 0) return 'custom buckets below zero';
    if (zeroCount !== 0 || zeroThreshold !== 0) return 'a zero bucket beside custom buckets';
    const unordered = custom.some((bound, i) => !(bound < Infinity) || (i > 0 && !(bound > custom[i - 1]!)));
    if (unordered) return 'the bounds of its custom buckets do not ascend';
    const used = positive.spans.reduce((sum, { offset, length }) => sum + offset + length, 0);
    if (used > custom.length + 1) return `${used} custom buckets where there are ${custom.length} bounds`;
  } else if (!(schema >= MIN_SCHEMA && schema <= MAX_SENT_SCHEMA)) {
    return `the schema ${schema} is not one of ${MIN_SCHEMA} to ${MAX_SCHEMA}, or ${CUSTOM_BUCKETS}`;
  } else if (custom.length > 0) {
    return 'bounds of custom buckets in a schema that has none';
  }
  if (!(zeroCount >= 0)) return 'the count of its zero bucket is below 0';
  let sum = zeroCount;
  for (const side of [negative, positive]) {
    const other = isFloat ? side.deltas : side.counts;
    if (other.length > 0) return 'it has counts of both kinds';
    const buckets = isFloat ? side.counts.length : side.deltas.length;
    const spanned = side.spans.reduce((total, { length }) => total + length, 0);
    if (spanned !== buckets) return `its spans need ${spanned} buckets, and it has ${buckets}`;
    if (side.spans.some(({ offset, length }) => length < 0 || Math.abs(offset) > MAX_OFFSET)) {
      return 'a span is out of range';
    }
    if (side.spans.some(({ offset }, i) => offset < 0 && (i > 0 || schema === CUSTOM_BUCKETS))) {
      return 'a span begins before the end of the one before it';
    }
    for (const count of countsOf(side, isFloat)) {
      if (!(count >= 0) || (!isFloat && count > MOST)) return `a bucket has the count ${count}`;
      sum += count;
    }
  }
  if (isFloat) return countFloat >= 0 || Number.isNaN(countFloat) ? undefined : `its count is ${countFloat}`;
  const count = countInt ?? 0;
  if (!(count >= 0) || count > MOST) return `its count is ${count}`;
  // Observations that are NaN are in no bucket.
  const agrees = Number.isNaN(fields.sum[0]) ? sum <= count : sum === count;
  return agrees ? undefined : `its count is ${count}, and its buckets have ${sum}`;
}

function countsOf({ deltas, counts }: Side, isFloat: boolean): readonly number[] {
  if (isFloat) return counts;
  let count = 0;
  return deltas.map((delta) => {
    count += delta;
    return count;
  });
}

/** At a schema that is stored: finer buckets are joined. */
function coarser(fields: Fields): Fields {
  const by = fields.schema - MAX_SCHEMA;
  if (by <= 0) return fields;
  const isFloat = fields.countFloat !== undefined;
  const [positive, negative] = [fields.positive, fields.negative].map((side) => joined(side, by, isFloat));
  return { ...fields, schema: MAX_SCHEMA, positive: positive!, negative: negative! };
}

function joined(side: Side, by: number, isFloat: boolean): Side {
  const counts = countsOf(side, isFloat);
  const byIndex = new Map<number, number>();
  let index = 0;
  let at = 0;
  for (const { offset, length } of side.spans) {
    index += offset;
    for (let i = 0; i < length; i++, index++) {
      const to = Math.floor((index - 1) / 2 ** by) + 1;
      byIndex.set(to, (byIndex.get(to) ?? 0) + counts[at++]!);
    }
  }
  const spans: { offset: number; length: number }[] = [];
  let next = 0;
  for (const to of byIndex.keys()) {
    if (spans.length === 0 || to !== next) spans.push({ offset: to - next, length: 0 });
    spans.at(-1)!.length++;
    next = to + 1;
  }
  const values = [...byIndex.values()];
  if (isFloat) return { spans, deltas: [], counts: values };
  return { spans, deltas: values.map((count, i) => count - (values[i - 1] ?? 0)), counts: [] };
}

/** Fields in order of number, default values left out, packed, without times. */
function encode(fields: Fields): Uint8Array {
  const out = new ProtoWriter(256);
  const { countInt, countFloat, sum, zeroThreshold, zeroCount, resetHint, custom } = fields;
  const isFloat = countFloat !== undefined;
  if (countInt !== undefined && countInt !== 0) out.int64(0x08, countInt);
  writeDouble(out, 0x11, countFloat ?? 0);
  const bits = new DataView(sum.buffer, sum.byteOffset, 8);
  if (bits.getUint32(0) !== 0 || bits.getUint32(4) !== 0) out.fixed64(0x19, bits, 0);
  if (fields.schema !== 0) out.int64(0x20, zigzag(fields.schema));
  writeDouble(out, 0x29, zeroThreshold);
  if (isFloat) writeDouble(out, 0x39, zeroCount);
  else if (zeroCount !== 0) out.int64(0x30, zeroCount);
  writeSide(out, fields.negative, 0x42);
  writeSide(out, fields.positive, 0x5a);
  if (resetHint !== 0) out.int64(0x70, resetHint);
  if (custom.length > 0) {
    // Field 16: its tag takes two bytes, 0x82 and 0x01.
    out.bytes(Uint8Array.of(0x82));
    out.message(0x01, () => writeDoubles(out, custom));
  }
  return out.finish();
}

/** @param tag Of the spans; that of the deltas follows, then that of the counts. */
function writeSide(out: ProtoWriter, { spans, deltas, counts }: Side, tag: number): void {
  for (const { offset, length } of spans) {
    out.message(tag, () => {
      if (offset !== 0) out.int64(0x08, zigzag(offset));
      if (length !== 0) out.int64(0x10, length);
    });
  }
  if (deltas.length > 0) {
    out.message(tag + 8, () => {
      for (const delta of deltas) out.number(zigzag(delta));
    });
  }
  if (counts.length > 0) out.message(tag + 16, () => writeDoubles(out, counts));
}

function writeDoubles(out: ProtoWriter, values: readonly number[]): void {
  out.bytes(new Uint8Array(Float64Array.from(values).buffer));
}

function writeDouble(out: ProtoWriter, tag: number, value: number): void {
  if (value !== 0) out.fixed64(tag, new DataView(Float64Array.of(value).buffer), 0);
}

function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1;
}
