import type { Label } from '../model/labels.ts';
import { ProtoWriter } from '../wire/proto-writer.ts';

/** A series as remote write 2.0 sends it. Values travel as bits, times in whole milliseconds. */
export interface OutgoingSeries2 {
  readonly labels: readonly Label[];
  readonly times?: ArrayLike<number>;
  readonly values?: Float64Array;
  /** Of each sample (rc.4); 0: unset. */
  readonly starts?: ArrayLike<number>;
  /** Of the series (rc.3). */
  readonly created?: number;
  /** `Histogram` messages, without their timestamps. */
  readonly histograms?: readonly { readonly bytes: Uint8Array; readonly time: number; readonly start?: number }[];
  readonly exemplars?: readonly { readonly labels: readonly Label[]; readonly value: number; readonly time: number }[];
  readonly metadata?: { readonly type: number; readonly help: string; readonly unit: string };
}

export interface Encoding2 {
  /** One field for each number, as protobuf has it where a field is not packed. */
  readonly unpacked?: boolean;
  /** Symbols behind the series that use them. */
  readonly symbolsLast?: boolean;
  /** Symbols that stand before those of the series. */
  readonly otherSymbols?: readonly string[];
}

/** Encodes an `io.prometheus.write.v2.Request`, not yet compressed. Labels are written in the order given. */
export function encodeWriteRequest2(series: readonly OutgoingSeries2[], encoding: Encoding2 = {}): Uint8Array {
  const symbols = new Map(['', ...(encoding.otherSymbols ?? [])].map((text, i) => [text, i]));
  const out = new ProtoWriter();
  for (const each of series) out.message(0x2a, () => writeSeries(out, each, symbols, encoding));
  const head = new ProtoWriter();
  for (const symbol of symbols.keys()) head.text(0x22, symbol);
  const parts = [head.finish(), out.finish()];
  if (encoding.symbolsLast === true) parts.reverse();
  return Uint8Array.from(Buffer.concat(parts));
}

function writeSeries(
  out: ProtoWriter,
  series: OutgoingSeries2,
  symbols: Map<string, number>,
  { unpacked = false }: Encoding2,
): void {
  const refOf = (text: string) => {
    const ref = symbols.get(text) ?? symbols.size;
    symbols.set(text, ref);
    return ref;
  };
  const refs = (labels: readonly Label[]) => {
    const all = labels.flatMap(([name, value]) => [refOf(name), refOf(value)]);
    if (unpacked) {
      for (const ref of all) out.int64(0x08, ref);
    } else {
      out.message(0x0a, () => {
        for (const ref of all) out.number(ref);
      });
    }
  };
  refs(series.labels);
  const { times = [], values = new Float64Array(), starts } = series;
  const bits = new DataView(values.buffer, values.byteOffset, values.byteLength);
  for (let i = 0; i < values.length; i++) {
    out.message(0x12, () => {
      out.fixed64(0x09, bits, i * 8);
      out.int64(0x10, times[i]!);
      if (starts !== undefined && starts[i] !== 0) out.int64(0x18, starts[i]!);
    });
  }
  for (const { bytes, time, start } of series.histograms ?? []) {
    out.message(0x1a, () => {
      out.bytes(bytes);
      out.int64(0x78, time);
      if (start !== undefined) {
        // Field 17: its tag takes two bytes, 0x88 and 0x01.
        out.bytes(Uint8Array.of(0x88));
        out.int64(0x01, start);
      }
    });
  }
  for (const { labels, value, time } of series.exemplars ?? []) {
    out.message(0x22, () => {
      refs(labels);
      out.fixed64(0x11, new DataView(Float64Array.of(value).buffer), 0);
      out.int64(0x18, time);
    });
  }
  const { metadata } = series;
  if (metadata !== undefined) {
    out.message(0x2a, () => {
      out.int64(0x08, metadata.type);
      out.int64(0x18, refOf(metadata.help));
      out.int64(0x20, refOf(metadata.unit));
    });
  }
  if (series.created !== undefined) out.int64(0x30, series.created);
}
