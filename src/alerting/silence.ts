import type { Matcher } from '../model/matcher.ts';
import { DAY, type Millis } from '../model/time.ts';
import { compileMatchers } from './matchers.ts';

/** Alerts that match are told to nobody from `startsAt` to before `endsAt`. */
export interface Silence {
  readonly id: string;
  readonly matchers: readonly Matcher[];
  readonly startsAt: Millis;
  readonly endsAt: Millis;
  readonly createdBy: string;
  readonly comment: string;
  readonly updatedAt: Millis;
}

export type SilenceState = 'pending' | 'active' | 'expired';

/** So long one can be looked at that has expired. */
export const SILENCE_KEPT_MS = 5 * DAY;

export function silenceState({ startsAt, endsAt }: Pick<Silence, 'startsAt' | 'endsAt'>, now: Millis): SilenceState {
  if (endsAt <= now) return 'expired';
  return startsAt > now ? 'pending' : 'active';
}

/**
 * What is wrong with a silence that somebody asks for, or undefined.
 *
 * One that would match every alert is refused: it is rarely meant, and hides what nobody thought of.
 */
export function silenceFault(
  { matchers, startsAt, endsAt, createdBy, comment }: Omit<Silence, 'id' | 'updatedAt'>,
  now: Millis,
): string | undefined {
  if (matchers.length === 0) return 'expected at least one matcher';
  if (createdBy.trim() === '') return 'expected createdBy: who asks for it';
  if (comment.trim() === '') return 'expected a comment: why';
  if (!(endsAt > startsAt)) return 'expected endsAt after startsAt';
  if (endsAt <= now) return 'expected endsAt in the future';
  if (matchers.some(({ name }) => name === '')) return 'expected a name in each matcher';
  try {
    if (matchers.every((matcher) => compileMatchers([matcher])([]))) {
      return 'expected at least one matcher that does not match the empty text: this would silence every alert';
    }
  } catch (error) {
    return (error as Error).message;
  }
  return undefined;
}
