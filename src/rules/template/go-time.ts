import type { GoDuration, GoTime } from './values.ts';

const MONTHS = [
  ...['January', 'February', 'March', 'April', 'May', 'June', 'July'],
  ...['August', 'September', 'October', 'November', 'December'],
];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
/** What stands for what in a layout, the longest first. */
const LAYOUT =
  /January|Jan|Monday|Mon|MST|2006|01|02|_2|03|04|05|06|002|15|PM|pm|Z07:00|Z0700|-07:00|-0700|-07|[.,](?:0+|9+)(?!\d)|[1-5]/g;
const MAX_NS = 2n ** 63n;

interface Parts {
  readonly date: ReturnType<typeof dateOf>;
  readonly nanos: number;
}

/** As `%v` prints a time: `2006-01-02 15:04:05.999 +0000 UTC`. */
export function formatGoTime(time: GoTime): string {
  return layoutTime(time, '2006-01-02 15:04:05.999999999 -0700 MST');
}

/** Go's `Time.Format`. All times are UTC. */
export function layoutTime(time: GoTime, layout: string): string {
  const parts = partsOf(time);
  return layout.replace(LAYOUT, (word) => layoutPart(word, parts));
}

/** A number of a time such as its year, or the text of a name. Undefined: there is no such method. */
export function timePart(time: GoTime, name: string): bigint | string | undefined {
  const { date, nanos } = partsOf(time);
  switch (name) {
    case 'Year':
      return BigInt(date.getUTCFullYear());
    case 'Month':
      return MONTHS[date.getUTCMonth()]!;
    case 'Day':
      return BigInt(date.getUTCDate());
    case 'Hour':
      return BigInt(date.getUTCHours());
    case 'Minute':
      return BigInt(date.getUTCMinutes());
    case 'Second':
      return BigInt(date.getUTCSeconds());
    case 'Nanosecond':
      return BigInt(nanos);
    case 'Weekday':
      return DAYS[date.getUTCDay()]!;
    case 'YearDay':
      return BigInt(yearDay(date));
    case 'Unix':
      return floorDivide(time.ns, 1_000_000_000n);
    case 'UnixMilli':
      return floorDivide(time.ns, 1_000_000n);
    case 'String':
      return formatGoTime(time);
    default:
      return undefined;
  }
}

/** `1h2m3.5s`, as Go prints a duration. */
export function formatGoDuration({ ns }: GoDuration): string {
  if (ns === 0n) return '0s';
  const sign = ns < 0n ? '-' : '';
  const size = ns < 0n ? -ns : ns;
  const fraction = (unit: bigint) => {
    const rest = String(size % unit)
      .padStart(String(unit).length - 1, '0')
      .replace(/0+$/, '');
    return `${size / unit}${rest === '' ? '' : `.${rest}`}`;
  };
  if (size < 1_000n) return `${sign}${size}ns`;
  if (size < 1_000_000n) return `${sign}${fraction(1_000n)}µs`;
  if (size < 1_000_000_000n) return `${sign}${fraction(1_000_000n)}ms`;
  const minutes = size / 60_000_000_000n;
  const rest = size % 60_000_000_000n;
  const nanos = String(rest % 1_000_000_000n)
    .padStart(9, '0')
    .replace(/0+$/, '');
  const seconds = `${rest / 1_000_000_000n}${nanos === '' ? '' : `.${nanos}`}s`;
  if (minutes === 0n) return sign + seconds;
  if (minutes < 60n) return `${sign}${minutes}m${seconds}`;
  return `${sign}${minutes / 60n}h${minutes % 60n}m${seconds}`;
}

/** The nanoseconds that seconds are, cut off as Go cuts, to the millisecond for instants. Undefined: out of range. */
export function nanosOf(seconds: number): bigint | undefined {
  const nanos = seconds * 1e9;
  if (!Number.isFinite(nanos)) return undefined;
  const whole = BigInt(Math.trunc(nanos));
  return whole < -MAX_NS || whole >= MAX_NS ? undefined : whole;
}

function partsOf({ ns }: GoTime): Parts {
  const millis = floorDivide(ns, 1_000_000n);
  return { date: dateOf(Number(millis)), nanos: Number(ns - floorDivide(ns, 1_000_000_000n) * 1_000_000_000n) };
}

function dateOf(ms: number) {
  // biome-ignore lint/style/noRestrictedGlobals: taking a given instant apart reads no clock.
  return new Date(ms);
}

function layoutPart(word: string, { date, nanos }: Parts): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const hour12 = date.getUTCHours() % 12 === 0 ? 12 : date.getUTCHours() % 12;
  switch (word) {
    case 'January':
      return MONTHS[date.getUTCMonth()]!;
    case 'Jan':
      return MONTHS[date.getUTCMonth()]!.slice(0, 3);
    case 'Monday':
      return DAYS[date.getUTCDay()]!;
    case 'Mon':
      return DAYS[date.getUTCDay()]!.slice(0, 3);
    case 'MST':
      return 'UTC';
    case '2006':
      return String(date.getUTCFullYear()).padStart(4, '0');
    case '06':
      return two(date.getUTCFullYear() % 100);
    case '01':
      return two(date.getUTCMonth() + 1);
    case '1':
      return String(date.getUTCMonth() + 1);
    case '02':
      return two(date.getUTCDate());
    case '_2':
      return String(date.getUTCDate()).padStart(2, ' ');
    case '2':
      return String(date.getUTCDate());
    case '002':
      return String(yearDay(date)).padStart(3, '0');
    case '15':
      return two(date.getUTCHours());
    case '03':
      return two(hour12);
    case '3':
      return String(hour12);
    case '04':
      return two(date.getUTCMinutes());
    case '4':
      return String(date.getUTCMinutes());
    case '05':
      return two(date.getUTCSeconds());
    case '5':
      return String(date.getUTCSeconds());
    case 'PM':
      return date.getUTCHours() < 12 ? 'AM' : 'PM';
    case 'pm':
      return date.getUTCHours() < 12 ? 'am' : 'pm';
    case 'Z07:00':
    case 'Z0700':
      return 'Z';
    case '-07:00':
      return '+00:00';
    case '-0700':
      return '+0000';
    case '-07':
      return '+00';
    default: {
      const digits = String(nanos)
        .padStart(9, '0')
        .slice(0, word.length - 1);
      if (word[1] === '0') return word[0]! + digits.padEnd(word.length - 1, '0');
      const kept = digits.replace(/0+$/, '');
      return kept === '' ? '' : word[0]! + kept;
    }
  }
}

function yearDay(date: Parts['date']): number {
  // biome-ignore lint/style/noRestrictedGlobals: counting days of a given year reads no clock.
  return Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000) + 1;
}

function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b < 0n ? quotient - 1n : quotient;
}
