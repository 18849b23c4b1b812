import { WireError } from '../wire/errors.ts';
import { ProtoWriter } from '../wire/proto-writer.ts';
import { ProtoReader } from '../wire/protobuf.ts';

export interface SplitRule {
  /** The label whose value says where a series goes. */
  readonly label: string;
  /** Whether series keep it. */
  readonly keep: boolean;
}

/** A remote write request, divided by a label's value. */
export interface SplitRequest {
  /** Requests of the same version, by the value; of series without the label, by the empty text. */
  readonly groups: ReadonlyMap<string, Uint8Array>;
  /** What belongs to no series, metadata of 1.0 above all, as a request; empty where there is none. */
  readonly rest: Uint8Array;
}

const SERIES_1 = 0x0a;
const SYMBOLS_2 = 0x22;
const SERIES_2 = 0x2a;
/** In either version the labels are a series' first field: whole in 1.0, packed references in 2.0. */
const LABELS = 0x0a;
/** As assembly/write-v2.ts has it. */
const MAX_SYMBOLS = 1 << 21;
/** What the tables of symbols may take that each part of 2.0 needs for itself. */
const MAX_SHARED_BYTES = 256 << 20;
const UTF8 = new TextEncoder();
const TEXT = new TextDecoder();

/**
 * Divides a request at the level of its bytes: nothing of a series but its labels is looked at, and values are copied as
 * they are.
 * @throws {WireError} If the bytes are damaged where they are looked at.
 */
export function splitByLabel(bytes: Uint8Array, protocol: '1.0' | '2.0', rule: SplitRule): SplitRequest {
  const symbols = protocol === '2.0' ? symbolsOf(bytes) : undefined;
  const name = UTF8.encode(rule.label);
  // Bytes, since a request may have millions of pieces.
  const groups = new Map<string, ProtoWriter>();
  const rest = new ProtoWriter(1_024);
  const reader = new ProtoReader(bytes);
  while (reader.at < bytes.length) {
    const start = reader.at;
    const tag = reader.tag();
    if (tag !== (symbols === undefined ? SERIES_1 : SERIES_2)) {
      reader.skip(tag);
      rest.bytes(bytes.subarray(start, reader.at));
      continue;
    }
    const end = reader.lengthEnd();
    const inner = bytes.subarray(reader.at, end);
    reader.at = end;
    const { value, without } = symbols === undefined ? labelIn(inner, name) : labelByRef(inner, symbols, name);
    let group = groups.get(value);
    if (group === undefined) {
      group = new ProtoWriter(256);
      groups.set(value, group);
    }
    if (rule.keep || without === undefined) group.bytes(bytes.subarray(start, end));
    else for (const piece of message(tag, without)) group.bytes(piece);
  }
  const others = rest.finish();
  if (symbols === undefined) {
    return { groups: new Map([...groups].map(([value, group]) => [value, group.finish()])), rest: others };
  }
  // References of 2.0 are into the whole table, which every part then needs.
  if (groups.size * others.length > MAX_SHARED_BYTES) {
    const why = `${others.length} bytes of symbols for each of ${groups.size} tenants are too many: send smaller batches`;
    throw new WireError('remote write request', why, 0);
  }
  return {
    groups: new Map([...groups].map(([value, group]) => [value, joined([others, group.finish()])])),
    rest: new Uint8Array(),
  };
}

interface FoundLabel {
  /** Empty where there is none. */
  readonly value: string;
  /** The series without it. */
  readonly without?: readonly Uint8Array[];
}

function labelIn(series: Uint8Array, name: Uint8Array): FoundLabel {
  const reader = new ProtoReader(series);
  while (reader.at < series.length) {
    const start = reader.at;
    const tag = reader.tag();
    if (tag !== LABELS) {
      reader.skip(tag);
      continue;
    }
    const end = reader.lengthEnd();
    reader.end = end;
    let isIt = false;
    let value: Uint8Array | undefined;
    while (reader.at < end) {
      const field = reader.tag();
      if (field !== 0x0a && field !== 0x12) {
        reader.skip(field);
        continue;
      }
      const textEnd = reader.lengthEnd();
      const text = series.subarray(reader.at, textEnd);
      reader.at = textEnd;
      if (field === 0x0a) isIt = equal(text, name);
      else value = text;
    }
    reader.end = series.length;
    if (isIt && value !== undefined) {
      return { value: TEXT.decode(value), without: [series.subarray(0, start), series.subarray(end)] };
    }
  }
  return { value: '' };
}

function labelByRef(series: Uint8Array, symbols: Symbols, name: Uint8Array): FoundLabel {
  const reader = new ProtoReader(series);
  while (reader.at < series.length) {
    const start = reader.at;
    const tag = reader.tag();
    if (tag !== LABELS) {
      reader.skip(tag);
      continue;
    }
    const end = reader.lengthEnd();
    reader.end = end;
    const first = reader.at;
    while (reader.at < end) {
      const pair = reader.at;
      const key = symbols(reader.uint32());
      const value = reader.at < end ? symbols(reader.uint32()) : undefined;
      if (key === undefined || value === undefined || !equal(key, name)) continue;
      const refs = [series.subarray(first, pair), series.subarray(reader.at, end)];
      return {
        value: TEXT.decode(value),
        without: [series.subarray(0, start), ...message(LABELS, refs), series.subarray(end)],
      };
    }
    reader.end = series.length;
  }
  return { value: '' };
}

/** The bytes of a symbol, where there is one. */
type Symbols = (ref: number) => Uint8Array | undefined;

function symbolsOf(bytes: Uint8Array): Symbols {
  const reader = new ProtoReader(bytes);
  const places: number[] = [];
  while (reader.at < bytes.length) {
    const tag = reader.tag();
    if (tag !== SYMBOLS_2) {
      reader.skip(tag);
      continue;
    }
    const end = reader.lengthEnd();
    if (places.length === 2 * MAX_SYMBOLS) throw reader.fault(`more than ${MAX_SYMBOLS} symbols`, reader.at);
    places.push(reader.at, end);
    reader.at = end;
  }
  return (ref) => (2 * ref < places.length ? bytes.subarray(places[2 * ref], places[2 * ref + 1]) : undefined);
}

function message(tag: number, parts: readonly Uint8Array[]): readonly Uint8Array[] {
  const head = [tag];
  let length = parts.reduce((sum, part) => sum + part.length, 0);
  for (; length > 0x7f; length = Math.floor(length / 128)) head.push((length % 128) + 128);
  return [Uint8Array.from([...head, length]), ...parts];
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
