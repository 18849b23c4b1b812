import type { SeriesCalendar } from '../forecast/calendar.ts';
import type { Network } from '../forecast/forecaster-options.ts';
import type { Advice, AdviceInput } from '../scaling/advice/types.ts';
import { advise } from '../scaling/advice.ts';
import { openTraceForecaster } from './trace-forecaster.ts';

export interface AdviceJob {
  readonly kind: 'advice';
  readonly input: AdviceInput;
  /** Local time and special days of the policy, over its history. */
  readonly calendar?: SeriesCalendar | undefined;
}

/** Right-sizing advice: a dozen or two replays of the policy's own history. */
export function doAdvice({ input, calendar }: AdviceJob, network: Network): Advice {
  return advise(input, (policy, history, windowMs) =>
    openTraceForecaster(policy, history, windowMs, { calendar, network }),
  );
}
