import type { Label } from '../model/labels.ts';
import type { WireMetadata } from './remote-write.ts';

/** A series to send. Values travel as bits. */
export interface OutgoingSeries {
  readonly labels: readonly Label[];
  /** Whole milliseconds. */
  readonly times: ArrayLike<number>;
  readonly values: Float64Array;
}

const UTF8 = new TextEncoder();
const METRIC_TYPES = ['unknown', 'counter', 'gauge', 'histogram', 'gaugehistogram', 'summary', 'info', 'stateset'];

/** Encodes a `prometheus.WriteRequest` (remote write 1.0), not yet compressed. Labels are written in the order given. */
export function encodeWriteRequest(
  series: readonly OutgoingSeries[],
  metadata: readonly WireMetadata[] = [],
): Uint8Array {
  const out = new Writer();
  for (const { labels, times, values } of series) {
    out.message(0x0a, () => {
      for (const [name, value] of labels) {
        out.message(0x0a, () => {
          out.text(0x0a, name);
          out.text(0x12, value);
        });
      }
      const bits = new DataView(values.buffer, values.byteOffset, values.byteLength);
      for (let i = 0; i < values.length; i++) {
        out.message(0x12, () => {
          out.fixed64(0x09, bits, i * 8);
          out.int64(0x10, times[i]!);
        });
      }
    });
  }
  for (const { metric, type, help, unit } of metadata) {
    out.message(0x1a, () => {
      out.int64(0x08, Math.max(0, METRIC_TYPES.indexOf(type)));
      out.text(0x12, metric);
      out.text(0x22, help);
      out.text(0x2a, unit);
    });
  }
  return out.finish();
}

class Writer {
  #bytes = new Uint8Array(65_536);
  #at = 0;

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#at);
  }

  /** Writes a nested message; its length is put in front once it is known. */
  message(tag: number, write: () => void): void {
    this.#room(16);
    this.#bytes[this.#at++] = tag;
    const start = this.#at;
    this.#at += 1;
    write();
    const length = this.#at - start - 1;
    const extra = varintSize(length) - 1;
    if (extra > 0) {
      this.#room(extra);
      this.#bytes.copyWithin(start + 1 + extra, start + 1, this.#at);
    }
    this.#at = start;
    this.#varint(length);
    this.#at += length;
  }

  text(tag: number, text: string): void {
    const bytes = UTF8.encode(text);
    this.#room(16 + bytes.length);
    this.#bytes[this.#at++] = tag;
    this.#varint(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  fixed64(tag: number, source: DataView, offset: number): void {
    this.#room(16);
    this.#bytes[this.#at++] = tag;
    // Typed arrays are little-endian wherever Node runs, as protobuf is.
    for (let i = 0; i < 8; i++) this.#bytes[this.#at++] = source.getUint8(offset + i);
  }

  int64(tag: number, value: number): void {
    this.#room(16);
    this.#bytes[this.#at++] = tag;
    if (value >= 0) {
      this.#varint(value);
      return;
    }
    let rest = BigInt.asUintN(64, BigInt(Math.trunc(value)));
    for (let i = 0; i < 9; i++) {
      this.#bytes[this.#at++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#bytes[this.#at++] = Number(rest);
  }

  #varint(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      this.#bytes[this.#at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#at++] = rest;
  }

  #room(size: number): void {
    if (this.#at + size <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + size));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) size++;
  return size;
}
