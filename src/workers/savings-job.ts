import type { SeriesCalendar } from '../forecast/calendar.ts';
import type { Network } from '../forecast/forecaster-options.ts';
import { type NotPlayed, type PlayedDay, type PlayedDayInput, playDay } from '../scaling/played-day.ts';
import { openTraceForecaster } from './trace-forecaster.ts';

export interface SavingsJob {
  readonly kind: 'savings';
  readonly input: PlayedDayInput;
  /** Local time and special days of the policy, over its history. */
  readonly calendar?: SeriesCalendar | undefined;
}

/** One day of a policy again, with it and without. */
export function doSavings({ input, calendar }: SavingsJob, network: Network): PlayedDay | NotPlayed {
  return playDay(input, (policy, history, windowMs) =>
    openTraceForecaster(policy, history, windowMs, { calendar, network }),
  );
}
