import type { Millis } from '../model/time.ts';
import type { CalendarFlags } from './calendar-options.ts';
import type { SeriesFlags } from './series-command.ts';

/** The flags of both forms of `foresail backtest`: windows, or rolling. */
export interface BacktestFlags extends SeriesFlags, CalendarFlags {
  readonly horizon: number;
  readonly windows?: number;
  readonly originsEvery?: number;
  readonly from?: Millis;
  readonly forecasts?: string;
  readonly models?: readonly string[];
}
