import { nearestWord } from '../model/nearest-word.ts';
import { parseDuration } from '../model/time.ts';
import { type Fault, isNull, type YamlEntry, type YamlTree } from './yaml-tree.ts';

/** Prometheus keeps durations in 63 bits of nanoseconds. */
const LONGEST_MS = 2 ** 63 / 1e6;

/** Reads typed values out of a tree as Prometheus does, and collects what is wrong. What is wrong reads as left out. */
export interface FieldReader {
  readonly faults: Fault[];
  /** Whether keys that are not known are passed over. */
  readonly ignoreUnknown: boolean;
}

/** A mapping with known keys, by key. Undefined: it is null or no mapping. */
export function readFields(
  reader: FieldReader,
  tree: YamlTree,
  what: string,
  known: readonly string[],
): ReadonlyMap<string, YamlEntry> | undefined {
  if (isNull(tree)) return undefined;
  if (tree.kind !== 'map') {
    wrong(reader, tree, `expected ${what} to be a mapping`);
    return undefined;
  }
  for (const { key, at } of tree.entries) {
    if (known.includes(key) || reader.ignoreUnknown) continue;
    const near = nearestWord(key, known);
    const hint = near === undefined ? '' : `; did you mean ${JSON.stringify(near)}?`;
    reader.faults.push({ at, message: `field ${key} not found in ${what}${hint}` });
  }
  return new Map(tree.entries.map((entry) => [entry.key, entry]));
}

/** The items of a list that are not null. */
export function readList(reader: FieldReader, entry: YamlEntry | undefined): readonly YamlTree[] {
  if (entry === undefined || isNull(entry.value)) return [];
  if (entry.value.kind === 'list') return entry.value.items.filter((item) => !isNull(item));
  wrong(reader, entry.value, `expected ${entry.key} to be a list`);
  return [];
}

export function readText(reader: FieldReader, entry: YamlEntry | undefined): string {
  return entry === undefined ? '' : textOf(reader, entry.value, entry.key);
}

export function textOf(reader: FieldReader, tree: YamlTree, what: string): string {
  if (isNull(tree)) return '';
  if (tree.kind === 'scalar') return tree.text;
  wrong(reader, tree, `expected ${what} to be a text`);
  return '';
}

/** In milliseconds; undefined where it is left out. */
export function readDuration(reader: FieldReader, entry: YamlEntry | undefined): number | undefined {
  if (entry === undefined || isNull(entry.value)) return undefined;
  const text = readText(reader, entry);
  if (entry.value.kind !== 'scalar') return undefined;
  let ms = 0;
  try {
    ms = parseDuration(text);
  } catch (error) {
    reader.faults.push({
      at: entry.value.at,
      message: text === '' ? 'empty duration string' : (error as Error).message,
    });
  }
  if (ms < LONGEST_MS) return ms;
  reader.faults.push({ at: entry.value.at, message: `duration out of range: ${JSON.stringify(text)}` });
  return undefined;
}

const INTEGER = /^[+-]?(?:0[xX][0-9a-fA-F]+|0o[0-7]+|0b[01]+|\d+)$/;
const FLOAT = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;

/** A number of any kind, or undefined where it is left out or none. */
export function readNumber(reader: FieldReader, entry: YamlEntry | undefined): number | undefined {
  if (entry === undefined || isNull(entry.value)) return undefined;
  const { value } = entry;
  const number = value.kind === 'scalar' && value.plain ? numberOf(value.text.replaceAll('_', '')) : undefined;
  if (number === undefined) wrong(reader, value, `expected ${entry.key} to be a number`);
  return number;
}

/** A whole number: fractions are cut off, as Prometheus does. */
export function readInteger(reader: FieldReader, entry: YamlEntry | undefined): number {
  return Math.trunc(readNumber(reader, entry) ?? 0);
}

export function readBoolean(reader: FieldReader, entry: YamlEntry | undefined): boolean {
  if (entry === undefined || isNull(entry.value)) return false;
  const { value } = entry;
  if (value.kind === 'scalar' && value.plain) {
    if (/^(?:y|yes|true|on)$/i.test(value.text)) return true;
    if (/^(?:n|no|false|off)$/i.test(value.text)) return false;
  }
  wrong(reader, value, `expected ${entry.key} to be true or false`);
  return false;
}

/** Texts by name, each with its place. */
export function readTexts(reader: FieldReader, entry: YamlEntry | undefined): ReadonlyMap<string, PlacedText> {
  if (entry === undefined || isNull(entry.value)) return new Map();
  if (entry.value.kind !== 'map') {
    wrong(reader, entry.value, `expected ${entry.key} to be a mapping`);
    return new Map();
  }
  return new Map(
    entry.value.entries.map(({ key, at, value }) => [key, { text: textOf(reader, value, key), at, tree: value }]),
  );
}

/** A text with the place of its name and what it was written as. */
export interface PlacedText {
  readonly text: string;
  readonly at: number;
  readonly tree: YamlTree;
}

function numberOf(text: string): number | undefined {
  if (INTEGER.test(text)) {
    const sign = text.startsWith('-') ? -1 : 1;
    return sign * Number(text.replace(/^[+-]/, '').replace(/^0(?=[0-7]+$)/, '0o'));
  }
  if (FLOAT.test(text)) return Number(text);
  const special = /^([+-]?)\.inf$/i.exec(text);
  if (special !== null) return special[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  return /^\.nan$/i.test(text) ? Number.NaN : undefined;
}

function wrong(reader: FieldReader, tree: YamlTree, expected: string): void {
  const got = tree.kind === 'scalar' ? JSON.stringify(tree.text) : tree.kind === 'map' ? 'a mapping' : 'a list';
  reader.faults.push({ at: tree.at, message: `${expected}, got ${got}` });
}
