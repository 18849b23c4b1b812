const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const INFINITE = /^[+-]?inf(?:inity)?$/i;

/** A number as Go reads it, less hexadecimal ones and underscores: what Prometheus takes. Undefined: not a number. */
export function parseFloatText(text: string): number | undefined {
  if (DECIMAL.test(text)) {
    const value = Number(text);
    return Number.isFinite(value) ? value : undefined;
  }
  if (INFINITE.test(text)) return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  return /^nan$/i.test(text) ? Number.NaN : undefined;
}

/** OpenMetrics' canonical form of a number: always with a point or an exponent (`1.0`, `1e+06`, `+Inf`). */
export function formatOpenMetricsFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  if (value === 0) return '0.0';
  const [digits, power] = value.toExponential().split('e') as [string, string];
  const exponent = Number(power);
  // Go's %g with the fewest digits that say the number: an exponent below -4 and from 6 on.
  if (exponent < -4 || exponent >= 6) {
    const size = String(Math.abs(exponent)).padStart(2, '0');
    return `${digits}e${exponent < 0 ? '-' : '+'}${size}`;
  }
  const plain = value.toFixed(Math.max(0, digits.replace(/[-.]/g, '').length - 1 - exponent));
  return plain.includes('.') ? plain : `${plain}.0`;
}
