import { Cron } from 'croner';
import { formatInstant, type Millis } from '../model/time.ts';

/** A window that opens at each time of a cron expression. */
export interface CronWindow {
  readonly cron: string;
  readonly durationMs: number;
}

/**
 * Whether `now` lies within a window, its start included and its end not.
 * @param earlyMs How long before its start a window counts already.
 */
export function isWithin(window: CronWindow, timeZone: string, now: Millis, earlyMs: number): boolean {
  const opensAfter = formatInstant(now - window.durationMs);
  const opening = new Cron(window.cron, { timezone: timeZone, mode: '5-part' }).nextRun(opensAfter);
  return opening !== null && opening.getTime() <= now + earlyMs;
}

/** Whether the text is a cron expression of five fields. */
export function isCron(text: string): boolean {
  try {
    new Cron(text, { mode: '5-part' });
    return true;
  } catch {
    return false;
  }
}
