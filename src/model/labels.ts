/** One label. Names and values may be any UTF-8. */
export type Label = readonly [name: string, value: string];

/** A label set: sorted by name (UTF-16 order of code units, as `<` compares), names unique, no empty values. */
export type Labels = readonly Label[];

export const METRIC_NAME = '__name__';
export const NO_LABELS: Labels = [];

/** Sorts, drops empty values (an empty value means that the label is absent). The last of equal names wins. */
export function labelsOf(entries: Iterable<Label> | Readonly<Record<string, string>>): Labels {
  const pairs = Symbol.iterator in entries ? entries : Object.entries(entries);
  const byName = new Map<string, string>();
  for (const [name, value] of pairs) byName.set(name, value);
  const kept: Label[] = [];
  for (const [name, value] of byName) if (value !== '') kept.push([name, value]);
  return kept.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

/** The value of a label, or the empty string where it is absent: PromQL makes no difference. */
export function labelValue(labels: Labels, name: string): string {
  for (const label of labels) if (label[0] === name) return label[1];
  return '';
}

/** Equal exactly when the label sets are equal. Not for display. */
export function labelsKey(labels: Labels): string {
  let key = '';
  for (const [name, value] of labels) key += `${name.length}:${name}${value.length}:${value}`;
  return key;
}

/** Label by label, name before value, a shorter set first: the order in which Prometheus sorts a matrix. */
export function compareLabels(a: Labels, b: Labels): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    // Label sets of one store share the labels that are equal.
    if (a[i] === b[i]) continue;
    const [nameA, valueA] = a[i]!;
    const [nameB, valueB] = b[i]!;
    if (nameA !== nameB) return nameA < nameB ? -1 : 1;
    if (valueA !== valueB) return valueA < valueB ? -1 : 1;
  }
  return a.length - b.length;
}

const PLAIN_METRIC = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const PLAIN_LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** As PromQL writes a series: `up{job="api"}`, `{"my.metric", job="api"}` where the name needs quotes. */
export function formatLabels(labels: Labels): string {
  const name = labelValue(labels, METRIC_NAME);
  const plain = PLAIN_METRIC.test(name);
  const parts = name !== '' && !plain ? [quote(name)] : [];
  for (const [key, value] of labels) {
    if (key !== METRIC_NAME) parts.push(`${PLAIN_LABEL.test(key) ? key : quote(key)}=${quote(value)}`);
  }
  if (parts.length === 0 && plain) return name;
  return `${plain ? name : ''}{${parts.join(', ')}}`;
}

function quote(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n')}"`;
}

const UTF8 = new TextEncoder();
const FROM_UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Canonical label bytes: for each label in order, varint length and UTF-8 of the name, then of the value.
 * Equal exactly when the label sets are equal, so these bytes identify a series in the store.
 */
export function encodeLabels(labels: Labels): Uint8Array {
  let most = 0;
  // UTF-8 takes up to three bytes for each UTF-16 code unit, and a length at most five.
  for (const [name, value] of labels) most += (name.length + value.length) * 3 + 10;
  const bytes = new Uint8Array(most);
  let at = 0;
  for (const [name, value] of labels) at = putText(bytes, putText(bytes, at, name), value);
  return bytes.slice(0, at);
}

/** A length and the text. Returns where the next one goes. */
function putText(bytes: Uint8Array, start: number, text: string): number {
  const from = start + varintLength(text.length);
  const end = from + text.length;
  // Most texts are short and ASCII: starting the encoder costs more than writing them.
  let i = 0;
  if (text.length <= 100) while (i < text.length && text.charCodeAt(i) < 0x80) bytes[from + i] = text.charCodeAt(i++);
  if (i === text.length) {
    putVarint(bytes, start, text.length);
    return end;
  }
  const encoded = UTF8.encode(text);
  const at = putVarint(bytes, start, encoded.length);
  bytes.set(encoded, at);
  return at + encoded.length;
}

function putVarint(bytes: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest > 0x7f) {
    bytes[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[at++] = rest;
  return at;
}

/** @throws {RangeError} If the bytes are not what `encodeLabels` writes. */
export function decodeLabels(bytes: Uint8Array): Labels {
  const texts: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    let length = 0;
    let shift = 0;
    for (;;) {
      const byte = bytes[at++];
      if (byte === undefined || shift > 28) throw new RangeError('cannot decode labels: a length is cut short');
      length |= (byte & 0x7f) << shift;
      shift += 7;
      if (byte < 0x80) break;
    }
    if (length < 0 || at + length > bytes.length) throw new RangeError('cannot decode labels: a text is cut short');
    try {
      texts.push(decodeText(bytes.subarray(at, at + length)));
    } catch (cause) {
      throw new RangeError('cannot decode labels: a text is not UTF-8', { cause });
    }
    at += length;
  }
  if (texts.length % 2 !== 0) throw new RangeError('cannot decode labels: the last name has no value');
  const labels: Label[] = [];
  for (let i = 0; i < texts.length; i += 2) labels.push([texts[i]!, texts[i + 1]!]);
  return labels;
}

/** Most texts are short and ASCII: starting the decoder costs more than reading them. */
function decodeText(bytes: Uint8Array): string {
  if (bytes.length > 100) return FROM_UTF8.decode(bytes);
  for (const byte of bytes) if (byte > 0x7f) return FROM_UTF8.decode(bytes);
  return String.fromCharCode.apply(null, bytes as unknown as number[]);
}

function varintLength(n: number): number {
  let length = 1;
  while (n > 0x7f) {
    n >>>= 7;
    length++;
  }
  return length;
}
