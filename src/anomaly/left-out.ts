import type { RegularSeries } from '../model/series.ts';
import { DAY, HOUR, type Millis, type TimeRange } from '../model/time.ts';
import type { AnomalyEnd } from './anomaly.ts';

/** A confirmed anomaly of a demand, as far as it matters to what is learnt of the demand. */
export interface ConfirmedAnomaly {
  readonly since: Millis;
  /** Undefined while it goes on. */
  readonly ended: { readonly lastAt: Millis; readonly why: AnomalyEnd } | undefined;
}

/** What lasts for longer is taught from then on: it may be another level, and must not be unknown for ever. */
const TAUGHT_AFTER_MS = 3 * HOUR;
const TAUGHT_AFTER_STEPS = 12;
/** Steps by which a level is compared: the fewest that end an anomaly, as a rule. */
const COMPARED = 5;

/**
 * The times of which a forecast learns nothing, both ends included, in the order in which they begin.
 *
 * An anomaly is left out for three hours (12 steps at least), and what it is from then on is taught: a demand that is at
 * another level for good would be forecast wrong for ever. One that is over, and after which the demand was again what it
 * was at that time of the day before, is left out as a whole, however long it took.
 *
 * @param history What was recorded, anomalies included.
 */
export function leftOut(history: RegularSeries, anomalies: readonly ConfirmedAnomaly[]): readonly TimeRange[] {
  const mostMs = Math.max(TAUGHT_AFTER_MS, TAUGHT_AFTER_STEPS * history.stepMs);
  const ranges = anomalies.map(({ since, ended }): TimeRange => {
    const taught = since + mostMs;
    if (ended === undefined) return { start: since, end: taught };
    const { lastAt, why } = ended;
    const isOver = lastAt <= taught || (why !== 'usual' && cameBack(history, since, lastAt));
    return { start: since, end: isOver ? lastAt : taught };
  });
  return ranges.sort((a, b) => a.start - b.start);
}

/** Whether the demand was nearer to what it was at that time of an earlier day than to what it had just been. */
function cameBack(history: RegularSeries, since: Millis, lastAt: Millis): boolean {
  const { stepMs } = history;
  const days = Math.ceil((lastAt + COMPARED * stepMs - since) / DAY);
  const after = meanAfter(history, lastAt);
  const before = meanAfter(history, lastAt - days * DAY);
  const during = meanAfter(history, lastAt - COMPARED * stepMs);
  return Math.abs(after - before) < Math.abs(after - during);
}

/** Of the steps after a time; NaN where none of them is known. */
function meanAfter({ start, stepMs, values }: RegularSeries, time: Millis): number {
  const first = Math.floor((time - start) / stepMs) + 1;
  const known = Array.from({ length: COMPARED }, (_, i) => values[first + i] ?? Number.NaN).filter(Number.isFinite);
  return known.reduce((sum, value) => sum + value / known.length, known.length > 0 ? 0 : Number.NaN);
}

/** The part of what was left out that a state of so far has seen, of a history that begins then. */
export function leftOutWithin(ranges: readonly TimeRange[], { start, end }: TimeRange): readonly TimeRange[] {
  return ranges
    .filter((range) => range.end >= start && range.start <= end)
    .map((range) => ({ start: Math.max(start, range.start), end: Math.min(end, range.end) }));
}
