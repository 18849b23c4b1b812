import { HOUR, type Millis } from '../model/time.ts';
import { gathered } from '../numeric/evidence.ts';
import { quantile } from '../numeric/quantile.ts';

/** What has changed so much that the forecaster should learn anew before its time. */
export type DriftKind = 'residuals' | 'seasonality';

/**
 * Watches one series for drift, strictly causally. Plain JSON, at most 6 kB.
 *
 * Residuals: each is ranked among those of the last days, which gives a conformal p-value: uniform and independent
 * while nothing changes, whatever the distribution (Vovk, "Testing randomness online", 2021). Four bets on it, that
 * residuals have moved up, down, apart or together, gather evidence.
 *
 * Seasonality: every six hours the last day's shape is compared with the mean day of the week before; an alarm is a
 * correlation well below all of the last week's.
 */
export interface DriftState {
  residuals: readonly number[];
  /** Evidence of each bet. */
  bets: readonly number[];
  /** When a residual was last taken in: the next one must not share truths with it. */
  residualAt: Millis;
  /** Hour of local time that is being summed, its sum and count, and the means of the hours before it, newest last. */
  hour: { readonly at: number; readonly sum: number; readonly count: number };
  hours: readonly (number | null)[];
  correlations: readonly number[];
  /** When drift was last reported. */
  reportedAt: Millis;
}

/** Residuals that make a reference: the newest so many, and the least that a rank means something among. */
const MOST_RESIDUALS = 256;
const LEAST_RESIDUALS = 64;
/** Left as a reference after an alarm: the newest belong to what has begun. */
const KEPT_RESIDUALS = 32;
/** Residuals closer together than this say the same twice on lively series. */
const RESIDUALS_APART_MS = HOUR / 2;
/** Observations between two false alarms, in the mean, at least: half a year of half hours. */
const ENOUGH = 10_000;
/** The share of each bet that stays in the pocket: one surprising residual alone must not decide. */
const POCKETED = 0.5;
/** Densities on [0, 1] with mean 1: beta(3, 1), beta(1, 3), and a valley and a hill around the median. */
const BETS: readonly ((u: number) => number)[] = [
  (u) => 3 * u * u,
  (u) => 3 * (1 - u) * (1 - u),
  (u) => 12 * (u - 0.5) * (u - 0.5),
  (u) => 6 * u * (1 - u),
];

const SHAPE_HOURS = 24;
const COMPARED_EVERY_HOURS = 6;
const PROFILE_DAYS = 7;
/** A week of comparisons: a shape that comes once a week is among them. */
const REFERENCES = (PROFILE_DAYS * 24) / COMPARED_EVERY_HOURS;
/** A series whose days resemble each other less has no shape to lose. */
const LEAST_USUAL = 0.5;
/** So far below the lowest of the last week a correlation must be. */
const MARGIN = 0.2;

/** A refit costs up to a quarter of a second: more often than this it is not asked for. */
const REPORTED_APART_MS = 12 * HOUR;

export function createDrift(): DriftState {
  return {
    residuals: [],
    bets: BETS.map(() => 1),
    residualAt: 0,
    hour: { at: 0, sum: 0, count: 0 },
    hours: [],
    correlations: [],
    reportedAt: 0,
  };
}

/**
 * Takes a residual in: truth less forecast over the width of the forecast's interval.
 *
 * @param span When its forecast was issued and when its truth came.
 * @returns Drift, where this residual completes the evidence and none was reported for half a day.
 */
export function watchResidual(
  state: DriftState,
  residual: number,
  { issuedAt, at }: { readonly issuedAt: Millis; readonly at: Millis },
): DriftKind | undefined {
  if (!Number.isFinite(residual)) return undefined;
  // A clock that was set back starts the spacing anew.
  const waits = issuedAt < state.residualAt || at < state.residualAt + RESIDUALS_APART_MS;
  if (waits && at >= state.residualAt) return undefined;
  state.residualAt = at;
  const { residuals } = state;
  const kept = Number(residual.toPrecision(4));
  if (residuals.length >= LEAST_RESIDUALS) {
    const u = rankOf(kept, residuals);
    state.bets = state.bets.map((evidence, i) =>
      gathered(evidence, POCKETED + (1 - POCKETED) * BETS[i]!(u), ENOUGH * BETS.length),
    );
  }
  state.residuals = [...residuals, kept].slice(-MOST_RESIDUALS);
  const evidence = state.bets.reduce((sum, each) => sum + each, 0) / BETS.length;
  if (evidence < ENOUGH) return undefined;
  state.bets = BETS.map(() => 1);
  state.residuals = state.residuals.slice(-KEPT_RESIDUALS);
  return reported(state, 'residuals', at);
}

/** Takes a value of the series in, by local time. @returns Drift, where this completes a day that has lost its shape. */
export function watchShape(state: DriftState, value: number, localTime: Millis, at: Millis): DriftKind | undefined {
  if (!Number.isFinite(value)) return undefined;
  const hour = Math.floor(localTime / HOUR);
  const { hour: open } = state;
  if (hour < open.at) return undefined;
  if (hour === open.at) {
    state.hour = { at: hour, sum: open.sum + value, count: open.count + 1 };
    return undefined;
  }
  let found: DriftKind | undefined;
  if (open.count > 0) {
    const most = (PROFILE_DAYS + 1) * SHAPE_HOURS;
    for (let h = open.at; h < hour && h < open.at + most; h++) {
      const mean = h === open.at ? Number((open.sum / open.count).toPrecision(6)) : null;
      state.hours = [...state.hours, mean].slice(-most);
      if ((h + 1) % COMPARED_EVERY_HOURS === 0) found = compareShape(state, at) ?? found;
    }
  }
  state.hour = { at: hour, sum: value, count: 1 };
  return found;
}

function compareShape(state: DriftState, at: Millis): DriftKind | undefined {
  const correlation = shapeCorrelation(state.hours);
  if (Number.isNaN(correlation)) return undefined;
  const before = state.correlations;
  state.correlations = [...before, Number(correlation.toPrecision(4))].slice(-REFERENCES);
  if (before.length < REFERENCES) return undefined;
  const usual = quantile(Float64Array.from(before), 0.5);
  if (usual < LEAST_USUAL || correlation >= Math.min(...before) - MARGIN) return undefined;
  return reported(state, 'seasonality', at);
}

/**
 * Correlation of the last day's hours with the mean of the same hours on the days before; NaN where a quarter of them
 * is not known, or there is no day before.
 */
export function shapeCorrelation(hours: readonly (number | null)[]): number {
  if (hours.length < 2 * SHAPE_HOURS) return Number.NaN;
  const pairs: (readonly [number, number])[] = [];
  for (let h = hours.length - SHAPE_HOURS; h < hours.length; h++) {
    const now = hours[h];
    const then: number[] = [];
    for (let i = h - SHAPE_HOURS; i >= 0; i -= SHAPE_HOURS) {
      const value = hours[i];
      if (typeof value === 'number') then.push(value);
    }
    if (typeof now === 'number' && then.length > 0) pairs.push([now, meanOf(then)]);
  }
  if (pairs.length < 0.75 * SHAPE_HOURS) return Number.NaN;
  const [a, b] = [meanOf(pairs.map(([now]) => now)), meanOf(pairs.map(([, then]) => then))];
  let both = 0;
  let [squareA, squareB] = [0, 0];
  for (const [now, then] of pairs) {
    both += (now - a) * (then - b);
    squareA += (now - a) ** 2;
    squareB += (then - b) ** 2;
  }
  // A flat day has no shape: it resembles nothing.
  return squareA > 0 && squareB > 0 ? both / Math.sqrt(squareA * squareB) : 0;
}

/** The mid-rank among the reference and itself, within (0, 1). */
function rankOf(value: number, reference: readonly number[]): number {
  let below = 0;
  let equal = 1;
  for (const each of reference) {
    if (each < value) below++;
    else if (each === value) equal++;
  }
  return (below + equal / 2) / (reference.length + 1);
}

function reported(state: DriftState, kind: DriftKind, at: Millis): DriftKind | undefined {
  const tooSoon = at >= state.reportedAt && at < state.reportedAt + REPORTED_APART_MS;
  if (tooSoon) return undefined;
  state.reportedAt = at;
  return kind;
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
