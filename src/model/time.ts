/** An instant: milliseconds since the Unix epoch, UTC. Also used for lengths of time where the name ends in `Ms`. */
export type Millis = number;

export const SECOND = 1_000;
export const MINUTE = 60_000;
export const HOUR = 3_600_000;
export const DAY = 86_400_000;
export const WEEK = 604_800_000;

/** Both ends belong to the range. */
export interface TimeRange {
  readonly start: Millis;
  readonly end: Millis;
}

/** Prometheus's units; a year is 365 days. */
const UNITS: readonly (readonly [unit: string, ms: number])[] = [
  ['y', 365 * DAY],
  ['w', WEEK],
  ['d', DAY],
  ['h', HOUR],
  ['m', MINUTE],
  ['s', SECOND],
  ['ms', 1],
];
const DURATION = /^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/;

/**
 * Parses a Prometheus duration: `30s`, `1h30m`, `2w`, `0`.
 * @returns Milliseconds.
 * @throws {RangeError} If the text is not a duration.
 */
export function parseDuration(text: string): number {
  if (text === '0') return 0;
  const found = DURATION.exec(text);
  if (text === '' || found === null) {
    throw new RangeError(`not a duration: "${text}" (expected a form like 30s, 5m, 1h30m, 7d)`);
  }
  return UNITS.reduce((sum, [, ms], i) => sum + Number(found[i + 1] ?? 0) * ms, 0);
}

/** The shortest exact Prometheus form: 90_000 becomes `1m30s`, 0 becomes `0s`. Fractions of a millisecond are dropped. */
export function formatDuration(lengthMs: number): string {
  let rest = Math.trunc(Math.abs(lengthMs));
  if (rest === 0) return '0s';
  let text = lengthMs < 0 ? '-' : '';
  for (const [unit, ms] of UNITS) {
    // Weeks and years only when exact, as Prometheus prints them: 8d stays 8d.
    if ((unit === 'y' || unit === 'w') && rest % ms !== 0) continue;
    const count = Math.floor(rest / ms);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * ms;
  }
  return text;
}

const ISO = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?(Z|[+-]\d{2}:?\d{2})?$/;

/**
 * Parses an instant: epoch seconds (fractions allowed) or ISO 8601. Without a zone it is UTC.
 * @throws {RangeError} If the text is neither.
 */
export function parseInstant(text: string): Millis {
  const trimmed = text.trim();
  if (/^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(trimmed)) return Math.round(Number(trimmed) * 1000);
  const found = ISO.exec(trimmed);
  if (found !== null) {
    const iso = trimmed.replace(' ', 'T');
    const full = iso.length === 10 ? `${iso}T00:00:00Z` : found[1] === undefined ? `${iso}Z` : iso;
    // biome-ignore lint/style/noRestrictedGlobals: parsing a given text reads no clock.
    const ms = Date.parse(full);
    if (Number.isFinite(ms)) return ms;
  }
  throw new RangeError(`not a time: "${text}" (expected epoch seconds or ISO 8601, such as 2026-08-03T10:00:00Z)`);
}

/** ISO 8601 in UTC, without the milliseconds where they are zero. */
export function formatInstant(t: Millis): string {
  // biome-ignore lint/style/noRestrictedGlobals: formatting a given instant reads no clock.
  return new Date(t).toISOString().replace('.000Z', 'Z');
}
