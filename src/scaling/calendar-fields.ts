import { z } from 'zod';
import { CEL_WINDOW, celRules } from './cel-rules.ts';

/** What says when people do what: the keys that a policy and a request for a forecast have in common. */

export const timeZone = z
  .string()
  .refine(isZone, {
    error: (issue) => `expected an IANA time zone such as Europe/Berlin, got ${JSON.stringify(issue.input)}`,
  })
  .describe('IANA time zone: days and weeks follow its clock.');

export const holidays = z
  .string()
  .regex(/^[A-Z]{2}(-[A-Z0-9]{1,6}){0,2}$/, {
    error: (issue) => `expected a region such as DE, DE-BY or US, got ${JSON.stringify(issue.input)}`,
  })
  .describe('Region whose public holidays are days of their own; needs the package date-holidays.');

const calendarFile = z.string().regex(/^[\p{L}\p{N}_][\p{L}\p{N}_. -]{0,199}\.ics$/u, {
  error: (issue) =>
    `expected the name of an iCal file beside the policies, such as holidays.ics, got ${JSON.stringify(issue.input)}`,
});

export const calendars = z
  .array(calendarFile)
  .max(10)
  .default([])
  .describe('iCal files beside the policies: all-day entries are days off, others have an effect that is learnt.');

/** @param instant How a time is written. */
export function excluded<T extends z.ZodType>(instant: T) {
  return z
    .array(z.strictObject({ start: instant, end: instant }).register(celRules, { rules: [CEL_WINDOW] }))
    .max(1000)
    .default([])
    .describe('Windows of history that the forecast must not learn from.');
}

/** An event's name and time, and what it multiplies the demand by. */
export function eventFields<T extends z.ZodType>(instant: T) {
  return { name: z.string().min(1), start: instant, end: instant, demandFactor: z.number().positive() };
}

function isZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }) !== undefined;
  } catch {
    return false;
  }
}
