import { phaseOf } from '../local-clock.ts';
import { DamagedStateError, stateReader, stateWriter } from '../state-bytes.ts';
import type { Track } from '../track.ts';
import type { Model, ModelContext } from './model.ts';
import { observedAt, observedSince, phasesSince } from './observed.ts';

/** Shares of the new in each part, 0 to 1; `damping` is what a trend keeps from one step to the next. */
export interface Smoothing {
  readonly level: number;
  readonly trend: number;
  readonly season: number;
  readonly damping: number;
}

/** Where exponential smoothing has got to; `seasonal` has an entry for each phase. */
export interface SmoothedState {
  level: number;
  trend: number;
  readonly seasonal: Float64Array;
}

/**
 * What is expected `ahead` steps on (Holt-Winters with additive season, damped trend: Gardner 1985).
 * @param phase That of the step asked for.
 */
export function smoothedAhead(state: SmoothedState, { damping }: Smoothing, phase: number, ahead: number): number {
  const { level, trend, seasonal } = state;
  const steps = damping === 1 ? ahead : (damping * (1 - damping ** ahead)) / (1 - damping);
  return level + trend * steps + seasonal[phase]!;
}

/** Takes the value of the next step in, whose phase is given; NaN: nothing was seen, and the trend carries on. */
export function smoothIn(
  state: SmoothedState,
  { level, trend, season, damping }: Smoothing,
  phase: number,
  value: number,
): void {
  const slope = damping * state.trend;
  const expected = state.level + slope;
  if (Number.isNaN(value)) {
    state.level = expected;
    state.trend = slope;
    return;
  }
  const before = state.level;
  const seasonal = state.seasonal[phase]!;
  state.level = level * (value - seasonal) + (1 - level) * expected;
  state.trend = trend * (state.level - before) + (1 - trend) * slope;
  state.seasonal[phase] = season * (value - expected) + (1 - season) * seasonal;
}

/** Tried in this order; on a tie the steadier wins. */
const LEVELS = [0.02, 0.1, 0.3, 0.7];
const TRENDS = [0, 0.05];
const SEASONS = [0.05, 0.15, 0.35];
const DAMPING = 0.95;
/** Cycles that are smoothed through to get going and to choose the parameters. */
const CYCLES = 14;

/** Damped Holt-Winters in model space, its parameters those of a small grid that did best some steps ahead. */
export function holtWinters({ knots }: ModelContext, season: number): Model {
  const ahead = Math.max(1, Math.min(season, Math.ceil(knots[knots.length - 1]! / 2)));
  let smoothing: Smoothing = { level: 0.1, trend: 0, season: 0.15, damping: DAMPING };
  let state: SmoothedState | undefined;
  let at = -1;
  return {
    name: 'holt-winters',
    refit(track) {
      if (track.length < 2 * season) return;
      const course = courseOf(track, season);
      let least = Number.POSITIVE_INFINITY;
      for (const level of LEVELS) {
        for (const trend of TRENDS) {
          for (const share of SEASONS) {
            const tried = { level, trend, season: share, damping: DAMPING };
            const { end, error } = smoothedThrough(course, tried, ahead);
            if (error >= least) continue;
            least = error;
            smoothing = tried;
            state = end;
          }
        }
      }
      at = track.length - 1;
    },
    append(track) {
      if (state === undefined) return;
      at = track.length - 1;
      smoothIn(state, smoothing, phaseOf(track, at, season), observedAt(track, at));
    },
    predict(track, origin, horizons, out) {
      if (state === undefined || at !== origin) {
        out.fill(Number.NaN);
        return;
      }
      for (let i = 0; i < horizons.length; i++) {
        out[i] = smoothedAhead(state, smoothing, phaseOf(track, origin + horizons[i]!, season), horizons[i]!);
      }
    },
    save() {
      const writer = stateWriter();
      const { level, trend, season: share } = smoothing;
      writer.doubles(Float64Array.of(level, trend, share, state?.level ?? Number.NaN, state?.trend ?? Number.NaN));
      writer.singles(state?.seasonal ?? new Float64Array(season));
      return writer.finish();
    },
    restore(saved, track) {
      const head = new Float64Array(5);
      const seasonal = new Float64Array(season);
      try {
        const reader = stateReader(saved);
        reader.doubles(head);
        reader.singles(seasonal);
        reader.end();
      } catch (error) {
        if (error instanceof DamagedStateError) return false;
        throw error;
      }
      const [level, trend, share, reached, slope] = head as unknown as readonly [
        number,
        number,
        number,
        number,
        number,
      ];
      smoothing = { level, trend, season: share, damping: DAMPING };
      state = Number.isNaN(reached) ? undefined : { level: reached, trend: slope, seasonal };
      at = track.length - 1;
      return true;
    },
  };
}

/** What is smoothed through: values, NaN where there are none, the phase of each, and where the smoothing starts. */
interface Course {
  readonly values: Float64Array;
  readonly phases: Int32Array;
  readonly season: number;
  readonly start: SmoothedState;
}

function courseOf(track: Track, season: number): Course {
  const from = Math.max(0, track.length - CYCLES * season);
  const phases = phasesSince(track, from, season);
  return { values: observedSince(track, from), phases, season, start: startOf(track, from, phases, season) };
}

/** The error is the sum of the absolute ones one step and `ahead` steps ahead. */
function smoothedThrough(
  { values, phases, season, start }: Course,
  smoothing: Smoothing,
  ahead: number,
): { end: SmoothedState; error: number } {
  const state: SmoothedState = { ...start, seasonal: start.seasonal.slice() };
  const waiting = new Float64Array(ahead).fill(Number.NaN);
  const { length } = values;
  let error = 0;
  for (let i = 0; i < length; i++) {
    const value = values[i]!;
    const slot = i % ahead;
    const off = Math.abs(value - waiting[slot]!);
    const offOne = Math.abs(value - smoothedAhead(state, smoothing, phases[i]!, 1));
    // The first two cycles only get it going.
    if (i >= 2 * season) error += (Number.isNaN(off) ? 0 : off) + (Number.isNaN(offOne) ? 0 : offOne);
    smoothIn(state, smoothing, phases[i]!, value);
    if (i + ahead < length) waiting[slot] = smoothedAhead(state, smoothing, phases[i + ahead]!, ahead);
  }
  return { end: state, error };
}

/** The mean of the first cycle, and how far the first two cycles stand off theirs. */
function startOf({ z }: Track, from: number, phases: Int32Array, season: number): SmoothedState {
  const seasonal = new Float64Array(season);
  const seen = new Float64Array(season);
  let level = 0;
  for (const cycle of [1, 0]) {
    const start = cycle * season;
    level = 0;
    for (let i = start; i < start + season; i++) level += z[from + i]! / season;
    for (let i = start; i < start + season; i++) {
      const phase = phases[i]!;
      seasonal[phase] = seasonal[phase]! + z[from + i]! - level;
      seen[phase] = seen[phase]! + 1;
    }
  }
  for (let phase = 0; phase < season; phase++) seasonal[phase] = seasonal[phase]! / Math.max(1, seen[phase]!);
  return { level, trend: 0, seasonal };
}
