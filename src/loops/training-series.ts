import { setImmediate as yieldTurn } from 'node:timers/promises';
import type { RegularSeries } from '../model/series.ts';
import { DAY, type Millis } from '../model/time.ts';
import { masked, type TenantDemand, withoutLeadingGap } from './demand-inputs.ts';
import { type DemandStorage, demandLabels, lastStepBefore, readRecorded } from './demand-series.ts';

/** Series of one training: 40 MB at most. */
const MOST_SERIES = 128;
/** Four weeks of minutes. */
const MOST_STEPS = 40_320;
/** A network that saw no whole day would unlearn what days are. */
const LEAST_MS = 2 * DAY;
/** Rows drawn for a training, and of each value at most. */
const MOST_ROWS = 30_000;
const ROWS_OF_A_VALUE = 4;

export interface ReadOptions {
  readonly now: Millis;
  /** Which demands are read where there are too many: others each time. */
  readonly seed: number;
  readonly signal: AbortSignal;
}

/** What is recorded of a tenant's demands, without what must not be learnt from. Those that are young are left out. */
export async function readTrainingSeries(
  storage: Pick<DemandStorage, 'select'>,
  demands: readonly TenantDemand[],
  { now, seed, signal }: ReadOptions,
): Promise<readonly RegularSeries[]> {
  const read: RegularSeries[] = [];
  for (let i = 0; i < demands.length && read.length < MOST_SERIES; i++) {
    signal.throwIfAborted();
    const { policy, spec } = demands[(i + seed * MOST_SERIES) % demands.length]!;
    const { stepMs, historyMs } = spec;
    const end = lastStepBefore(now, stepMs);
    const start = end - Math.min(MOST_STEPS, Math.floor(historyMs / stepMs)) * stepMs;
    const recorded = await readRecorded(storage, demandLabels(policy, spec), { start, end }, stepMs);
    const series = withoutLeadingGap(masked(recorded, policy));
    if (series.values.length * stepMs >= LEAST_MS) read.push(series);
    await yieldTurn();
  }
  return read;
}

/** Rows worth drawing: a short history has no more to say the hundredth time. */
export function rowsFor(series: readonly RegularSeries[]): number {
  const known = series.reduce((sum, { values }) => sum + values.filter(Number.isFinite).length, 0);
  return Math.min(MOST_ROWS, ROWS_OF_A_VALUE * known);
}
