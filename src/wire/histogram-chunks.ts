import { BitWriter } from './bit-writer.ts';
import { XorWriter } from './encode-xor-chunk.ts';
import { ProtoReader } from './protobuf.ts';

/** A native histogram as the store keeps it (`HistogramSample`). */
export interface TimedHistogram {
  /** Milliseconds. */
  readonly time: number;
  readonly bytes: Uint8Array;
}

export interface HistogramChunk {
  readonly kind: 'histogram' | 'float_histogram';
  readonly start: number;
  readonly end: number;
  readonly data: Uint8Array;
}

/** As in a chunk of floats: so a chunk is a piece of work of well under a millisecond. */
const MOST_IN_CHUNK = 120;
const CUSTOM_BUCKETS = -53;
const STALE_HIGH = 0x7ff00000;
const STALE_LOW = 0x00000002;

const HINT_RESET = 1;
const HINT_NOT_RESET = 2;
const HINT_GAUGE = 3;
/** The two highest bits of a chunk's third byte, by the hint of its first histogram. */
const HEADERS = [0, 0b1000_0000, 0b0100_0000, 0b1100_0000];

/**
 * Encodes histograms of one series, in order of time, as chunks of Prometheus (`tsdb/chunkenc/histogram.go` and
 * `float_histogram.go`). A chunk says of all its histograms but the first that counting did not begin anew before them,
 * and has one layout of buckets: another chunk begins where that does not hold.
 * @throws {WireError} If the bytes of one are damaged.
 */
export function* histogramChunks(histograms: Iterable<TimedHistogram>): Generator<HistogramChunk> {
  let run: Read[] = [];
  for (const { time, bytes } of histograms) {
    const read = readHistogram(bytes, time);
    const last = run.at(-1);
    if (last !== undefined && (run.length === MOST_IN_CHUNK || !goesOn(last, read))) {
      yield chunkOf(run);
      run = [];
    }
    run.push(read);
  }
  if (run.length > 0) yield chunkOf(run);
}

interface Side {
  /** Offset and length, in turns. */
  readonly spans: number[];
  /** Of whole counts: each bucket's difference to the one before. */
  readonly deltas: number[];
  /** Where counts are floats: low and high word of each. */
  readonly words: number[];
}

interface Read {
  readonly time: number;
  readonly isFloat: boolean;
  readonly isStale: boolean;
  /** Whole counts; for floats `countWords`. */
  readonly count: number;
  readonly zeroCount: number;
  readonly countWords: Words;
  readonly zeroCountWords: Words;
  readonly sum: Words;
  readonly schema: number;
  readonly zeroThreshold: number;
  readonly zeroThresholdWords: Words;
  readonly positive: Side;
  readonly negative: Side;
  readonly bounds: readonly Words[];
  readonly hint: number;
}

type Words = readonly [high: number, low: number];
const ZERO: Words = [0, 0];

function readHistogram(bytes: Uint8Array, time: number): Read {
  const reader = new ProtoReader(bytes, 'a stored histogram');
  const { view } = reader;
  const sides = {
    positive: { spans: [], deltas: [], words: [] } as Side,
    negative: { spans: [], deltas: [], words: [] } as Side,
  };
  const bounds: Words[] = [];
  const read = { count: 0, zeroCount: 0, schema: 0, zeroThreshold: 0, hint: 0, isFloat: false };
  const words = { countWords: ZERO, zeroCountWords: ZERO, sum: ZERO, zeroThresholdWords: ZERO };
  const take = (): Words => {
    const { at } = reader;
    if (at + 8 > reader.end) throw reader.fault('a number is cut short', at);
    reader.at += 8;
    return [view.getUint32(at + 4, true), view.getUint32(at, true)];
  };
  while (reader.at < reader.end) {
    const tag = reader.tag();
    const field = tag >>> 3;
    const side = field < 11 ? sides.negative : sides.positive;
    switch (field) {
      case 1:
        read.count = reader.varint();
        break;
      case 2:
        read.isFloat = true;
        words.countWords = take();
        break;
      case 3:
        words.sum = take();
        break;
      case 4:
        read.schema = unzigzag(reader.varint());
        break;
      case 5:
        words.zeroThresholdWords = take();
        read.zeroThreshold = view.getFloat64(reader.at - 8, true);
        break;
      case 6:
        read.zeroCount = reader.varint();
        break;
      case 7:
        read.isFloat = true;
        words.zeroCountWords = take();
        break;
      case 8:
      case 11:
        within(reader, (end) => readSpan(reader, end, side.spans));
        break;
      case 9:
      case 12:
        within(reader, (end) => {
          while (reader.at < end) side.deltas.push(unzigzag(reader.varint()));
        });
        break;
      case 10:
      case 13:
        read.isFloat = true;
        within(reader, (end) => {
          while (reader.at < end) side.words.push(...take());
        });
        break;
      case 14:
        read.hint = reader.varint();
        break;
      case 16:
        within(reader, (end) => {
          while (reader.at < end) bounds.push(take());
        });
        break;
      default:
        reader.skip(tag);
    }
  }
  const isStale = words.sum[0] === STALE_HIGH && words.sum[1] === STALE_LOW;
  if (!isStale) return { time, ...read, ...words, ...sides, bounds, isStale };
  // A marker has no buckets, whatever its sender left in them.
  return { ...EMPTY, time, isFloat: read.isFloat, isStale, sum: words.sum };
}

const NOTHING: Side = { spans: [], deltas: [], words: [] };
const EMPTY: Omit<Read, 'time' | 'isFloat' | 'isStale' | 'sum'> = {
  ...{ count: 0, zeroCount: 0, countWords: ZERO, zeroCountWords: ZERO, schema: 0, zeroThreshold: 0 },
  ...{ zeroThresholdWords: ZERO, positive: NOTHING, negative: NOTHING, bounds: [], hint: 0 },
};

function within(reader: ProtoReader, read: (end: number) => void): void {
  const outer = reader.end;
  reader.end = reader.lengthEnd();
  read(reader.end);
  reader.at = reader.end;
  reader.end = outer;
}

function readSpan(reader: ProtoReader, end: number, spans: number[]): void {
  let offset = 0;
  let length = 0;
  while (reader.at < end) {
    const tag = reader.tag();
    if (tag === 1 << 3) offset = unzigzag(reader.varint());
    else if (tag === 2 << 3) length = reader.uint32();
    else reader.skip(tag);
  }
  spans.push(offset, length);
}

function unzigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}

/** Whether `next` may follow in one chunk. */
function goesOn(last: Read, next: Read): boolean {
  // Float counts are rare, and a chunk each is as right.
  if (last.isFloat || next.isFloat || last.isStale || next.isStale) return false;
  if (last.schema !== next.schema || last.zeroThreshold !== next.zeroThreshold) return false;
  if (!same(last.positive.spans, next.positive.spans) || !same(last.negative.spans, next.negative.spans)) return false;
  if (!same(last.bounds.flat(), next.bounds.flat())) return false;
  if ((last.hint === HINT_GAUGE) !== (next.hint === HINT_GAUGE) || next.hint === HINT_RESET) return false;
  if (next.hint === HINT_GAUGE || next.hint === HINT_NOT_RESET) return true;
  if (next.count < last.count || next.zeroCount < last.zeroCount) return false;
  return !fell(last.positive.deltas, next.positive.deltas) && !fell(last.negative.deltas, next.negative.deltas);
}

function fell(before: readonly number[], now: readonly number[]): boolean {
  let difference = 0;
  return now.some((delta, i) => {
    difference += delta - (before[i] ?? 0);
    return difference < 0;
  });
}

function same(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}

function chunkOf(run: readonly Read[]): HistogramChunk {
  const first = run[0]!;
  const out = new BitWriter(256);
  out.write(run.length, 16);
  out.write(HEADERS[first.hint] ?? 0, 8);
  writeLayout(out, first);
  if (first.isFloat) writeFloats(out, first);
  else writeWhole(out, run);
  const kind = first.isFloat ? 'float_histogram' : 'histogram';
  return { kind, start: first.time, end: run.at(-1)!.time, data: out.finish() };
}

function writeLayout(out: BitWriter, read: Read): void {
  writeZeroThreshold(out, read);
  varbit(out, read.schema);
  for (const { spans } of [read.positive, read.negative]) {
    varbitUnsigned(out, spans.length / 2);
    for (let i = 0; i < spans.length; i += 2) {
      varbitUnsigned(out, spans[i + 1]!);
      varbit(out, spans[i]!);
    }
  }
  if (read.schema !== CUSTOM_BUCKETS) return;
  varbitUnsigned(out, read.bounds.length);
  for (const bound of read.bounds) {
    // Thousandths may be written shorter; any number may be written whole, after a 0.
    out.write(0, 1);
    writeWords(out, bound);
  }
}

/** Powers of two from 2^-243 to 2^10 take a byte. */
function writeZeroThreshold(out: BitWriter, { zeroThreshold, zeroThresholdWords: words }: Read): void {
  if (zeroThreshold === 0) {
    out.write(0, 8);
    return;
  }
  const exponent = ((words[0] >>> 20) & 0x7ff) - 1022;
  const isPower = (words[0] & 0x800f_ffff) === 0 && words[1] === 0;
  if (isPower && exponent >= -242 && exponent <= 11) {
    out.write(exponent + 243, 8);
    return;
  }
  out.write(255, 8);
  writeWords(out, words);
}

/** The first as it is, then differences of differences; the sum by its bits that change. */
function writeWhole(out: BitWriter, run: readonly Read[]): void {
  const columns = (read: Read) => [...read.positive.deltas, ...read.negative.deltas];
  const sum = new XorWriter(out);
  let before: readonly number[] = [];
  let deltas: readonly number[] = [];
  for (const [i, read] of run.entries()) {
    const now = [read.time, read.count, read.zeroCount, ...columns(read)];
    if (i === 0) {
      varbit(out, read.time);
      varbitUnsigned(out, read.count);
      varbitUnsigned(out, read.zeroCount);
      sum.write(...read.sum);
      for (const delta of columns(read)) varbit(out, delta);
      deltas = now.map(() => 0);
    } else {
      const next = now.map((value, k) => value - before[k]!);
      for (const [k, delta] of next.entries()) {
        if (k === 3) sum.write(...read.sum);
        varbit(out, delta - deltas[k]!);
      }
      if (next.length === 3) sum.write(...read.sum);
      deltas = next;
    }
    before = now;
  }
}

function writeFloats(out: BitWriter, read: Read): void {
  varbit(out, read.time);
  writeWords(out, read.countWords);
  writeWords(out, read.zeroCountWords);
  writeWords(out, read.sum);
  for (const { words } of [read.positive, read.negative]) {
    for (let i = 0; i < words.length; i += 2) writeWords(out, [words[i]!, words[i + 1]!]);
  }
}

function writeWords(out: BitWriter, [high, low]: Words): void {
  out.write(high, 32);
  out.write(low, 32);
}

/** Each width has as many ones before it, and a zero, as there are widths before it, and one more; the last has no zero. */
const WIDTHS = [3, 6, 9, 12, 18, 25, 56] as const;

function varbit(out: BitWriter, value: number): void {
  if (value === 0) {
    out.write(0, 1);
    return;
  }
  // Half of the range itself is positive, unlike in two's complement.
  const at = WIDTHS.findIndex((width) => value >= -(2 ** (width - 1) - 1) && value <= 2 ** (width - 1));
  writeVarbit(out, at, value);
}

function varbitUnsigned(out: BitWriter, value: number): void {
  if (value === 0) {
    out.write(0, 1);
    return;
  }
  writeVarbit(
    out,
    WIDTHS.findIndex((width) => value < 2 ** width),
    value,
  );
}

function writeVarbit(out: BitWriter, at: number, value: number): void {
  const width = at === -1 ? 64 : WIDTHS[at]!;
  if (at === -1) out.write(0xff, 8);
  else out.write(2 ** (at + 2) - 2, at + 2);
  if (width > 32) out.writeLong(value, width);
  else out.write(value, width);
}
