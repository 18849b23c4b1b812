const SIMPLE: Readonly<Record<string, string>> = {
  ...{ a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' },
  ...{ '\\': '\\', "'": "'", '"': '"' },
};
const ESCAPE = /^(?:([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/;
/** How many digits of which kind an escape asks for. */
const DIGITS: readonly (readonly [RegExp, number, RegExp])[] = [
  [/^[0-7]/, 3, /[0-7]/],
  [/^x/, 3, /[0-9a-fA-F]/],
  [/^u/, 5, /[0-9a-fA-F]/],
  [/^U/, 9, /[0-9a-fA-F]/],
];

/** A byte that is not UTF-8, kept as a lone surrogate so that nothing is lost and no label value can equal it. */
const RAW_BYTE = 0xdc00;
const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

/** Decodes a quoted string of three kinds: `"…"` and `'…'` with Go's escapes, and raw in backquotes. */
export function unquote(text: string): string | { readonly error: string } {
  const quote = text[0]!;
  const body = text.slice(1, -1);
  if (quote === '`' || !body.includes('\\')) return body;
  let out = '';
  let bytes: number[] = [];
  const flush = (): void => {
    if (bytes.length > 0) out += decodeBytes(bytes);
    bytes = [];
  };
  for (let at = 0; at < body.length; at++) {
    const char = body[at]!;
    if (char !== '\\') {
      flush();
      out += char;
      continue;
    }
    const next = body[++at];
    if (next === undefined) return { error: 'escape sequence not terminated' };
    const simple = SIMPLE[next];
    if (simple !== undefined) {
      if ((next === '"' || next === "'") && next !== quote) return { error: faultOf(body.slice(at)) };
      flush();
      out += simple;
      continue;
    }
    const found = ESCAPE.exec(body.slice(at, at + 9));
    if (found === null) return { error: faultOf(body.slice(at)) };
    at += found[0].length - 1;
    const [, octal, hex, short, long] = found;
    const code = octal === undefined ? Number.parseInt((hex ?? short ?? long)!, 16) : Number.parseInt(octal, 8);
    if (octal !== undefined || hex !== undefined) {
      if (code > 0xff) return { error: 'escape sequence is an invalid Unicode code point' };
      bytes.push(code);
      continue;
    }
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
      return { error: 'escape sequence is an invalid Unicode code point' };
    }
    flush();
    out += String.fromCodePoint(code);
  }
  flush();
  return out;
}

/** The shortest form in double quotes that `unquote` reads back. */
export function quote(text: string): string {
  let out = '"';
  for (const char of text) {
    const code = char.codePointAt(0)!;
    if (code >= RAW_BYTE && code <= RAW_BYTE + 0xff) out += `\\x${(code - RAW_BYTE).toString(16).padStart(2, '0')}`;
    else if (char === '"' || char === '\\') out += `\\${char}`;
    else if (char === '\n') out += '\\n';
    else if (char === '\r') out += '\\r';
    else if (char === '\t') out += '\\t';
    else if (code < 0x20 || code === 0x7f) out += `\\x${code.toString(16).padStart(2, '0')}`;
    else out += char;
  }
  return `${out}"`;
}

/** Any UTF-8 that is not empty. */
export function isLabelName(name: string): boolean {
  return name !== '' && !LONE_SURROGATE.test(name);
}

/** What is wrong with an escape, of which the backslash was taken. */
function faultOf(rest: string): string {
  const form = DIGITS.find(([start]) => start.test(rest));
  if (form === undefined) return `unknown escape sequence ${describe(rest)}`;
  const [, length, digit] = form;
  for (let at = length === 3 && rest[0] !== 'x' ? 0 : 1; at < length; at++) {
    if (rest[at] === undefined) return 'escape sequence not terminated';
    if (!digit.test(rest[at]!)) return `illegal character ${describe(rest.slice(at))} in escape sequence`;
  }
  return 'escape sequence is an invalid Unicode code point';
}

function describe(text: string): string {
  const char = String.fromCodePoint(text.codePointAt(0)!);
  return `U+${text.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')} '${char}'`;
}

function decodeBytes(bytes: readonly number[]): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes));
  } catch {
    let out = '';
    for (const byte of bytes) out += String.fromCharCode(byte < 0x80 ? byte : RAW_BYTE + byte);
    return out;
  }
}
