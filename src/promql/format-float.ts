/** As Go's `strconv.FormatFloat(v, 'f', -1, 64)` writes it: no exponent, `+Inf`, `NaN`. */
export function formatFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  if (Object.is(value, -0)) return '-0';
  const text = String(value);
  const exponentAt = text.indexOf('e');
  if (exponentAt === -1) return text;
  const exponent = Number(text.slice(exponentAt + 1));
  const sign = value < 0 ? '-' : '';
  const [whole, fraction = ''] = text.slice(sign.length, exponentAt).split('.') as [string, string?];
  const digits = whole + fraction;
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - whole.length)}${digits}`;
  return sign + digits.padEnd(exponent + whole.length, '0');
}

/**
 * As Go's `%g` writes it: an exponent of two digits at least, below 1e-4 and from 1e6 on.
 * @param digits At most so many, of which there may be fewer, and the exponent from as many on. Not given: the shortest.
 */
export function formatGeneral(value: number, digits?: number): string {
  if (!Number.isFinite(value) || Object.is(value, -0)) return formatFloat(value);
  const shown = digits === undefined ? value : roundedToEven(value, digits);
  const [mantissa, exponent] = shown.toExponential().split('e') as [string, string];
  const size = Number(exponent);
  if (shown === 0 || (size >= -4 && size < (digits ?? 6))) return String(shown);
  return `${mantissa}e${size < 0 ? '-' : '+'}${String(Math.abs(size)).padStart(2, '0')}`;
}

/** To so many digits, and of two that are equally near to the even one, as Go does; `toPrecision` takes the larger. */
function roundedToEven(value: number, digits: number): number {
  const [mantissa, exponent] = value.toExponential(99).split('e') as [string, string];
  const exact = mantissa.replace('.', '').replace(/0+$/, '');
  const sign = value < 0 ? 1 : 0;
  const isTie = exact.length === sign + digits + 1 && exact.endsWith('5');
  const isEven = '02468'.includes(exact.at(-2) ?? '');
  if (!isTie || !isEven) return Number(value.toPrecision(digits));
  return Number(`${exact.slice(0, -1)}e${Number(exponent) - digits + 1}`);
}

/** As Go's `%f` writes it: six digits after the point. */
export function formatFixed(value: number): string {
  if (!Number.isFinite(value)) return formatFloat(value);
  const text = Math.abs(value) < 1e21 ? value.toFixed(6) : `${BigInt(value)}.000000`;
  return Object.is(value, -0) ? `-${text}` : text;
}

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const INFINITE = /^([+-]?)inf(?:inity)?$/i;

/** The number in a label such as `le`, or undefined. NaN is one. */
export function parseFloatLabel(text: string): number | undefined {
  if (DECIMAL.test(text)) return Number(text);
  const infinite = INFINITE.exec(text);
  if (infinite !== null) return infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  return /^[+-]?nan$/i.test(text) ? Number.NaN : undefined;
}
