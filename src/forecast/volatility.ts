import { within } from '../numeric/within.ts';
import { isKnown, type Track, valueAt } from './track.ts';

/** How lively the series is just now, against how lively it is as a rule. Plain data. */
export interface Volatility {
  readonly shortKept: number;
  readonly longKept: number;
  shortZ: number;
  longZ: number;
  shortY: number;
  longY: number;
  seen: number;
}

/** Steps that the short memory spans. */
const SHORT_STEPS = 24;

/** @param day Steps in the shortest season: the long memory spans three. */
export function createVolatility(day: number): Volatility {
  return {
    shortKept: 1 - 1 / SHORT_STEPS,
    longKept: 1 - 1 / Math.max(4 * SHORT_STEPS, 3 * day),
    shortZ: 0,
    longZ: 0,
    shortY: 0,
    longY: 0,
    seen: 0,
  };
}

/** Takes the track's last step in. */
export function appendVolatility(volatility: Volatility, track: Track): void {
  const t = track.length - 1;
  if (t === 0 || !isKnown(track, t) || !isKnown(track, t - 1)) return;
  const moveZ = Math.abs(track.z[t]! - track.z[t - 1]!);
  const moveY = Math.abs(valueAt(track, t) - valueAt(track, t - 1));
  volatility.seen++;
  // A plain mean until the memory is full, so that the first step does not weigh on it for days.
  const short = Math.min(volatility.shortKept, 1 - 1 / volatility.seen);
  const long = Math.min(volatility.longKept, 1 - 1 / volatility.seen);
  volatility.shortZ = short * volatility.shortZ + (1 - short) * moveZ;
  volatility.longZ = long * volatility.longZ + (1 - long) * moveZ;
  volatility.shortY = short * volatility.shortY + (1 - short) * moveY;
  volatility.longY = long * volatility.longY + (1 - long) * moveY;
}

/** The scale of an error made now, in model space and in the series' unit: halfway (geometrically) between both memories. */
export function spreads({ shortZ, longZ, shortY, longY }: Volatility): { spreadZ: number; spreadY: number } {
  return { spreadZ: between(shortZ, longZ), spreadY: between(shortY, longY) };
}

/** Spreads are kept in single precision: beyond these, what is scaled by them is plain. */
const LEAST_SPREAD = 1e-37;
const MOST_SPREAD = 1e37;

/** A lull must not make the next interval vanish: the short memory counts at least a tenth of the long one. */
function between(short: number, long: number): number {
  // Two roots: the product of enormous values overflows, that of tiny ones vanishes.
  return within(LEAST_SPREAD, Math.sqrt(Math.max(short, 0.1 * long)) * Math.sqrt(long) || 1, MOST_SPREAD);
}
