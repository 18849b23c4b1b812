import { HOUR, type Millis, WEEK } from '../model/time.ts';

export const REPORT_PERIODS = ['week', 'month'] as const;
export type PeriodKind = (typeof REPORT_PERIODS)[number];

/** A week that begins on Monday, or a calendar month, in UTC: bills are made so. */
export interface ReportPeriod {
  readonly kind: PeriodKind;
  /** `2026-W47`, `2026-11`. */
  readonly name: string;
  readonly start: Millis;
  /** The first instant that is not in it any more. */
  readonly end: Millis;
}

/** 1970-01-05 was a Monday. */
const A_MONDAY = 4 * 24 * HOUR;

/** The period that an instant is in. */
export function periodAt(kind: PeriodKind, at: Millis): ReportPeriod {
  return kind === 'week' ? weekAt(at) : monthAt(at);
}

export function periodBefore({ kind, start }: ReportPeriod): ReportPeriod {
  return periodAt(kind, start - 1);
}

/** Its number is that of ISO 8601: the week belongs to the year that its Thursday is in. */
function weekAt(at: Millis): ReportPeriod {
  const start = Math.floor((at - A_MONDAY) / WEEK) * WEEK + A_MONDAY;
  const { year } = dateOf(start + 3 * 24 * HOUR);
  const first = Math.floor((instantOf(year, 0, 4) - A_MONDAY) / WEEK) * WEEK + A_MONDAY;
  const number = Math.round((start - first) / WEEK) + 1;
  return { kind: 'week', name: `${year}-W${String(number).padStart(2, '0')}`, start, end: start + WEEK };
}

function monthAt(at: Millis): ReportPeriod {
  const { year, month } = dateOf(at);
  const name = `${year}-${String(month + 1).padStart(2, '0')}`;
  return { kind: 'month', name, start: instantOf(year, month, 1), end: instantOf(year, month + 1, 1) };
}

function dateOf(at: Millis): { readonly year: number; readonly month: number } {
  // biome-ignore lint/style/noRestrictedGlobals: the calendar of a given instant reads no clock.
  const date = new Date(at);
  return { year: date.getUTCFullYear(), month: date.getUTCMonth() };
}

function instantOf(year: number, month: number, day: number): Millis {
  // biome-ignore lint/style/noRestrictedGlobals: the instant of a given date reads no clock.
  return Date.UTC(year, month, day);
}
