import { MINUTE, type Millis } from '../model/time.ts';
import type { Naming } from './partition-key.ts';

/** A partition of points of one length, of the days of one month (UTC). */
export interface TierName {
  /** Of its points, in ms. */
  readonly stepMs: number;
  /** Midnight of its first day, in ms. */
  readonly month: Millis;
}

const NAME = /^(\d+)m-(\d{4})-(\d\d)$/;

/** `5m-2026-11`: the name of its folder. */
export const MONTHS: Naming<TierName> = {
  format: ({ stepMs, month }) => `${stepMs / MINUTE}m-${new Date(month).toISOString().slice(0, 7)}`,
  parse(text) {
    const found = NAME.exec(text);
    if (found === null) return undefined;
    const month = Date.parse(`${found[2]}-${found[3]}-01T00:00:00Z`);
    return Number.isNaN(month) ? undefined : { stepMs: Number(found[1]) * MINUTE, month };
  },
  spanOf({ month }) {
    const at = new Date(month);
    return { start: month, end: Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1) };
  },
};

export function tierOf(stepMs: number, day: Millis): TierName {
  const at = new Date(day);
  return { stepMs, month: Date.UTC(at.getUTCFullYear(), at.getUTCMonth()) };
}
