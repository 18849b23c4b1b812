import type { Forecast, PeakForecast } from '../model/forecast.ts';
import { DAY } from '../model/time.ts';
import { within } from '../numeric/within.ts';
import { accuracyOf } from './accuracy.ts';
import type { State } from './forecaster-state.ts';
import { hourFactor, spreadsAt, stepHours } from './hours.ts';
import { fanOf, spreadFan } from './intervals.ts';
import { placeBetween } from './knots.ts';
import { lentFans } from './lent-fans.ts';
import { mixed } from './mix.ts';
import { demandQuantile } from './models/intermittent.ts';
import { predictAll } from './predict-all.ts';
import { isLearnt, spreadsBeforeRise } from './rises.ts';
import { type SparseQuantiles, sparseIsBetter } from './sparse.ts';
import { asSpecial, effectAt, largestEffect } from './special-effects.ts';
import { isSpecial } from './special-times.ts';
import { isKnown, type Track, valueAt } from './track.ts';
import { fromModel } from './transform.ts';
import { spreads } from './volatility.ts';

export function predict(state: State): Forecast {
  const { track, horizons, knots, channels, models, quantiles, stepMs, hours } = state;
  const { transform } = track;
  const origin = track.length - 1;
  const spread = spreads(state.volatility);
  const all = predictAll(models, track, origin, horizons);
  const point = new Float64Array(horizons.length);
  const paths = quantiles.map((quantile) => ({ quantile, values: new Float64Array(horizons.length) }));
  const fans = lentFans(
    channels.map(({ conformal, horizon }) => ({
      fan: fanOf(conformal, quantiles),
      horizon,
      residuals: conformal.scores[0]!.seen,
    })),
    spread,
  );
  const made = new Float64Array(quantiles.length);
  // A point outside of the central 80 % of its own past errors is a point that has been wrong in one direction.
  const belowAll = quantiles.findLastIndex((quantile) => quantile <= 0.1);
  const aboveAll = quantiles.findIndex((quantile) => quantile >= 0.9);
  const sparse = betterSparse(state);
  for (let i = 0; i < horizons.length; i++) {
    const { low, high, share } = placeBetween(knots, horizons[i]!);
    let z = mixed(channels[low]!.weights, all, i, horizons.length);
    if (share > 0) z += share * (mixed(channels[high]!.weights, all, i, horizons.length) - z);
    if (Number.isNaN(z)) z = track.z[origin]!;
    point[i] = bounded(track, fromModel(transform, z));
    const factor = hourFactor(stepHours(hours, channels, horizons[i]!), track, origin + horizons[i]!);
    spreadFan(fans[low]!, fans[high]!, share, transform, { z, ...spreadsAt(spread, factor) }, made);
    if (sparse !== undefined) {
      const step = origin + horizons[i]!;
      for (let j = 0; j < made.length; j++) made[j] = demandQuantile(sparse.demand, step - 1, step, quantiles[j]!);
    }
    const t = origin + horizons[i]!;
    if (isSpecial(track, t))
      point[i] = bounded(track, asSpecial(track, effectAt(track, t, origin), z, quantiles, made));
    for (let j = 0; j < paths.length; j++) {
      // What cannot be said is what was said before, so that quantiles stay in order.
      const value = bounded(track, Number.isNaN(made[j]!) ? point[i]! : made[j]!);
      paths[j]!.values[i] = j > 0 ? Math.max(paths[j - 1]!.values[i]!, value) : value;
    }
    point[i] = within(paths[belowAll]?.values[i] ?? -Infinity, point[i]!, paths[aboveAll]?.values[i] ?? Infinity);
  }
  return {
    issuedAt: state.facts.start + origin * stepMs,
    stepMs,
    point,
    quantiles: paths,
    peak: predictPeak(state, origin),
    model: describe(state),
    seasons: state.facts.seasons,
    accuracy: accuracyOf(channels, state.peakChannel),
    historyMs: (state.facts.dropped + track.length) * stepMs,
  };
}

function predictPeak(state: State, origin: number): PeakForecast {
  const { track } = state;
  const { channel, spread } = peakQuestion(state, origin);
  const own = predictAll(state.peakModels, track, origin, state.peakWindow);
  const mix = mixed(channel.weights, own, 0, 1);
  const z = Number.isNaN(mix) ? track.z[origin]! : mix;
  const fan = fanOf(channel.conformal, state.quantiles);
  const made = new Float64Array(state.quantiles.length);
  spreadFan(fan, fan, 0, track.transform, { z, ...spread }, made);
  const sparse = betterSparse(state);
  if (sparse !== undefined) {
    const end = origin + state.peakWindow[0]!;
    for (let j = 0; j < made.length; j++) made[j] = demandQuantile(sparse.demand, origin, end, state.quantiles[j]!);
  }
  const effect = largestEffect(track, z, origin, state.peakWindow[0]!);
  const point = asSpecial(track, effect, z, state.quantiles, made);
  let least = -Number.MAX_VALUE;
  const values = state.quantiles.map((quantile, j) => {
    least = Math.max(least, bounded(track, Number.isNaN(made[j]!) ? point : made[j]!));
    return { quantile, value: least };
  });
  const { factor } = effect;
  const dayMean = meanOfLastDay(track, state.stepMs);
  return {
    windowMs: state.peakWindowMs,
    quantiles: values,
    ...(factor !== 1 && { eventFactor: factor }),
    ...(dayMean > 0 && Number.isFinite(dayMean) && { dayMean }),
  };
}

/** As far as it is known; NaN where nothing is. */
function meanOfLastDay(track: Track, stepMs: number): number {
  let mean = 0;
  let known = 0;
  for (let t = Math.max(0, track.length - Math.max(1, Math.round(DAY / stepMs))); t < track.length; t++) {
    if (!isKnown(track, t)) continue;
    known++;
    mean += (valueAt(track, t) - mean) / known;
  }
  return known > 0 ? mean : Number.NaN;
}

/** Just before a steep rise that earlier seasons lead to expect, what was learnt before such rises answers. */
function peakQuestion({ track, volatility, rises, peakChannel, hours }: State, origin: number) {
  const now = spreads(volatility);
  if (rises !== undefined && isLearnt(rises)) {
    const spread = spreadsBeforeRise(rises, track, origin, now);
    if (spread !== undefined) return { channel: rises.channel, spread };
  }
  const factor = hourFactor(hours.peak, track, origin + peakChannel.horizon);
  return { channel: peakChannel, spread: spreadsAt(now, factor) };
}

function betterSparse({ sparse, channels }: State): SparseQuantiles | undefined {
  return sparse !== undefined && sparseIsBetter(sparse, channels[0]!) ? sparse : undefined;
}

/** A series that was never negative is not forecast to be, and nothing is forecast to be infinite. */
function bounded({ negative }: Track, value: number): number {
  return within(negative ? -Number.MAX_VALUE : 0, value, Number.MAX_VALUE);
}

function describe({ channels, models }: State): string {
  const share = models.map((_, e) => channels.reduce((sum, { weights }) => sum + weights[e]!, 0) / channels.length);
  const named = models.map(({ name }, e) => ({ name, share: share[e]! })).filter((entry) => entry.share >= 0.01);
  named.sort((a, b) => b.share - a.share);
  if (named.length === 1) return named[0]!.name;
  return `mix(${named.map((entry) => `${entry.name} ${entry.share.toFixed(2)}`).join(', ')})`;
}
