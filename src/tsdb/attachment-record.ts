import type { SeriesRef } from '../storage/write.ts';

/** What the log holds of exemplars, native histograms and start times. docs/reference/on-disk-format.md has the bytes. */
export type AttachmentRecord =
  | { readonly kind: 'exemplars'; readonly tenant: number; readonly exemplars: readonly ExemplarEntry[] }
  | { readonly kind: 'histograms'; readonly tenant: number; readonly histograms: readonly HistogramEntry[] }
  | {
      /** From `times[i]` on the samples of a series have this start; 0: unset. */
      readonly kind: 'starts';
      readonly tenant: number;
      readonly refs: readonly SeriesRef[];
      readonly times: readonly number[];
      readonly starts: readonly number[];
    };

export interface ExemplarEntry {
  readonly ref: SeriesRef;
  readonly time: number;
  readonly value: number;
  /** Canonical label bytes; none where it has no labels. */
  readonly labelBytes: Uint8Array;
}

export interface HistogramEntry {
  readonly ref: SeriesRef;
  readonly time: number;
  readonly start: number;
  readonly bytes: Uint8Array;
}

export function isAttachmentRecord<R extends { readonly kind: string }>(
  record: R | AttachmentRecord,
): record is AttachmentRecord {
  return record.kind === 'exemplars' || record.kind === 'histograms' || record.kind === 'starts';
}

/** Reference, two numbers and the length of what follows. */
const ENTRY_BYTES = 24;

/** Bytes of the fields behind the tenant. */
export function attachmentBytes(record: AttachmentRecord): number {
  switch (record.kind) {
    case 'exemplars':
      return record.exemplars.reduce((sum, { labelBytes }) => sum + ENTRY_BYTES + labelBytes.length, 4);
    case 'histograms':
      return record.histograms.reduce((sum, { bytes }) => sum + ENTRY_BYTES + bytes.length, 4);
    case 'starts':
      return 4 + record.refs.length * 20;
  }
}

/** Writes the fields behind the tenant. Returns where they end. */
export function writeAttachment(record: AttachmentRecord, bytes: Uint8Array, view: DataView, start: number): number {
  let at = start + 4;
  const put = (ref: SeriesRef, time: number, number: number) => {
    view.setUint32(at, ref, true);
    view.setFloat64(at + 4, time, true);
    view.setFloat64(at + 12, number, true);
    at += 20;
  };
  const putBytes = (tail: Uint8Array) => {
    view.setUint32(at, tail.length, true);
    bytes.set(tail, at + 4);
    at += 4 + tail.length;
  };
  switch (record.kind) {
    case 'exemplars':
      view.setUint32(start, record.exemplars.length, true);
      for (const { ref, time, value, labelBytes } of record.exemplars) {
        put(ref, time, value);
        putBytes(labelBytes);
      }
      return at;
    case 'histograms':
      view.setUint32(start, record.histograms.length, true);
      for (const { ref, time, start: began, bytes: message } of record.histograms) {
        put(ref, time, began);
        putBytes(message);
      }
      return at;
    case 'starts':
      view.setUint32(start, record.refs.length, true);
      record.refs.forEach((ref, i) => {
        put(ref, record.times[i]!, record.starts[i]!);
      });
      return at;
  }
}

/**
 * Parses the fields behind the tenant, which begin at `at`.
 * @throws {RangeError} If they end early.
 */
export function readAttachment(
  kind: AttachmentRecord['kind'],
  tenant: number,
  view: DataView,
  at: number,
): AttachmentRecord | undefined {
  const count = view.getUint32(at, true);
  let next = at + 4;
  if (count * (kind === 'starts' ? 20 : ENTRY_BYTES) > view.byteLength - next) return undefined;
  const take = () => {
    const entry = { ref: view.getUint32(next, true), time: view.getFloat64(next + 4, true) };
    const number = view.getFloat64(next + 12, true);
    next += 20;
    return { ...entry, number };
  };
  const takeBytes = () => {
    const length = view.getUint32(next, true);
    const from = next + 4;
    if (from + length > view.byteLength) throw new RangeError('a text is cut short');
    next = from + length;
    return new Uint8Array(view.buffer, view.byteOffset + from, length).slice();
  };
  if (kind === 'exemplars') {
    const exemplars: ExemplarEntry[] = [];
    for (let i = 0; i < count; i++) {
      const { ref, time, number } = take();
      exemplars.push({ ref, time, value: number, labelBytes: takeBytes() });
    }
    return { kind, tenant, exemplars };
  }
  if (kind === 'histograms') {
    const histograms: HistogramEntry[] = [];
    for (let i = 0; i < count; i++) {
      const { ref, time, number } = take();
      histograms.push({ ref, time, start: number, bytes: takeBytes() });
    }
    return { kind, tenant, histograms };
  }
  const entries = Array.from({ length: count }, take);
  return {
    kind,
    tenant,
    refs: entries.map(({ ref }) => ref),
    times: entries.map(({ time }) => time),
    starts: entries.map(({ number }) => number),
  };
}
