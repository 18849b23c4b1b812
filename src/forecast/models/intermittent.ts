import { appendSorted, quantileSorted, type SortedWindow, sortedWindow } from '../../numeric/quantile.ts';
import { type Clocked, phaseOf } from '../local-clock.ts';
import { isOrdinary, type Track, valueAt } from '../track.ts';
import { toModel } from '../transform.ts';
import type { Model } from './model.ts';

/** Demand that is zero on most steps, in the series' unit: how likely there is any, by the local time of day, and how much then. */
export interface SparseDemand {
  readonly clocked: Clocked;
  /** Steps in a day, and how many of them share a probability. */
  readonly day: number;
  readonly width: number;
  /** Smoothed probability of any demand: over all, and of each part of the day. */
  probability: number;
  readonly byPart: Float64Array;
  readonly seenByPart: Float64Array;
  /** Smoothed size of a demand that is not zero; NaN until there was one. */
  size: number;
  /** The last sizes. */
  readonly sizes: SortedWindow;
}

export interface SparseRates {
  /** Share of the newest size, and of whether there was a demand, 0 to 1 (alpha_d and alpha_p of statsforecast's TSB). */
  readonly size: number;
  readonly probability: number;
}

const HALVINGS = 20;
const PARTS = 24;
const SIZES_KEPT = 512;
/** A part of the day is believed half as much as all together once it was seen so often. */
const PRIOR_STEPS = 24;
/** Memory of a part's probability, in days. */
const PART_DAYS = 14;

/** @param clocked What says where in the day a step lies: a track. */
export function sparseDemand(day: number, { clock, phase = 0 }: Clocked = { clock: undefined }): SparseDemand {
  const parts = Math.max(1, Math.min(PARTS, day));
  return {
    clocked: { clock, phase },
    day: Math.max(1, day),
    width: Math.max(1, Math.round(day / parts)),
    probability: Number.NaN,
    byPart: new Float64Array(parts),
    seenByPart: new Float64Array(parts),
    size: Number.NaN,
    sizes: sortedWindow(SIZES_KEPT),
  };
}

/** Takes the demand of step `t` in (Teunter, Syntetos and Babai 2011: the probability falls while there is none). */
export function takeDemand(demand: SparseDemand, rates: SparseRates, t: number, value: number): void {
  const any = value > 0 ? 1 : 0;
  demand.probability = Number.isNaN(demand.probability)
    ? any
    : demand.probability + rates.probability * (any - demand.probability);
  const part = partOf(demand, t);
  const kept = 1 - 1 / (PART_DAYS * demand.width);
  demand.byPart[part] = kept * demand.byPart[part]! + any;
  demand.seenByPart[part] = kept * demand.seenByPart[part]! + 1;
  if (any === 0) return;
  demand.size = Number.isNaN(demand.size) ? value : demand.size + rates.size * (value - demand.size);
  appendSorted(demand.sizes, value);
}

/** Expected demand of any step: probability times size. */
export function expectedDemand({ probability, size }: SparseDemand): number {
  return Number.isNaN(size) ? 0 : probability * size;
}

/** Probability of any demand at step `t`: that of its part of the day, drawn towards the one over all. */
function probabilityAt(demand: SparseDemand, t: number): number {
  const part = partOf(demand, t);
  const seen = demand.seenByPart[part]!;
  return (demand.byPart[part]! + PRIOR_STEPS * demand.probability) / (seen + PRIOR_STEPS);
}

/**
 * The quantile of the largest demand of the steps in (from, to]: the steps are independent, so the largest is below x with
 * the product of the steps' chances of that. Of a single step it is the quantile of the step.
 */
export function demandQuantile(demand: SparseDemand, from: number, to: number, quantile: number): number {
  const { sorted, count } = demand.sizes;
  if (count === 0) return 0;
  if (to === from + 1) {
    const share = 1 - (1 - quantile) / probabilityAt(demand, to);
    return share > 0 ? quantileSorted(sorted, count, share) : 0;
  }
  if (chanceBelow(demand, from, to, 0) >= quantile) return 0;
  let low = 0;
  let high = 1;
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2;
    if (chanceBelow(demand, from, to, middle) < quantile) low = middle;
    else high = middle;
  }
  return quantileSorted(sorted, count, high);
}

/** The chance that no demand in (from, to] is above the size's quantile `share`. */
function chanceBelow(demand: SparseDemand, from: number, to: number, share: number): number {
  let chance = 1;
  for (let t = from + 1; t <= to; t++) chance *= 1 - probabilityAt(demand, t) * (1 - share);
  return chance;
}

function partOf({ clocked, day, width, byPart }: SparseDemand, t: number): number {
  return Math.min(byPart.length - 1, Math.floor(phaseOf(clocked, t, day) / width));
}

/** Steady: a sparse series says little with each step. */
export const SPARSE_RATES: SparseRates = { size: 0.05, probability: 0.02 };

/** The median demand by TSB with a probability for each part of the day: experts are weighed by their absolute errors. */
export function intermittent(day: number): Model {
  let demand: SparseDemand | undefined;
  let at = -1;
  const follow = (track: Track, origin: number) => {
    demand ??= sparseDemand(day, track);
    while (at < origin) {
      at++;
      if (isOrdinary(track, at)) takeDemand(demand, SPARSE_RATES, at, valueAt(track, at));
    }
    return demand;
  };
  return {
    name: 'intermittent',
    refit(track) {
      follow(track, track.length - 1);
    },
    predict(track, origin, horizons, out) {
      if (at > origin) {
        out.fill(Number.NaN);
        return;
      }
      const known = follow(track, origin);
      for (let i = 0; i < horizons.length; i++) {
        const step = origin + horizons[i]!;
        out[i] = toModel(track.transform, demandQuantile(known, step - 1, step, 0.5));
      }
    },
  };
}
