/**
 * Names and values as InfluxDB's line protocol can hold them: it has no way to say a backslash before a comma, or a line
 * break. Such characters stand as `%` and two upper-case hexadecimal digits, and so does a `%` that such digits follow.
 */

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be sent.
const UNSAFE = /[\u0000-\u001f\\\u007f]|%(?=[0-9A-F]{2})/g;
const ENCODED = /%([0-9A-F]{2})/g;

/** What InfluxDB means something else by, where it stands for a tag: columns of its answers. */
const TAKEN = new Set(['time', 'value', 'special']);
/** Its own words, such as `_name` and `_tagKey`, and a comment's beginning. */
const OWN = /^(_[a-zA-Z]|#)/;
/** Escaped ones are misread in names, by InfluxDB 1.6. */
const SEPARATORS = /[,= ]/g;

export function encodeText(text: string): string {
  return text.replace(UNSAFE, percent);
}

/** A label's name, as the key of a tag. */
export function encodeTagKey(name: string): string {
  return TAKEN.has(name) ? percent(name) + name.slice(1) : encodeName(name);
}

/** A metric's name. */
export function encodeName(name: string): string {
  const encoded = encodeText(name).replace(SEPARATORS, percent);
  return OWN.test(encoded) ? percent(encoded) + encoded.slice(1) : encoded;
}

/** The other way, of all three. */
export function decodeText(text: string): string {
  return text.replace(ENCODED, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
}

/** Of the first character. */
function percent(text: string): string {
  return `%${text.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}
