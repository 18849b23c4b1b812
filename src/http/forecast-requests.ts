import { z } from 'zod';
import { MOST_HISTORY_STEPS } from '../forecast/jobs/series-input.ts';
import { MODEL_NAMES } from '../forecast/models/model-names.ts';
import type { StepRange } from '../model/query-result.ts';
import { DAY, MINUTE, type Millis, parseDuration, parseInstant } from '../model/time.ts';
import type { CalendarPolicy } from '../observe/policy-calendar.ts';
import { calendars, eventFields, excluded, holidays, timeZone } from '../scaling/calendar-fields.ts';
import { ForecastTooLargeError } from './errors.ts';

/** The bodies of requests that forecast or take apart what an expression answers. Unknown keys are refused. */

/** Steps ahead of one forecast, and series of one request, that are computed at most. */
const MOST_HORIZON_STEPS = 10_000;
const MOST_SERIES = 50;
const MOST_QUANTILES = 50;

const length = z
  .union([z.string(), z.number()])
  .transform((given, context) => {
    try {
      const ms = typeof given === 'number' ? Math.round(given * 1000) : parseDuration(given);
      if (ms > 0 && ms <= 1000 * 365 * DAY) return ms;
    } catch {
      // Said below, in the same words for whatever is wrong.
    }
    context.addIssue({ code: 'custom', message: 'expected a duration above zero such as 30s, 5m or 28d, or seconds' });
    return z.NEVER;
  })
  .describe('A duration such as 30s, 5m or 28d, or seconds.');
const instant = z
  .union([z.string(), z.number()])
  .transform((given, context): Millis => {
    try {
      const ms = typeof given === 'number' ? Math.round(given * 1000) : parseInstant(given);
      if (Math.abs(ms) <= 8.64e15) return ms;
    } catch {
      // Said below.
    }
    context.addIssue({
      code: 'custom',
      message: 'expected seconds since 1970, or a time such as 2026-08-03T10:00:00Z',
    });
    return z.NEVER;
  })
  .describe('Seconds since 1970, or ISO 8601.');

const clock = { timeZone: timeZone.default('UTC') };

/** What is looked at: an expression over a stretch of the past. */
const past = {
  query: z.string().min(1).describe('PromQL. Each series of its answer is looked at on its own.'),
  step: length.default(MINUTE).describe('Length of a step (default 1m).'),
  start: instant.optional().describe('Where the history begins; or give history.'),
  history: length.optional().describe('How long the history is (default 28d).'),
  end: instant.optional().describe('The last instant of the history (default: now).'),
  limit: z.int().min(1).max(MOST_SERIES).default(20).describe('Series at most; others are left out, with a warning.'),
  timeout: length.optional().describe("Time for the answer; at most the server's."),
};
const seasons = z
  .union([z.literal('auto'), z.array(length).max(8)])
  .default('auto')
  .describe('Lengths of seasons; auto: those that are found.');
const level = z.number().gt(0).max(0.98);
const quantile = z.number().min(0.01).max(0.99);

export const ForecastRequest = z.strictObject({
  ...past,
  horizon: length.describe('How far ahead.'),
  levels: z.array(level).max(10).default([0.8, 0.95]).describe('Central intervals, 0 to 0.98.'),
  quantiles: z.array(quantile).max(MOST_QUANTILES).default([]).describe('Quantiles besides, 0.01 to 0.99.'),
  seasons,
  ...clock,
  holidays: holidays.optional(),
  calendars,
  exclude: excluded(instant),
  events: z
    .array(z.strictObject(eventFields(instant)))
    .default([])
    .describe('What multiplies the demand, and when.'),
  models: z
    .array(z.string())
    .min(1)
    .max(MODEL_NAMES.length)
    .optional()
    .describe(`Models of the mix (default: all that the series can have): ${MODEL_NAMES.join(', ')}.`),
});
export const DecomposeRequest = z.strictObject({ ...past, ...clock, seasons });
export const SeasonsRequest = z.strictObject({ ...past, ...clock });

export type ForecastRequest = z.infer<typeof ForecastRequest>;
/** What every request has, and what of its calendar only some say. */
export type PastRequest = z.infer<typeof SeasonsRequest> &
  Partial<Pick<ForecastRequest, 'horizon' | 'holidays' | 'calendars' | 'exclude' | 'events'>>;

/**
 * The instants of the history, on the grid of the step, so that the same question gets the same answer a moment later.
 * @throws {ForecastTooLargeError} If there are more than a fit looks at.
 */
export function historyOf({ step, start, history, end }: PastRequest, now: Millis): StepRange {
  const last = Math.floor((end ?? now) / step) * step;
  const first = start === undefined ? last - (history ?? 28 * DAY) + step : start;
  const range = { start: Math.ceil(first / step) * step, end: last, stepMs: step };
  const steps = (range.end - range.start) / step + 1;
  if (steps > MOST_HISTORY_STEPS) {
    const most = `at most ${MOST_HISTORY_STEPS} are looked at: make the step longer or the history shorter`;
    throw new ForecastTooLargeError(`cannot look at a history of ${Math.round(steps)} steps: ${most}`);
  }
  return range;
}

/** @throws {ForecastTooLargeError} If the horizon has more steps than one answer holds. */
export function horizonStepsOf({ horizon, step }: ForecastRequest): number {
  const steps = Math.max(1, Math.ceil(horizon / step));
  if (steps <= MOST_HORIZON_STEPS) return steps;
  throw new ForecastTooLargeError(`cannot forecast ${steps} steps ahead: at most ${MOST_HORIZON_STEPS} are computed`);
}

/** All quantiles that an answer holds, ascending: of the intervals, and those asked for besides. */
export function quantilesOf({ levels, quantiles }: ForecastRequest): readonly number[] {
  const outside = levels.map((one) => Math.round((1 - one) * 1e9) / 2e9);
  return [...new Set([...outside, ...outside.map((share) => 1 - share), ...quantiles])].sort((a, b) => a - b);
}

/** Steps are at most six hours long wherever a clock or a special day matters: so many are no longer than this. */
const LONGEST_CALENDAR = { past: 60 * 365 * DAY, ahead: 7 * 365 * DAY };

/** The time over which a calendar is asked for: as far as it can matter, whatever lengths were given. */
export function calendarSpanOf({ start, end }: StepRange, horizonMs = 0): { start: Millis; end: Millis } {
  const { past, ahead } = LONGEST_CALENDAR;
  return { start: Math.max(start, end - past), end: end + Math.min(horizonMs, ahead) };
}

/** What a request says of its calendar, as a policy would. */
export function calendarPolicyOf(given: PastRequest): CalendarPolicy {
  const { timeZone, holidays, calendars = [], exclude = [], events = [] } = given;
  return { timeZone, calendars, exclude, events, ...(holidays !== undefined && { holidays }) };
}

/** Steps of seasons given as lengths of time; those under two steps are none. */
export function seasonStepsOf(given: 'auto' | readonly number[], stepMs: number): 'auto' | readonly number[] {
  if (given === 'auto') return 'auto';
  return [...new Set(given.map((ms) => Math.round(ms / stepMs)))].filter((steps) => steps >= 2).sort((a, b) => a - b);
}
