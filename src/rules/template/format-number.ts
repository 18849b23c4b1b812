/* Go's `strconv.FormatFloat`: digits of the exact value, ties to even. */

interface Decimal {
  readonly negative: boolean;
  /** Without zeros in front; empty for 0. */
  readonly digits: string;
  /** The value is 0.digits times ten to this. */
  readonly point: number;
}

/** `%e` with so many digits behind the point; undefined: as many as it takes. */
export function formatExponent(value: number, places: number | undefined): string {
  const decimal = places === undefined ? shortest(value) : rounded(exact(value), places + 1);
  const { digits, point, negative } = decimal;
  const padded = (digits === '' ? '0' : digits).padEnd((places ?? 0) + 1, '0');
  const fraction = padded.length > 1 ? `.${padded.slice(1)}` : '';
  return `${negative ? '-' : ''}${padded[0]}${fraction}${exponentOf(digits === '' ? 0 : point - 1)}`;
}

/** `%f`. */
export function formatFixed(value: number, places: number | undefined): string {
  const source = places === undefined ? shortest(value) : exact(value);
  const { digits, point, negative } = places === undefined ? source : rounded(source, source.point + places);
  const whole = point <= 0 ? '0' : digits.slice(0, point).padEnd(point, '0');
  const behind = (point <= 0 ? '0'.repeat(-point) : '') + digits.slice(Math.max(0, point));
  const fraction = places === undefined ? behind : behind.slice(0, places).padEnd(places, '0');
  return `${negative ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`;
}

/** `%g`: the shorter of the two; `precision` counts all digits. */
export function formatGeneral(value: number, precision: number | undefined): string {
  const wanted = precision === 0 ? 1 : precision;
  const decimal = wanted === undefined ? shortest(value) : rounded(exact(value), wanted);
  const { point, negative } = decimal;
  const digits = decimal.digits.replace(/0+$/, '');
  if (digits === '') return negative ? '-0' : '0';
  const fits = wanted !== undefined && wanted > digits.length && digits.length >= point;
  const most = wanted === undefined ? 6 : fits ? digits.length : wanted;
  const exponent = point - 1;
  const sign = negative ? '-' : '';
  if (exponent < -4 || exponent >= most) {
    return `${sign}${digits[0]}${digits.length > 1 ? `.${digits.slice(1)}` : ''}${exponentOf(exponent)}`;
  }
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  if (digits.length <= point) return sign + digits.padEnd(point, '0');
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** NaN and infinities are words in every format. */
export function wordOf(value: number): string | undefined {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  return undefined;
}

function exponentOf(exponent: number): string {
  return `e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

function isNegative(value: number): boolean {
  return value < 0 || Object.is(value, -0);
}

/** The fewest digits that are read back as the same number. */
function shortest(value: number): Decimal {
  const negative = isNegative(value);
  if (value === 0) return { negative, digits: '', point: 0 };
  const [mantissa, exponent] = Math.abs(value).toExponential().split('e') as [string, string];
  return { negative, digits: mantissa.replace('.', ''), point: Number(exponent) + 1 };
}

/** All digits: every double has finitely many. */
function exact(value: number): Decimal {
  const negative = isNegative(value);
  if (value === 0) return { negative, digits: '', point: 0 };
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, value);
  const high = bits.getUint32(0);
  const biased = (high >>> 20) & 0x7ff;
  const fraction = (BigInt(high & 0xfffff) << 32n) | BigInt(bits.getUint32(4));
  const mantissa = biased === 0 ? fraction : fraction | (1n << 52n);
  const power = (biased === 0 ? 1 : biased) - 1075;
  const digits = power >= 0 ? String(mantissa << BigInt(power)) : String(mantissa * 5n ** BigInt(-power));
  return { negative, digits, point: digits.length + Math.min(0, power) };
}

function rounded(decimal: Decimal, count: number): Decimal {
  const { digits, point, negative } = decimal;
  if (count >= digits.length) return decimal;
  if (count < 0) return { negative, digits: '', point: 0 };
  const rest = digits.slice(count);
  const half = `5${'0'.repeat(rest.length - 1)}`;
  const isOdd = count > 0 && Number(digits[count - 1]) % 2 === 1;
  const up = rest > half || (rest === half && isOdd);
  const kept = digits.slice(0, count);
  if (!up) return { negative, digits: kept, point };
  const next = String(BigInt(kept === '' ? '0' : kept) + 1n).padStart(count, '0');
  return next.length > count ? { negative, digits: next, point: point + 1 } : { negative, digits: next, point };
}
