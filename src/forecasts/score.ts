import type { Forecast } from '../model/forecast.ts';
import type { ForecastScore, Truth } from '../model/issued-forecast.ts';
import type { Millis } from '../model/time.ts';

export const NO_SCORE: ForecastScore = { day: 0, count: 0, absoluteError: 0, absoluteErrorOfLast: 0, covered: 0 };

/** A forecast of one moment that waits for the truth. */
export interface Pending {
  readonly validAt: Millis;
  readonly point: number;
  readonly upper: number;
  readonly last: number;
}

export interface Scored {
  readonly error: number;
  readonly errorOfLast: number;
  readonly covered: boolean;
}

const UPPER_QUANTILE = 0.95;
/** A forecast waits at most for this many others: a demand that stops sending truths must not grow a list. */
const MOST_WAITING = 500;

/** What one issue is scored on: the step at the end of its peak window. None where a figure is not finite. */
export function pendingOf(forecast: Forecast, last: number | undefined): readonly Pending[] {
  const { issuedAt, stepMs, point, quantiles, peak } = forecast;
  const index = Math.min(point.length, Math.max(1, Math.round(peak.windowMs / stepMs))) - 1;
  const upper = quantiles.find(({ quantile }) => quantile >= UPPER_QUANTILE)?.values[index];
  const pending = { validAt: issuedAt + (index + 1) * stepMs, point: point[index], upper, last };
  return isComplete(pending) ? [pending] : [];
}

export function scorePending(
  waiting: readonly Pending[],
  truths: readonly Truth[],
): { readonly scored: readonly Scored[]; readonly waiting: readonly Pending[] } {
  const byTime = new Map(truths.map(({ time, value }) => [time, value]));
  const newest = truths.at(-1)?.time ?? Number.NEGATIVE_INFINITY;
  const scored: Scored[] = [];
  const left: Pending[] = [];
  for (const pending of waiting) {
    const truth = byTime.get(pending.validAt);
    if (truth !== undefined) {
      const { point, upper, last } = pending;
      scored.push({ error: Math.abs(truth - point), errorOfLast: Math.abs(truth - last), covered: truth <= upper });
    } else if (pending.validAt > newest) left.push(pending);
  }
  return { scored, waiting: left.slice(-MOST_WAITING) };
}

export function addScore(score: ForecastScore, { error, errorOfLast, covered }: Scored): ForecastScore {
  return {
    day: score.day,
    count: score.count + 1,
    absoluteError: score.absoluteError + error,
    absoluteErrorOfLast: score.absoluteErrorOfLast + errorOfLast,
    covered: score.covered + (covered ? 1 : 0),
  };
}

function isComplete(pending: { readonly [K in keyof Pending]: number | undefined }): pending is Pending {
  return Object.values(pending).every((value) => Number.isFinite(value));
}
