import { probit } from 'simple-statistics';
import type { Fan } from './intervals.ts';

/** What one horizon's quantiles rest on. */
export interface Footed {
  readonly fan: Fan;
  readonly horizon: number;
  /** Residuals behind it. */
  readonly residuals: number;
}

/** Residuals from which a horizon speaks for itself: the 0.975 quantile lies within them. */
const ENOUGH = 40;
/** Mean absolute deviations in a standard deviation, of a normal distribution. */
const NORMAL_SPREAD = Math.sqrt(Math.PI / 2);

/**
 * A short history has few residuals of far horizons, or none, and those few lie side by side. For as much as a horizon
 * lacks, its quantiles are at least as far out as those of a random walk that moves as the series does from step to
 * step: the mean move, taken for normal, times the root of the horizon.
 *
 * @param spreads In model space and in the series' unit: what the four routes' scores are relative to.
 * @returns The fans themselves where none lacks anything.
 */
export function lentFans(
  footed: readonly Footed[],
  { spreadZ, spreadY }: { readonly spreadZ: number; readonly spreadY: number },
): readonly Fan[] {
  const units = [1, spreadZ, 1, spreadY];
  return footed.map(({ fan, horizon, residuals }) => {
    const own = residuals / ENOUGH;
    if (own >= 1) return fan;
    const scores = fan.scores.map((score, at) => {
      const quantile = fan.quantiles[Math.floor(at / units.length)]!;
      const lent = Math.sqrt(horizon) * NORMAL_SPREAD * probit(quantile) * units[at % units.length]!;
      if (Number.isNaN(score)) return lent;
      const isLow = quantile < 0.5;
      const reached = score < 0 === isLow ? score * beyond(quantile, residuals) : score;
      return own * reached + (1 - own) * (isLow ? Math.min(reached, lent) : Math.max(reached, lent));
    });
    return { ...fan, scores };
  });
}

/**
 * The largest of n residuals lies about at the n / (n + 1) quantile: what lies farther out is taken for so much larger as
 * it is in a normal distribution.
 */
function beyond(quantile: number, residuals: number): number {
  const tail = Math.min(quantile, 1 - quantile);
  const least = 1 / (residuals + 1);
  return tail < least && least < 0.5 ? probit(tail) / probit(least) : 1;
}
