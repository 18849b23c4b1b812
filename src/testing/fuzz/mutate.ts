/** From 0 to 1. */
export type Random = () => number;

/** Bodies and words that mutations take from. */
export interface Material {
  readonly bodies: readonly Uint8Array[];
  /** Put into texts. */
  readonly words?: readonly string[];
}

/** No input is longer: decoding must take time and memory by its length. */
const MAX_INPUT_BYTES = 64 << 10;
const ODD_BYTES = [0, 1, 0x0a, 0x22, 0x5c, 0x7f, 0x80, 0xc0, 0xff];
const ODD_WORDS = [0, 1, 0x7f, 0x80, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
const ODD_VARINTS: readonly (readonly number[])[] = [
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0x07],
  [0x80, 0x80, 0x80, 0x80, 0x08],
  [0x80, 0x80, 0x80, 0x80, 0x10],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
];
const ODD_TEXTS = [
  'NaN',
  '-0',
  '1e999',
  '1e-999',
  '0x1p-2',
  '18446744073709551616',
  '-9223372036854775809',
  '\u0000',
  '\ud800',
  '"',
  '\\',
  '{',
  '}',
  ',',
  '\n',
  '\r\n',
  ' ',
  '#',
  '=',
];
const UTF8 = new TextEncoder();

/** A body of the material, changed in one to eight ways; now and then bytes that never were a body. */
export function mutated(random: Random, material: Material): Uint8Array {
  if (random() < 0.02) return randomBytes(random, Math.floor(random() ** 3 * 2_048));
  let bytes = pick(random, material.bodies);
  // Most have one change, and decode far.
  for (let more = true; more; more = random() < 0.45) {
    const change = pick(random, CHANGES);
    bytes = change(random, bytes, material);
    if (bytes.length > MAX_INPUT_BYTES) bytes = bytes.subarray(0, MAX_INPUT_BYTES);
  }
  return bytes;
}

export function pick<T>(random: Random, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)]!;
}

export function randomBytes(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => Math.floor(random() * 256));
}

type Change = (random: Random, bytes: Uint8Array, material: Material) => Uint8Array;

const below = (random: Random, length: number) => Math.floor(random() * (length + 1));

const flip: Change = (random, bytes) => {
  const changed = bytes.slice();
  const at = below(random, bytes.length - 1);
  if (at < bytes.length) changed[at]! ^= 1 << Math.floor(random() * 8);
  return changed;
};

const setByte: Change = (random, bytes) => {
  const changed = bytes.slice();
  changed[below(random, bytes.length - 1)] = pick(random, ODD_BYTES);
  return changed;
};

const setWord: Change = (random, bytes) => {
  if (bytes.length < 8) return bytes;
  const changed = bytes.slice();
  const view = new DataView(changed.buffer);
  const at = below(random, bytes.length - 8);
  if (random() < 0.6) view.setUint32(at, pick(random, [...ODD_WORDS, bytes.length, bytes.length - at]), true);
  else view.setFloat64(at, pick(random, [Number.NaN, -0, 1e300, -1e300, Number.POSITIVE_INFINITY, 2 ** 53]), true);
  return changed;
};

/** What may be a length, one more or less, or twice as much. */
const changeLength: Change = (random, bytes) => {
  const changed = bytes.slice();
  const at = below(random, bytes.length - 1);
  const length = changed[at] ?? 0;
  changed[at] = pick(random, [length + 1, length - 1, length * 2, length >> 1, 0, 0x7f]) & 0xff;
  return changed;
};

const cut: Change = (random, bytes) => bytes.slice(0, below(random, bytes.length));

const remove: Change = (random, bytes) => {
  const from = below(random, bytes.length);
  return join(bytes.subarray(0, from), bytes.subarray(from + Math.floor(random() ** 2 * 64)));
};

const repeat: Change = (random, bytes) => {
  const from = below(random, bytes.length);
  const part = bytes.subarray(from, from + 1 + Math.floor(random() * 64));
  const times = 1 + Math.floor(random() ** 4 * 300);
  return join(bytes.subarray(0, from), ...new Array<Uint8Array>(times).fill(part), bytes.subarray(from));
};

const splice: Change = (random, bytes, { bodies }) => {
  const other = pick(random, bodies);
  return join(bytes.subarray(0, below(random, bytes.length)), other.subarray(below(random, other.length)));
};

const insert: Change = (random, bytes, { words = [] }) => {
  const at = below(random, bytes.length);
  const what = random();
  const isText = words.length > 0;
  const put =
    what < 0.4
      ? isText
        ? UTF8.encode(pick(random, random() < 0.6 ? words : ODD_TEXTS))
        : Uint8Array.from(pick(random, ODD_VARINTS))
      : what < 0.7
        ? randomBytes(random, 1 + Math.floor(random() * 8))
        : UTF8.encode(pick(random, ODD_TEXTS));
  // In the place of what was there, or beside it.
  return join(bytes.subarray(0, at), put, bytes.subarray(random() < 0.5 ? at : at + put.length));
};

/** Brackets in brackets, or messages in messages. */
const nest: Change = (random, bytes, { words = [] }) => {
  const depth = 1 + Math.floor(random() ** 2 * (words.length > 0 ? 4_000 : 200));
  if (words.length > 0) {
    const opened = UTF8.encode(pick(random, ['(', '[', '{', '{"a":', '-', '[{"kvlistValue":{"values":', '"', '\\']));
    const at = below(random, bytes.length);
    return join(bytes.subarray(0, at), ...new Array<Uint8Array>(depth).fill(opened), bytes.subarray(at));
  }
  let nested = bytes.subarray(0, 4_096);
  const tag = (1 + Math.floor(random() * 12)) * 8 + 2;
  for (let i = 0; i < depth; i++) nested = join(Uint8Array.of(tag), varint(nested.length), nested);
  return nested;
};

/** Changes one field, however deep, and keeps the lengths of all around it right: so it is read. */
const changeField: Change = (random, bytes, material) => {
  const fields = fieldsOf(bytes);
  if (fields === undefined || fields.length === 0) return flip(random, bytes, material);
  const at = Math.floor(random() * fields.length);
  const field = fields[at]!;
  const action = random();
  const others = [...fields];
  if (action < 0.1) others.splice(at, 1);
  else if (action < 0.2) others.splice(at, 0, ...new Array<Field>(1 + Math.floor(random() ** 3 * 50)).fill(field));
  else if (action < 0.25) others.splice(at, 1, { ...field, tag: 1 + Math.floor(random() * 140) });
  else if (action < 0.3) others.splice(Math.floor(random() * fields.length), 0, field);
  else others[at] = { ...field, body: changeBody(random, field, material) };
  return join(...others.map(encodeField));
};

function changeBody(random: Random, { tag, body }: Field, material: Material): Uint8Array {
  if ((tag & 7) === 0)
    return random() < 0.5 ? Uint8Array.from(pick(random, ODD_VARINTS)) : varint(Math.floor(random() * 300));
  if ((tag & 7) !== 2) return setWord(random, join(body, new Uint8Array(8)), material).slice(0, body.length);
  if (random() < 0.75) return changeField(random, body, material);
  return pick(random, [flip, setByte, cut, repeat, insert, remove])(random, body, material);
}

const CHANGES: readonly Change[] = [
  ...[flip, setByte, setWord, changeLength, cut, remove, repeat, splice, insert, nest],
  // Most of what is changed without care is refused at once.
  ...[changeField, changeField, changeField, insert],
];

interface Field {
  readonly tag: number;
  /** Without its length. */
  readonly body: Uint8Array;
}

/** The fields of a protobuf message. Undefined where the bytes are none. */
function fieldsOf(bytes: Uint8Array): readonly Field[] | undefined {
  const fields: Field[] = [];
  let at = 0;
  const number = (): number | undefined => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) return undefined;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return undefined;
  };
  while (at < bytes.length) {
    const tag = number();
    if (tag === undefined || tag < 8 || tag > 8 * 512) return undefined;
    const kind = tag & 7;
    let from = at;
    let length: number;
    if (kind === 0) {
      if (number() === undefined) return undefined;
      length = at - from;
    } else if (kind === 2) {
      const found = number();
      if (found === undefined) return undefined;
      from = at;
      length = found;
    } else if (kind === 1 || kind === 5) length = kind === 1 ? 8 : 4;
    else return undefined;
    if (from + length > bytes.length) return undefined;
    fields.push({ tag, body: bytes.subarray(from, from + length) });
    at = from + length;
  }
  return fields;
}

function encodeField({ tag, body }: Field): Uint8Array {
  return (tag & 7) === 2 ? join(varint(tag), varint(body.length), body) : join(varint(tag), body);
}

export function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return Uint8Array.from([...bytes, rest]);
}

export function join(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
