import { awaitServed, type Channel } from './channel.ts';
import type { Clocked } from './local-clock.ts';
import { demandQuantile, SPARSE_RATES, type SparseDemand, sparseDemand, takeDemand } from './models/intermittent.ts';

/**
 * Quantiles of a series that is zero on many steps, beside those of the mix: residuals of a point forecast know neither
 * that most of the next values are exactly zero nor at what time of day they are not.
 */
export interface SparseQuantiles {
  readonly demand: SparseDemand;
  /** Fading pinball loss at 0.95 of the quantile of the next step, over the weight of what it fades from. */
  loss: number;
  seen: number;
}

/** Share of zeros from which a series is sparse. */
const LEAST_ZEROS = 0.3;
const WATCHED = 0.95;
/** As the intervals of the mix forget theirs. */
const LOSS_KEPT = 0.99;
/** Scored steps from which the loss means something. */
const LEAST_SEEN = 20;

/** Whether a series is zero on many steps, and never below. */
export function isSparse(values: Float64Array): boolean {
  let known = 0;
  let zeros = 0;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    if (value < 0) return false;
    known++;
    if (value === 0) zeros++;
  }
  // A series of nothing but zeros needs no chances.
  return zeros > LEAST_ZEROS * known && zeros < known;
}

export function sparseQuantiles(day: number, clocked: Clocked): SparseQuantiles {
  return { demand: sparseDemand(day, clocked), loss: 0, seen: 0 };
}

/** Takes the known value of step `t` in; where the step is scored, after judging what it was expected to be. */
export function takeSparse(sparse: SparseQuantiles, t: number, value: number, scored: boolean): void {
  if (scored && sparse.demand.sizes.count > 0) {
    const over = value - demandQuantile(sparse.demand, t - 1, t, WATCHED);
    sparse.loss = LOSS_KEPT * sparse.loss + (1 - LOSS_KEPT) * (over >= 0 ? WATCHED * over : (WATCHED - 1) * over);
    sparse.seen++;
  }
  takeDemand(sparse.demand, SPARSE_RATES, t, value);
}

/** Whether these quantiles did better than those around the mix one step ahead. */
export function sparseIsBetter({ loss, seen }: SparseQuantiles, { conformal }: Channel): boolean {
  const routes = conformal.losses.length / 2;
  let least = Number.POSITIVE_INFINITY;
  for (let route = routes; route < 2 * routes; route++) least = Math.min(least, conformal.losses[route]!);
  return seen >= LEAST_SEEN && loss < least;
}

/** What is said at an origin instead of the quantiles around the mix is what its truth is compared with. */
export function serveSparse(
  { demand }: SparseQuantiles,
  waiting: { readonly turn: number; readonly origin: number },
  { steps, peak }: { readonly steps: readonly Channel[]; readonly peak: Channel },
): void {
  const { origin } = waiting;
  for (const channel of steps) {
    const step = origin + channel.horizon;
    awaitServed(channel, waiting, (quantile) => demandQuantile(demand, step - 1, step, quantile));
  }
  awaitServed(peak, waiting, (quantile) => demandQuantile(demand, origin, origin + peak.horizon, quantile));
}
