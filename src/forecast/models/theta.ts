import { phaseOf } from '../local-clock.ts';
import { DamagedStateError, stateReader, stateWriter } from '../state-bytes.ts';
import type { Track } from '../track.ts';
import type { Model } from './model.ts';
import { observedAt, observedSince, phasesSince } from './observed.ts';

/** The theta method with theta = 2: exponential smoothing of what has no season, drifting by half of the trend line's slope. */
export interface ThetaFit {
  /** Share of the new in the level, 0 to 1. */
  readonly alpha: number;
  /** Slope of the straight line through all values, a step. */
  readonly slope: number;
}

/**
 * What lies `ahead` steps beyond n values whose smoothed level is `level` (Hyndman and Billah 2003, equation 12).
 * @param n Values behind the level: the drift also makes up for what smoothing lags behind.
 */
export function thetaAhead({ alpha, slope }: ThetaFit, level: number, n: number, ahead: number): number {
  return level + (slope / 2) * (ahead - 1 + (1 - (1 - alpha) ** n) / alpha);
}

const ALPHAS = [0.02, 0.05, 0.1, 0.2, 0.4, 0.7];
/** Cycles behind the seasonal profile, the slope and the choice of alpha. */
const CYCLES = 8;

/**
 * Theta on the series without its season, in model space: the season is the mean profile of the last cycles.
 * @param ahead Steps ahead at which alpha is chosen.
 */
export function theta(season: number, ahead: number): Model {
  let fit: ThetaFit = { alpha: 0.1, slope: 0 };
  let profile = new Float64Array(season);
  let level = Number.NaN;
  let behind = 0;
  let at = -1;
  return {
    name: 'theta',
    refit(track) {
      if (track.length < 2 * season) return;
      const from = track.length - Math.min(CYCLES, Math.floor(track.length / season)) * season;
      const phases = phasesSince(track, from, season);
      profile = profileOf(track, from, phases, season);
      const slope = slopeOf(track, from, phases, profile);
      const values = observedSince(track, from);
      const first = track.z[from]! - profile[phases[0]!]!;
      for (let i = 0; i < values.length; i++) values[i] = values[i]! - profile[phases[i]!]!;
      let least = Number.POSITIVE_INFINITY;
      for (const alpha of ALPHAS) {
        const tried = { alpha, slope };
        const { end, error } = smoothedLevel(values, first, tried, { ahead, season });
        if (error >= least) continue;
        least = error;
        fit = tried;
        level = end;
      }
      behind = values.length;
      at = track.length - 1;
    },
    append(track) {
      if (Number.isNaN(level)) return;
      at = track.length - 1;
      behind++;
      const value = observedAt(track, at) - profile[phaseOf(track, at, season)]!;
      if (!Number.isNaN(value)) level += fit.alpha * (value - level);
    },
    predict(track, origin, horizons, out) {
      if (Number.isNaN(level) || at !== origin) {
        out.fill(Number.NaN);
        return;
      }
      for (let i = 0; i < horizons.length; i++) {
        const ahead = thetaAhead(fit, level, behind, horizons[i]!);
        out[i] = ahead + profile[phaseOf(track, origin + horizons[i]!, season)]!;
      }
    },
    save() {
      const writer = stateWriter();
      writer.doubles(Float64Array.of(fit.alpha, fit.slope, level, behind));
      writer.singles(profile);
      return writer.finish();
    },
    restore(saved, track) {
      const head = new Float64Array(4);
      const read = new Float64Array(season);
      try {
        const reader = stateReader(saved);
        reader.doubles(head);
        reader.singles(read);
        reader.end();
      } catch (error) {
        if (error instanceof DamagedStateError) return false;
        throw error;
      }
      fit = { alpha: head[0]!, slope: head[1]! };
      level = head[2]!;
      behind = head[3]!;
      profile = read;
      at = track.length - 1;
      return true;
    },
  };
}

/** Means of each phase over whole cycles, about the mean of all. A trend tilts it by less than its slope over a cycle. */
function profileOf({ z }: Track, from: number, phases: Int32Array, season: number): Float64Array<ArrayBuffer> {
  const profile = new Float64Array(season);
  const seen = new Float64Array(season);
  let mean = 0;
  for (let i = 0; i < phases.length; i++) {
    const phase = phases[i]!;
    profile[phase] = profile[phase]! + z[from + i]!;
    seen[phase] = seen[phase]! + 1;
    mean += z[from + i]! / phases.length;
  }
  return profile.map((sum, phase) => (seen[phase] === 0 ? 0 : sum / seen[phase]! - mean));
}

function slopeOf({ z }: Track, from: number, phases: Int32Array, profile: Float64Array): number {
  const n = phases.length;
  const middle = (n - 1) / 2;
  let moment = 0;
  for (let i = 0; i < n; i++) moment += (i - middle) * (z[from + i]! - profile[phases[i]!]!);
  return moment / ((n * (n * n - 1)) / 12);
}

/** @param values Without their season; NaN where there is none. */
function smoothedLevel(
  values: Float64Array,
  first: number,
  fit: ThetaFit,
  { ahead, season }: { readonly ahead: number; readonly season: number },
): { end: number; error: number } {
  let level = first;
  const waiting = new Float64Array(ahead).fill(Number.NaN);
  let error = 0;
  for (let i = 0; i < values.length; i++) {
    const slot = i % ahead;
    const value = values[i]!;
    if (!Number.isNaN(value)) {
      const off = Math.abs(value - waiting[slot]!);
      if (i >= season && !Number.isNaN(off)) error += off;
      level += fit.alpha * (value - level);
    }
    waiting[slot] = thetaAhead(fit, level, i + 1, ahead);
  }
  return { end: level, error };
}
