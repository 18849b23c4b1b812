import { fitForecaster } from '../src/forecast/forecaster.ts';
import { awaitTruths, createLive, liveAccuracy, takeTruths } from '../src/forecasts/live.ts';
import { offsetsOf } from '../src/forecasts/yesterday.ts';
import { DAY, MINUTE } from '../src/model/time.ts';
import { loadTraces } from './shared-data.ts';

/**
 * What the gate and the drift detector would have said on the shared traces, live, over their last days: on series that
 * are forecast well both should be quiet. `npx tsx bench/trust.ts [DAYS] [NAME…]`
 */
const [days = '4', ...names] = process.argv.slice(2);
const STEP = 5 * MINUTE;
const UTC = offsetsOf('UTC');
const QUANTILES = [0.025, 0.05, 0.1, 0.5, 0.9, 0.95, 0.975];

console.log('trace                          live err  own err  covered  worse%  live-worse%  broken%  drift');
for (const { name, series } of loadTraces(STEP)) {
  if (names.length > 0 && !names.some((each) => name.includes(each))) continue;
  const liveSteps = Math.min(Math.floor((Number(days) * DAY) / STEP), Math.floor(series.values.length / 3));
  const split = series.values.length - liveSteps;
  const first = Math.max(0, split - (21 * DAY) / STEP);
  const history = { ...series, start: series.start + first * STEP, values: series.values.slice(first, split) };
  const fitted = fitForecaster(history, { horizonSteps: 24, peakWindowMs: 15 * MINUTE, quantiles: QUANTILES });
  if (fitted.kind !== 'fitted') continue;
  const { forecaster } = fitted;
  const state = createLive(STEP);
  const truthAt = (i: number) => ({ time: series.start + i * STEP, value: series.values[i]! });
  const known = (i: number) => Number.isFinite(series.values[i]!);
  takeTruths(
    state,
    [...Array(312).keys()]
      .map((i) => split - 312 + i)
      .filter((i) => i >= 0 && known(i))
      .map(truthAt),
    UTC,
  );
  const counted = { issues: 0, worse: 0, liveWorse: 0, broken: 0 };
  const gate = { own: false, live: false };
  const drifts: string[] = [];
  for (let i = split; i < series.values.length; i++) {
    forecaster.update([series.values[i]!]);
    if ((i - split) % 288 === 287) forecaster.refit();
    const { drift } = takeTruths(state, known(i) ? [truthAt(i)] : [], UTC);
    if (drift !== undefined) drifts.push(`${drift}@${(((i - split) * STEP) / DAY).toFixed(1)}`);
    const forecast = forecaster.predict();
    const live = liveAccuracy(state);
    awaitTruths(state, forecast, UTC);
    gate.own = forecast.accuracy.peakVsNaive > (gate.own ? 0.95 : 1);
    gate.live = live.errorVsNaive > (gate.live ? 0.95 : 1);
    counted.issues++;
    counted.worse += gate.own ? 1 : 0;
    counted.liveWorse += gate.live ? 1 : 0;
    counted.broken += live.coverageBroken ? 1 : 0;
  }
  const live = liveAccuracy(state);
  const own = forecaster.predict().accuracy.peakVsNaive;
  const covered = live.horizons.find(({ horizon }) => horizon === 'peak')?.coverage ?? Number.NaN;
  const share = (count: number) => ((100 * count) / counted.issues).toFixed(0).padStart(6);
  console.log(
    `${name.padEnd(30)} ${live.errorVsNaive.toFixed(2).padStart(8)} ${own.toFixed(2).padStart(8)} ${covered.toFixed(3).padStart(8)} ${share(counted.worse)} ${share(counted.liveWorse).padStart(11)} ${share(counted.broken).padStart(9)}   ${drifts.join(' ')}`,
  );
}
