import { formatHistogram } from '../../promql/histograms/text.ts';
import { quote } from '../../promql/unquote.ts';
import { formatExponent, formatFixed, formatGeneral, wordOf } from './format-number.ts';
import { formatGoDuration, formatGoTime } from './go-time.ts';
import { type GoValue, typeNameOf } from './values.ts';

/** Go's `fmt.Sprint`: a space between two values neither of which is a text. */
export function sprint(values: readonly GoValue[]): string {
  return values
    .map((value, i) => {
      const apart = i > 0 && typeof value !== 'string' && typeof values[i - 1] !== 'string';
      return (apart ? ' ' : '') + formatPlain(value);
    })
    .join('');
}

/** Go's `fmt.Sprintln`. */
export function sprintln(values: readonly GoValue[]): string {
  return `${values.map((value) => formatPlain(value)).join(' ')}\n`;
}

/** `%v`. */
export function formatPlain(value: GoValue): string {
  if (value === undefined) return '<nil>';
  if (typeof value === 'number') return wordOf(value) ?? formatGeneral(value, undefined);
  if (typeof value !== 'object') return String(value);
  switch (value.kind) {
    case 'map': {
      const sorted = [...value.entries].sort(([a], [b]) => (a < b ? -1 : 1));
      return `map[${sorted.map(([key, each]) => `${key}:${formatPlain(each)}`).join(' ')}]`;
    }
    case 'data':
      return `{${[...value.fields.values()].map(formatPlain).join(' ')}}`;
    case 'list':
      return `[${value.items.map(formatPlain).join(' ')}]`;
    case 'samples':
      return `[${value.samples.map(formatPlain).join(' ')}]`;
    case 'sample':
      return `{${formatPlain(value.labels)} ${formatPlain(value.value)}}`;
    case 'histogram':
      return formatHistogram(value.value);
    case 'time':
      return formatGoTime(value);
    case 'duration':
      return formatGoDuration(value);
    case 'html':
      return value.text;
  }
}

interface Flags {
  readonly minus: boolean;
  readonly plus: boolean;
  readonly sharp: boolean;
  readonly space: boolean;
  readonly zero: boolean;
  readonly width: number | undefined;
  readonly precision: number | undefined;
}

const VERB = /%([-+# 0]*)(\*|\d+)?(?:\.(\*|\d*))?(?:\[(\d+)\])?(.)?/gsu;
/** Wider ones are a mistake, and Go does not pad them. */
const WIDEST = 1_000_000;

/** Go's `fmt.Sprintf`, its notes on mistakes included: `%!d(float64=5)`. */
export function sprintf(format: string, values: readonly GoValue[]): string {
  let next = 0;
  let ordered = true;
  const star = (text: string | undefined): number | undefined => {
    if (text !== '*') return text === undefined ? undefined : Number(text);
    const value = values[next++];
    return typeof value === 'bigint' ? Number(value) : undefined;
  };
  const text = format.replace(VERB, (_all, flags: string, wide, precise, index, verb: string | undefined) => {
    let width = star(wide);
    const precision = precise === '' ? 0 : star(precise);
    if (verb === undefined) return '%!(NOVERB)';
    if (verb === '%') return '%';
    if (index !== undefined) {
      next = Number(index) - 1;
      ordered = false;
    }
    if (next >= values.length) return `%!${verb}(${index === undefined ? 'MISSING' : 'BADINDEX'})`;
    const left = flags.includes('-') || (width !== undefined && width < 0);
    if (width !== undefined) width = Math.min(Math.abs(width), WIDEST);
    const settings = {
      ...{ minus: left, plus: flags.includes('+'), sharp: flags.includes('#'), space: flags.includes(' ') },
      ...{ zero: flags.includes('0') && !left, width, precision },
    };
    return formatVerb(verb, values[next++], settings);
  });
  if (!ordered || next >= values.length) return text;
  const extra = values
    .slice(next)
    .map((value) => (value === undefined ? '<nil>' : `${typeNameOf(value)}=${formatPlain(value)}`));
  return `${text}%!(EXTRA ${extra.join(', ')})`;
}

function formatVerb(verb: string, value: GoValue, flags: Flags): string {
  if (verb === 'T') return padded(typeNameOf(value), flags);
  const text = verbText(verb, value, flags);
  if (text !== undefined) return padded(text, flags, typeof value === 'number' || typeof value === 'bigint');
  if (value === undefined) return `%!${verb}(<nil>)`;
  return `%!${verb}(${typeNameOf(value)}=${formatPlain(value)})`;
}

/** Undefined where the verb is not for the value. */
function verbText(verb: string, value: GoValue, flags: Flags): string | undefined {
  switch (typeof value) {
    case 'number':
      return floatText(verb, value, flags);
    case 'bigint':
      return integerText(verb, value, flags);
    case 'boolean':
      return verb === 't' || verb === 'v' ? String(value) : undefined;
    case 'string':
      return stringText(verb, value, flags);
    case 'undefined':
      return verb === 'v' ? '<nil>' : undefined;
    default:
      if (value.kind === 'duration' && verb === 'd') return String(value.ns);
      return verb === 'v' || verb === 's' || verb === 'q' ? stringText(verb, formatPlain(value), flags) : undefined;
  }
}

function floatText(verb: string, value: number, { plus, space, precision }: Flags): string | undefined {
  const signed = (text: string): string => (/^[+-]/.test(text) ? text : plus ? `+${text}` : space ? ` ${text}` : text);
  const word = wordOf(value);
  if (!'eEfFgGv'.includes(verb)) return undefined;
  if (word !== undefined) return signed(plus ? word : word.replace('+', space ? ' ' : '+'));
  switch (verb) {
    case 'e':
    case 'E': {
      const text = signed(formatExponent(value, precision ?? 6));
      return verb === 'E' ? text.toUpperCase() : text;
    }
    case 'f':
    case 'F':
      return signed(formatFixed(value, precision ?? 6));
    case 'G':
      return signed(formatGeneral(value, precision)).toUpperCase();
    default:
      return signed(formatGeneral(value, precision));
  }
}

const BASES: Readonly<Record<string, readonly [radix: number, prefix: string]>> = {
  ...{ d: [10, ''], v: [10, ''], x: [16, '0x'], X: [16, '0X'], o: [8, '0'], O: [8, ''], b: [2, '0b'] },
};

function integerText(verb: string, value: bigint, { plus, space, sharp, precision }: Flags): string | undefined {
  if (verb === 'c' || verb === 'q' || verb === 'U') {
    const code = value >= 0n && value <= 0x10ffffn ? Number(value) : 0xfffd;
    if (verb === 'U') return `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
    return verb === 'c' ? String.fromCodePoint(code) : `'${String.fromCodePoint(code)}'`;
  }
  const base = BASES[verb];
  if (base === undefined) return undefined;
  const size = (value < 0n ? -value : value).toString(base[0]).padStart(precision ?? 0, '0');
  const prefix = sharp ? base[1] : verb === 'O' ? '0o' : '';
  const sign = value < 0n ? '-' : plus ? '+' : space ? ' ' : '';
  return sign + prefix + (verb === 'X' ? size.toUpperCase() : size);
}

function stringText(verb: string, value: string, { precision, sharp }: Flags): string | undefined {
  const cut = precision === undefined ? value : [...value].slice(0, precision).join('');
  switch (verb) {
    case 's':
    case 'v':
      return cut;
    case 'q':
      return sharp && !cut.includes('`') ? `\`${cut}\`` : quote(cut);
    case 'x':
    case 'X': {
      const text = [...new TextEncoder().encode(cut)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
      return verb === 'X' ? text.toUpperCase() : text;
    }
    default:
      return undefined;
  }
}

function padded(text: string, { minus, zero, width = 0 }: Flags, isNumber = false): string {
  const missing = width - [...text].length;
  if (missing <= 0) return text;
  if (minus) return text + ' '.repeat(missing);
  if (!zero || !isNumber || /Inf|NaN/.test(text)) return ' '.repeat(missing) + text;
  const sign = /^[+\- ]/.exec(text)?.[0] ?? '';
  return sign + '0'.repeat(missing) + text.slice(sign.length);
}
