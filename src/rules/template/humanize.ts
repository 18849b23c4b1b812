import { parseFloatLabel } from '../../promql/format-float.ts';
import { formatGeneral, wordOf } from './format-number.ts';
import { formatGoTime, nanosOf } from './go-time.ts';
import { type GoTime, type GoValue, TemplateRunError, typeNameOf } from './values.ts';

const SMALL = ['m', 'u', 'n', 'p', 'f', 'a', 'z', 'y'];
const LARGE = ['k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y'];
const LARGE_1024 = ['ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei', 'Zi', 'Yi'];

/** `1234` becomes `1.234k`. */
export function humanize(input: GoValue): string {
  const value = floatOf(input);
  if (value === 0 || !Number.isFinite(value)) return four(value);
  return Math.abs(value) >= 1 ? scaledDown(value, 1000, LARGE) : scaledUp(value);
}

/** `2048` becomes `2ki`. */
export function humanize1024(input: GoValue): string {
  const value = floatOf(input);
  return Math.abs(value) <= 1 || !Number.isFinite(value) ? four(value) : scaledDown(value, 1024, LARGE_1024);
}

/** Seconds: `3661` becomes `1h 1m 1s`. */
export function humanizeDuration(input: GoValue): string {
  const value = floatOf(input);
  if (!Number.isFinite(value)) return four(value);
  if (value === 0) return `${four(value)}s`;
  if (Math.abs(value) < 1) return `${scaledUp(value)}s`;
  const sign = value < 0 ? '-' : '';
  const size = Math.abs(value);
  const whole = Math.trunc(size);
  const seconds = whole % 60;
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600) % 24;
  const days = Math.floor(whole / 86_400);
  if (days !== 0) return `${sign}${days}d ${hours}h ${minutes}m ${seconds}s`;
  if (hours !== 0) return `${sign}${hours}h ${minutes}m ${seconds}s`;
  if (minutes !== 0) return `${sign}${minutes}m ${seconds}s`;
  return `${sign}${four(size)}s`;
}

export function humanizePercentage(input: GoValue): string {
  return `${four(floatOf(input) * 100)}%`;
}

/** Seconds since the epoch: `1970-01-01 00:00:00 +0000 UTC`. */
export function humanizeTimestamp(input: GoValue): string {
  const value = floatOf(input);
  return Number.isFinite(value) ? formatGoTime(timeOf(value)) : four(value);
}

/** @throws {TemplateRunError} If the seconds are no instant. */
export function timeOf(seconds: number): GoTime {
  if (!Number.isFinite(seconds)) throw new TemplateRunError('value is NaN or Inf');
  const ns = nanosOf(seconds);
  if (ns === undefined) {
    const value = formatGeneral(seconds, undefined);
    throw new TemplateRunError(`${value} cannot be represented as a nanoseconds timestamp since it overflows int64`);
  }
  return { kind: 'time', ns: (ns / 1_000_000n) * 1_000_000n };
}

/** @throws {TemplateRunError} If the value is no number. */
export function floatOf(value: GoValue): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'string') {
    const number = parseFloatLabel(value);
    if (number !== undefined) return number;
    throw new TemplateRunError(`strconv.ParseFloat: parsing ${JSON.stringify(value)}: invalid syntax`);
  }
  throw new TemplateRunError(`can't convert ${typeNameOf(value)} to float`);
}

function scaledDown(value: number, by: number, prefixes: readonly string[]): string {
  let rest = value;
  let prefix = '';
  for (const next of prefixes) {
    if (Math.abs(rest) < by) break;
    prefix = next;
    rest /= by;
  }
  return four(rest) + prefix;
}

function scaledUp(value: number): string {
  let rest = value;
  let prefix = '';
  for (const next of SMALL) {
    if (Math.abs(rest) >= 1) break;
    prefix = next;
    rest *= 1000;
  }
  return four(rest) + prefix;
}

/** `%.4g`. */
function four(value: number): string {
  return wordOf(value) ?? formatGeneral(value, 4);
}
