import type { RegularSeries } from '../model/series.ts';
import { advanceScored } from './advance.ts';
import { type FitResult, forecasterOf } from './forecaster.ts';
import { checkOptions, type ForecasterOptions } from './forecaster-options.ts';
import { createState, learntOf, offsetAt, ownerOf, type State } from './forecaster-state.ts';
import type { Model } from './models/model.ts';
import { openState } from './saved-state.ts';
import { takeSparse } from './sparse.ts';
import { closeSpecials, takeValue } from './special-effects.ts';
import { DamagedStateError } from './state-bytes.ts';
import { isOrdinary, type Track } from './track.ts';

/** A state that cannot be taken up: it is of another version, damaged, for other options, or the history does not fit. */
export interface UnusableState {
  readonly kind: 'unusable';
  readonly reason: string;
}

/**
 * Takes up a saved state. The history is the recent series: it has to reach back one and a half of the longest seasons (or to
 * the saved start) before the saved end, and may go on after it; what came after is taken in as updates. Right after, the
 * forecast is the one that the saved forecaster would make, to about a hundred-thousandth.
 *
 * @throws {RangeError} If an option is out of its range.
 */
export function restoreForecaster(
  saved: Uint8Array,
  history: RegularSeries,
  options: ForecasterOptions,
): FitResult | UnusableState {
  checkOptions(history, options);
  try {
    return { kind: 'fitted', forecaster: forecasterOf(restoreState(saved, history, options)) };
  } catch (error) {
    if (error instanceof DamagedStateError) return { kind: 'unusable', reason: error.message };
    throw error;
  }
}

function restoreState(saved: Uint8Array, history: RegularSeries, options: ForecasterOptions): State {
  const { stepMs, values } = history;
  const { facts, takeUp } = openState(saved, ownerOf(options, stepMs));
  const from = Math.max(0, (facts.start - history.start) / stepMs);
  const end = (facts.end - history.start) / stepMs;
  if (!Number.isInteger(from) || !Number.isInteger(end)) throw new DamagedStateError('the history is on another grid');
  if (end >= values.length) throw new DamagedStateError('the history ends before the state');
  const start = history.start + from * stepMs;
  const localStart = start + offsetAt(options.calendar, start);
  const state = createState({ start, stepMs, values: values.subarray(from) }, options, {
    ...facts,
    start,
    localStart,
    dropped: facts.dropped + (start - facts.start) / stepMs,
    phase: facts.phase + Math.round((localStart - facts.localStart) / stepMs),
  });
  const need = Math.min(facts.end - facts.start, 1.5 * (state.context.cycles.at(-1) ?? 0) * stepMs);
  if (facts.end - start < need) throw new DamagedStateError('the history does not reach back far enough');
  const { track } = state;
  for (let t = from; t <= end; t++) {
    closeSpecials(track);
    takeValue(track, values[t]!);
    const now = track.length - 1;
    if (state.sparse !== undefined && isOrdinary(track, now)) takeSparse(state.sparse, now, values[t]!, true);
  }
  track.negative = facts.negative;
  const all = learntOf(state);
  const again = takeUp(all, (model, bytes) => model.restore?.(bytes, track) ?? false, track.length - 1);
  learnAgain(again, track);
  advanceScored(state, values.subarray(end + 1));
  return state;
}

/** Models without a state of their own see the values once more, one by one. */
function learnAgain(models: readonly Model[], track: Track): void {
  const { length } = track;
  const running = models.filter((model) => model.append !== undefined);
  if (running.length > 0) {
    for (track.length = 1; track.length <= length; track.length++) for (const model of running) model.append!(track);
    track.length = length;
  }
  for (const model of models) model.refit(track);
}
