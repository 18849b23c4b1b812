import { type Labels, labelsOf } from '../model/labels.ts';
import type { CoreMemory } from './core-memory.ts';
import type { WriteProtocol } from './part-lists.ts';
import { ProtoReader } from './protobuf.ts';

/** An exemplar of a request, or why it cannot be kept. */
export type ReadExemplar =
  | { readonly kind: 'exemplar'; readonly time: number; readonly value: number; readonly labels: Labels }
  | { readonly kind: 'refused'; readonly time: number; readonly why: string };

/** Names and values of one exemplar: far more than the 4,096 bytes that are kept of one can hold in practice. */
const MAX_TEXTS = 4_096;

const STRICT = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads an `Exemplar` message. Those of 2.0 need the symbols of the request that was decoded last.
 * @throws {WireError} If the bytes are no such message.
 */
export function readExemplar(bytes: Uint8Array, protocol: WriteProtocol, memory: CoreMemory): ReadExemplar {
  const reader = new ProtoReader(bytes, 'exemplar');
  const texts: Uint8Array[] = [];
  let time = 0;
  let value = 0;
  let missing = false;
  let tooMany = false;
  const add = (text: Uint8Array) => {
    if (texts.length < MAX_TEXTS) texts.push(text);
    else tooMany = true;
  };
  const addSymbol = (ref: number) => {
    const text = tooMany ? undefined : symbolOf(memory, ref);
    if (text === undefined) missing = true;
    else add(text);
  };
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === 0x11) {
      if (reader.at + 8 > reader.end) throw reader.fault('a value is cut short', reader.at);
      value = reader.view.getFloat64(reader.at, true);
      reader.at += 8;
    } else if (tag === 0x18) {
      time = reader.varint();
    } else if (tag === 0x0a) {
      const outer = reader.end;
      reader.end = reader.lengthEnd();
      if (protocol === '1.0') for (const text of labelOf(reader)) add(text);
      else while (reader.at < reader.end) addSymbol(reader.varint());
      reader.end = outer;
    } else if (tag === 0x08 && protocol === '2.0') {
      addSymbol(reader.varint());
    } else {
      reader.skip(tag);
    }
  }
  const refused = (why: string) => ({ kind: 'refused', time, why }) as const;
  if (tooMany) return refused('it has more labels than are kept of one');
  if (missing || texts.length % 2 !== 0) return refused('a label refers to a symbol that is not there');
  let all: string[];
  try {
    all = texts.map((text) => STRICT.decode(text));
  } catch {
    return refused('a label is not valid UTF-8');
  }
  const names = all.filter((_, i) => i % 2 === 0);
  if (names.includes('') || new Set(names).size < names.length)
    return refused('a label has no name, or is there twice');
  const labels = labelsOf(names.map((name, i) => [name, all[2 * i + 1]!] as const));
  return { kind: 'exemplar', time, value, labels };
}

function labelOf(reader: ProtoReader): readonly [name: Uint8Array, value: Uint8Array] {
  let name = new Uint8Array();
  let value = new Uint8Array();
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag !== 0x0a && tag !== 0x12) {
      reader.skip(tag);
      continue;
    }
    const end = reader.lengthEnd();
    const text = reader.bytes.slice(reader.at, end);
    reader.at = end;
    if (tag === 0x0a) name = text;
    else value = text;
  }
  return [name, value];
}

function symbolOf(memory: CoreMemory, ref: number): Uint8Array | undefined {
  const { core } = memory;
  if (!(ref >= 0 && ref < core.symbolsFound())) return undefined;
  const at = core.symbolAt(ref) >>> 0;
  return memory.bytes.subarray(at, at + core.symbolLength());
}
