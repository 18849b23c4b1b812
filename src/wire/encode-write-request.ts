import type { Label } from '../model/labels.ts';
import type { WireMetadata } from './part-lists.ts';
import { ProtoWriter } from './proto-writer.ts';

/** A series to send. Values travel as bits. */
export interface OutgoingSeries {
  readonly labels: readonly Label[];
  /** Whole milliseconds. */
  readonly times: ArrayLike<number>;
  readonly values: Float64Array;
  /** What `encodeSeriesLabels` made of the labels, where somebody kept it: most of a request is labels. */
  readonly labelBytes?: Uint8Array;
  readonly exemplars?: readonly OutgoingExemplar[];
  readonly histograms?: readonly OutgoingHistogram[];
}

export interface OutgoingExemplar {
  readonly labels: readonly Label[];
  /** Whole milliseconds. */
  readonly time: number;
  readonly value: number;
}

/** A native histogram: its message's fields without 15, the timestamp. */
export interface OutgoingHistogram {
  readonly time: number;
  readonly bytes: Uint8Array;
}

const METRIC_TYPES = ['unknown', 'counter', 'gauge', 'histogram', 'gaugehistogram', 'summary', 'info', 'stateset'];

/** Encodes a `prometheus.WriteRequest` (remote write 1.0), not yet compressed. Labels are written in the order given. */
export function encodeWriteRequest(
  series: readonly OutgoingSeries[],
  metadata: readonly WireMetadata[] = [],
): Uint8Array {
  const out = new ProtoWriter();
  for (const { labels, labelBytes, times, values, exemplars = [], histograms = [] } of series) {
    out.message(0x0a, () => {
      if (labelBytes === undefined) writeLabels(out, labels);
      else out.bytes(labelBytes);
      const bits = new DataView(values.buffer, values.byteOffset, values.byteLength);
      for (let i = 0; i < values.length; i++) {
        out.message(0x12, () => {
          out.fixed64(0x09, bits, i * 8);
          out.int64(0x10, times[i]!);
        });
      }
      for (const exemplar of exemplars) out.message(0x1a, () => writeExemplar(out, exemplar));
      for (const { time, bytes } of histograms) {
        out.message(0x22, () => {
          out.bytes(bytes);
          out.int64(0x78, time);
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

/** The labels of a series as a request has them, for `labelBytes`. */
export function encodeSeriesLabels(labels: readonly Label[]): Uint8Array {
  const out = new ProtoWriter(512);
  writeLabels(out, labels);
  return out.finish();
}

function writeExemplar(out: ProtoWriter, { labels, value, time }: OutgoingExemplar): void {
  writeLabels(out, labels);
  const bits = new DataView(Float64Array.of(value).buffer);
  out.fixed64(0x11, bits, 0);
  out.int64(0x18, time);
}

function writeLabels(out: ProtoWriter, labels: readonly Label[]): void {
  for (const [name, value] of labels) {
    out.message(0x0a, () => {
      out.text(0x0a, name);
      out.text(0x12, value);
    });
  }
}
