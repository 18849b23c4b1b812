import { crc32 } from 'node:zlib';
import type { RetentionClass, SeriesRef } from '../storage/write.ts';
import {
  type AttachmentRecord,
  attachmentBytes,
  isAttachmentRecord,
  readAttachment,
  writeAttachment,
} from './attachment-record.ts';
import type { ReadableFile } from './disk.ts';

/** Which layer of a series a sample belongs to. Live samples win over backfilled ones of the same time. */
export type Layer = 'live' | 'backfill';

/** What the log and the snapshots are made of. docs/reference/on-disk-format.md has the bytes. */
export type LogRecord =
  | { readonly kind: 'tenant'; readonly tenant: number; readonly nextRef: SeriesRef; readonly id: string }
  | {
      readonly kind: 'series';
      readonly tenant: number;
      readonly ref: SeriesRef;
      readonly retention: RetentionClass;
      readonly labels: Uint8Array;
    }
  | {
      readonly kind: 'samples';
      readonly tenant: number;
      readonly refs: Uint32Array;
      readonly times: Float64Array;
      readonly values: Float64Array;
    }
  | {
      readonly kind: 'run';
      readonly tenant: number;
      readonly ref: SeriesRef;
      readonly layer: Layer;
      readonly times: Float64Array;
      readonly values: Float64Array;
    }
  | {
      readonly kind: 'metadata';
      readonly tenant: number;
      readonly metric: string;
      readonly type: string;
      readonly help: string;
      readonly unit: string;
    }
  | AttachmentRecord
  | { readonly kind: 'end'; readonly records: number }
  /** Samples of many series as `appendBatch` in assembly/append.ts writes them. */
  | { readonly kind: 'packed'; readonly tenant: number; readonly count: number; readonly bytes: Uint8Array }
  /** Samples of one series, encoded. */
  | {
      readonly kind: 'chunk';
      readonly tenant: number;
      readonly ref: SeriesRef;
      readonly layer: Layer;
      readonly bytes: Uint8Array;
    };

/** `FSR1` read as a little-endian number; starts every record, so that reading can find its way back after damage. */
const MAGIC = 0x31525346;
/** Magic, length of the body, CRC-32 of length and body. */
const FRAME_BYTES = 12;
/** Writers keep records below this; a longer one is damage. */
const MAX_BODY_BYTES = 16 << 20;
/** Samples in one record: 24 bytes each stay far below `MAX_BODY_BYTES`. */
export const MAX_RECORD_SAMPLES = 65_536;
/** Of one series, far below `MAX_BODY_BYTES` too: a longer record would be taken for damage by the next start. */
export const MAX_RECORD_LABEL_BYTES = 1 << 20;

const KINDS = [
  '',
  'tenant',
  'series',
  'samples',
  'run',
  'metadata',
  'end',
  'exemplars',
  'histograms',
  'starts',
  'packed',
  'chunk',
] as const;
/** By their numbers in records and in `assembly/`. */
export const RETENTION_CLASSES: readonly RetentionClass[] = ['raw', 'demand'];
const LAYERS: readonly Layer[] = ['live', 'backfill'];

/** A buffer that records are written into, one after another. */
export class RecordBuffer {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(capacity = 1 << 20) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
    // A burst must not hold its memory for ever.
    if (this.#bytes.length > 8 << 20) {
      this.#bytes = new Uint8Array(1 << 20);
      this.#view = new DataView(this.#bytes.buffer);
    }
  }

  append(record: LogRecord): void {
    const start = this.#length;
    const bodyStart = start + FRAME_BYTES;
    this.#room(FRAME_BYTES + bodyBound(record));
    const end = writeBody(record, this.#bytes, this.#view, bodyStart);
    this.#view.setUint32(start, MAGIC, true);
    this.#view.setUint32(start + 4, end - bodyStart, true);
    this.#view.setUint32(start + 8, frameSum(this.#bytes, start, end), true);
    this.#length = end;
  }

  #room(size: number): void {
    const needed = this.#length + size;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, needed));
    grown.set(this.bytes);
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** The sum covers the length as well, so that a flipped bit there cannot pass. */
function frameSum(bytes: Uint8Array, start: number, end: number): number {
  // Calling zlib costs more than four bytes do.
  let sum = 0xffff_ffff;
  for (let i = start + 4; i < start + 8; i++) sum = SUMS[(sum ^ bytes[i]!) & 0xff]! ^ (sum >>> 8);
  return crc32(bytes.subarray(start + FRAME_BYTES, end), ~sum >>> 0);
}

/** CRC-32 of each byte, as zlib has it. */
const SUMS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte;
  for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0xedb8_8320 : sum >>> 1;
  return sum;
});

function bodyBound(record: LogRecord): number {
  if (isAttachmentRecord(record)) return 16 + attachmentBytes(record);
  switch (record.kind) {
    case 'tenant':
      return 16 + record.id.length * 3;
    case 'series':
      return 16 + record.labels.length;
    case 'samples':
      return 16 + record.refs.length * 20;
    case 'run':
      return 16 + record.times.length * 16;
    case 'metadata':
      return 32 + (record.metric.length + record.type.length + record.help.length + record.unit.length) * 3;
    case 'end':
      return 16;
    case 'packed':
    case 'chunk':
      return 16 + record.bytes.length;
  }
}

const UTF8 = new TextEncoder();
const FROM_UTF8 = new TextDecoder();

function writeBody(record: LogRecord, bytes: Uint8Array, view: DataView, start: number): number {
  let at = start;
  bytes[at++] = KINDS.indexOf(record.kind);
  if (record.kind !== 'end') {
    view.setUint32(at, record.tenant, true);
    at += 4;
  }
  if (isAttachmentRecord(record)) return writeAttachment(record, bytes, view, at);
  switch (record.kind) {
    case 'end':
      view.setFloat64(at, record.records, true);
      return at + 8;
    case 'tenant':
      view.setUint32(at, record.nextRef, true);
      return at + 4 + UTF8.encodeInto(record.id, bytes.subarray(at + 4)).written;
    case 'series':
      view.setUint32(at, record.ref, true);
      bytes[at + 4] = RETENTION_CLASSES.indexOf(record.retention);
      bytes.set(record.labels, at + 5);
      return at + 5 + record.labels.length;
    case 'samples': {
      view.setUint32(at, record.refs.length, true);
      at = writeColumn(bytes, at + 4, record.refs);
      at = writeColumn(bytes, at, record.times);
      return writeColumn(bytes, at, record.values);
    }
    case 'run':
      view.setUint32(at, record.ref, true);
      bytes[at + 4] = LAYERS.indexOf(record.layer);
      view.setUint32(at + 5, record.times.length, true);
      at = writeColumn(bytes, at + 9, record.times);
      return writeColumn(bytes, at, record.values);
    case 'packed':
      view.setUint32(at, record.count, true);
      bytes.set(record.bytes, at + 4);
      return at + 4 + record.bytes.length;
    case 'chunk':
      view.setUint32(at, record.ref, true);
      bytes[at + 4] = LAYERS.indexOf(record.layer);
      bytes.set(record.bytes, at + 5);
      return at + 5 + record.bytes.length;
    case 'metadata':
      for (const text of [record.metric, record.type, record.help, record.unit]) {
        const { written } = UTF8.encodeInto(text, bytes.subarray(at + 4));
        view.setUint32(at, written, true);
        at += 4 + written;
      }
      return at;
  }
}

/** Columns are little-endian, as typed arrays are wherever Node runs. */
function writeColumn(bytes: Uint8Array, at: number, column: Uint32Array | Float64Array): number {
  bytes.set(new Uint8Array(column.buffer, column.byteOffset, column.byteLength), at);
  return at + column.byteLength;
}

/** Parses a body whose sum was right. `undefined` where this release does not know it. */
function readBody(bytes: Uint8Array): LogRecord | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kind = KINDS[bytes[0] ?? 0];
  try {
    if (kind === 'end') return { kind, records: view.getFloat64(1, true) };
    const tenant = view.getUint32(1, true);
    switch (kind) {
      case 'tenant':
        return { kind, tenant, nextRef: view.getUint32(5, true), id: FROM_UTF8.decode(bytes.subarray(9)) };
      case 'series': {
        const retention = RETENTION_CLASSES[bytes[9]!];
        if (retention === undefined) return undefined;
        return { kind, tenant, ref: view.getUint32(5, true), retention, labels: bytes.slice(10) };
      }
      case 'samples': {
        const count = view.getUint32(5, true);
        if (bytes.length !== 9 + count * 20) return undefined;
        return {
          kind,
          tenant,
          refs: new Uint32Array(bytes.slice(9, 9 + count * 4).buffer),
          times: readNumbers(bytes, 9 + count * 4, count),
          values: readNumbers(bytes, 9 + count * 12, count),
        };
      }
      case 'run': {
        const layer = LAYERS[bytes[9]!];
        const count = view.getUint32(10, true);
        if (layer === undefined || bytes.length !== 14 + count * 16) return undefined;
        const times = readNumbers(bytes, 14, count);
        return {
          kind,
          tenant,
          ref: view.getUint32(5, true),
          layer,
          times,
          values: readNumbers(bytes, 14 + count * 8, count),
        };
      }
      case 'metadata': {
        const texts: string[] = [];
        for (let at = 5; at < bytes.length; ) {
          const length = view.getUint32(at, true);
          texts.push(FROM_UTF8.decode(bytes.subarray(at + 4, at + 4 + length)));
          at += 4 + length;
        }
        const [metric = '', type = '', help = '', unit = ''] = texts;
        return { kind, tenant, metric, type, help, unit };
      }
      case 'exemplars':
      case 'histograms':
      case 'starts':
        return readAttachment(kind, tenant, view, 5);
      // Both are taken before the next record is read: their bytes need no copy.
      case 'packed': {
        const count = view.getUint32(5, true);
        // Each takes a byte at least, and room is made for all of them.
        return count > bytes.length - 9 ? undefined : { kind, tenant, count, bytes: bytes.subarray(9) };
      }
      case 'chunk': {
        const layer = LAYERS[bytes[9]!];
        if (layer === undefined) return undefined;
        return { kind, tenant, ref: view.getUint32(5, true), layer, bytes: bytes.subarray(10) };
      }
      default:
        return undefined;
    }
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function readNumbers(bytes: Uint8Array, start: number, count: number): Float64Array {
  return new Float64Array(bytes.slice(start, start + count * 8).buffer);
}

function uint32At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

function isSound(bytes: Uint8Array, start: number, length: number): boolean {
  return frameSum(bytes, start, start + FRAME_BYTES + length) === uint32At(bytes, start + 8);
}

/** What reading a file of records found. */
export interface ReadReport {
  readonly records: number;
  /** Bytes skipped between good records. */
  readonly damagedBytes: number;
  /** Bytes after the last good record. */
  readonly tornBytes: number;
  /** Where the last good record ends. */
  readonly goodEnd: number;
  /** Whole records of a kind that this release does not know. */
  readonly unknownRecords: number;
}

const BLOCK_BYTES = 4 << 20;

/** Reads records from `offset` to the end of a file. Damage is stepped over: reading goes on at the next good record. */
export async function readRecords(
  file: ReadableFile,
  offset: number,
  visit: (record: LogRecord) => void,
): Promise<ReadReport> {
  let block = new Uint8Array(Math.min(BLOCK_BYTES, Math.max(file.size, FRAME_BYTES)));
  /** The file offset of `block[0]`, and how much of the block is filled. */
  let base = offset;
  let filled = 0;
  let at = 0;
  let records = 0;
  let unknownRecords = 0;
  let damagedBytes = 0;
  let goodEnd = offset;

  const fill = async (needed: number): Promise<boolean> => {
    if (filled - at >= needed) return true;
    if (base + at + needed > file.size) return false;
    const next = needed > block.length ? new Uint8Array(needed) : block;
    next.set(block.subarray(at, filled));
    block = next;
    filled -= at;
    base += at;
    at = 0;
    while (filled < needed) {
      const got = await file.read(block.subarray(filled), base + filled);
      if (got === 0) return false;
      filled += got;
    }
    return true;
  };

  // A turn without awaiting keeps recovery fast: only what is not in the block yet is waited for.
  while (filled - at >= FRAME_BYTES || (await fill(FRAME_BYTES))) {
    const length = uint32At(block, at + 4);
    const framed = uint32At(block, at) === MAGIC && length <= MAX_BODY_BYTES;
    const end = at + FRAME_BYTES + length;
    if (!framed || !(end <= filled || (await fill(FRAME_BYTES + length))) || !isSound(block, at, length)) {
      const next = block.subarray(0, filled).indexOf(MAGIC & 0xff, at + 1);
      at = next < 0 ? filled : next;
      continue;
    }
    const record = readBody(block.subarray(at + FRAME_BYTES, at + FRAME_BYTES + length));
    if (record === undefined) unknownRecords++;
    else visit(record);
    records++;
    damagedBytes += base + at - goodEnd;
    at += FRAME_BYTES + length;
    goodEnd = base + at;
  }
  return { records, unknownRecords, damagedBytes, tornBytes: file.size - goodEnd, goodEnd };
}
