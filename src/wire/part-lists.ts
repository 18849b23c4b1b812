import type { Label } from '../model/labels.ts';
import type { CoreMemory } from './core-memory.ts';

/** `prometheus.WriteRequest`, or `io.prometheus.write.v2.Request`. */
export type WriteProtocol = '1.0' | '2.0';

export interface WireMetadata {
  readonly metric: string;
  readonly type: string;
  readonly help: string;
  readonly unit: string;
}

/** Words of an entry, as assembly/write-part.ts has them. */
const UNSEEN_WORDS = 8;
const ATTACHED_WORDS = 6;
const METADATA_WORDS = 8;

/** As assembly/sent-labels.ts has them. */
const FLAGS = {
  invalidUtf8: 1,
  oddRefs: 2,
  refsOutOfRange: 4,
  noKey: 8,
  canonical: 16,
  tooLong: 32,
  empty: 64,
} as const;

/** A series that the tables do not know, with its samples' place in the columns. */
export interface UnseenSeries {
  readonly firstSample: number;
  readonly endSample: number;
  /** What `encodeLabels` writes, where the labels are sound and within the limits. */
  readonly canonical: Uint8Array | undefined;
  /** The labels as sent, where they are not: unsorted, names possibly repeated, values possibly empty. */
  readonly sent: Uint8Array;
  /** Where its key is: in the body for 1.0, in `text` for 2.0. Absent: not to be learnt. */
  readonly key: { readonly start: number; readonly length: number } | undefined;
  /** Stands for the metadata that came with it. */
  readonly note: number;
  readonly invalidUtf8: boolean;
  /** A symbol that is not there, or a name without a value. */
  readonly badRefs: boolean;
  /** More labels, or longer ones, than any limit lets pass: `sent` is not all of them. */
  readonly tooLong: boolean;
  /** It has nothing that could be stored. */
  readonly empty: boolean;
}

/** Where an exemplar or a histogram is in the request. */
export interface AttachedPlace {
  /** 0 where the series is unseen. */
  readonly ref: number;
  /** Its index in `unseen`, where `ref` is 0. */
  readonly unseen: number;
  readonly start: number;
  readonly end: number;
  /** The created time of its series (2.0-rc.3), or 0. */
  readonly created: number;
}

export function readUnseen(memory: CoreMemory, text: Uint8Array): readonly UnseenSeries[] {
  const { core } = memory;
  const count = core.unseenCount();
  const words = memory.words(core.unseenAt(), count * UNSEEN_WORDS);
  const all: UnseenSeries[] = [];
  for (let at = 0; at < words.length; at += UNSEEN_WORDS) {
    const flags = words[at]!;
    const sent = text.subarray(words[at + 3]!, words[at + 3]! + words[at + 4]!);
    const isKey = (flags & FLAGS.noKey) === 0 && words[at + 6]! > 0;
    all.push({
      firstSample: words[at + 1]!,
      endSample: words[at + 2]!,
      canonical: flags & FLAGS.canonical ? sent : undefined,
      sent,
      key: isKey ? { start: words[at + 5]!, length: words[at + 6]! } : undefined,
      note: words[at + 7]!,
      invalidUtf8: (flags & FLAGS.invalidUtf8) !== 0,
      badRefs: (flags & (FLAGS.oddRefs | FLAGS.refsOutOfRange)) !== 0,
      tooLong: (flags & FLAGS.tooLong) !== 0,
      empty: (flags & FLAGS.empty) !== 0,
    });
  }
  return all;
}

const NONE: readonly AttachedPlace[] = [];

export function readAttached(memory: CoreMemory, address: number, count: number): readonly AttachedPlace[] {
  if (count === 0) return NONE;
  const words = memory.words(address, count * ATTACHED_WORDS);
  const numbers = new DataView(words.buffer, words.byteOffset, words.byteLength);
  return Array.from({ length: count }, (_, i) => {
    const at = i * ATTACHED_WORDS;
    return {
      ref: words[at]!,
      unseen: words[at + 1]! - 1,
      start: words[at + 2]!,
      end: words[at + 3]!,
      created: numbers.getFloat64(at * 4 + 16, true),
    };
  });
}

/** By number, in both protocols. */
const TYPES = ['unknown', 'counter', 'gauge', 'histogram', 'gaugehistogram', 'summary', 'info', 'stateset'];
const LENIENT = new TextDecoder('utf-8', { ignoreBOM: true });

/** @param address Where the request begins. */
export function readMetadata(memory: CoreMemory, address: number, protocol: WriteProtocol): readonly WireMetadata[] {
  const { core, bytes } = memory;
  const count = core.metadataCount();
  const words = memory.words(core.metadataAt(), count * METADATA_WORDS);
  const textOf = (at: number) =>
    LENIENT.decode(bytes.subarray(address + words[at]!, address + words[at]! + words[at + 1]!));
  return Array.from({ length: count }, (_, i) => {
    const at = i * METADATA_WORDS;
    const type = TYPES[words[at]!] ?? 'unknown';
    const metric = textOf(at + 1);
    return {
      metric: protocol === '2.0' ? familyOf(metric, type) : metric,
      type,
      help: textOf(at + 3),
      unit: textOf(at + 5),
    };
  });
}

const SUFFIXES: Readonly<Record<string, RegExp>> = {
  histogram: /_(?:bucket|count|sum)$/,
  gaugehistogram: /_(?:bucket|gcount|gsum)$/,
  summary: /_(?:count|sum)$/,
};

/** 2.0 describes series, we keep descriptions of families: a classic histogram is one family of three names. */
function familyOf(metric: string, type: string): string {
  const suffix = SUFFIXES[type];
  return suffix === undefined ? metric : metric.replace(suffix, '');
}

/** The texts of `sent`, in pairs. What is not UTF-8 shows replacement characters. */
export function sentLabels(sent: Uint8Array): Label[] {
  const texts: string[] = [];
  for (let at = 0; at < sent.length; ) {
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = sent[at++]!;
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    texts.push(LENIENT.decode(sent.subarray(at, at + length)));
    at += length;
  }
  return Array.from({ length: texts.length >>> 1 }, (_, i) => [texts[2 * i]!, texts[2 * i + 1]!]);
}
