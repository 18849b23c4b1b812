/**
 * The forecasting tables: M4 hourly, operational traces, peaks. Run: npx tsx bench/forecast.ts [m4] [traces] [peak] [cost]
 * As the commands and the server do, with the shipped network; `no-network` leaves it out.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Forecaster, fitForecaster } from '../src/forecast/forecaster.ts';
import type { ForecasterOptions, Network } from '../src/forecast/forecaster-options.ts';
import { restoreForecaster } from '../src/forecast/restore-forecaster.ts';
import type { Forecast } from '../src/model/forecast.ts';
import type { RegularSeries } from '../src/model/series.ts';
import { DAY, MINUTE } from '../src/model/time.ts';
import { networkSource, readModelBytes, SHIPPED_MODEL } from '../src/workers/load-regressor.ts';
import { referenceHourly, referencePeak } from './reference-ridge.ts';
import { loadM4Hourly, loadTraces } from './shared-data.ts';

const network: Network = process.argv.includes('no-network')
  ? {}
  : await networkSource(await readModelBytes(SHIPPED_MODEL))();

function fitted(series: RegularSeries, horizonSteps: number, peakWindowMs: number): Forecaster {
  const result = fitForecaster(series, { horizonSteps, peakWindowMs, ...network });
  if (result.kind !== 'fitted') throw new Error(`cannot fit: ${result.kind}`);
  return result.forecaster;
}

function restored(state: Uint8Array, series: RegularSeries, options: ForecasterOptions): Forecaster {
  const result = restoreForecaster(state, series, options);
  if (result.kind !== 'fitted') throw new Error(result.kind === 'unusable' ? result.reason : result.kind);
  return result.forecaster;
}

function pathOf(forecast: Forecast, quantile: number): Float64Array {
  return forecast.quantiles.find((path) => path.quantile === quantile)!.values;
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function measureM4(): void {
  const rows = loadM4Hourly();
  const started = cpuSeconds();
  const sums = { smape: 0, mase: 0, smape2: 0, mase2: 0, msis: 0, inside: 0, steps: 0 };
  const reference = { smape: 0, mase: 0, msis: 0, inside: 0 };
  let referenceSeconds = 0;
  const each: string[] = [];
  for (const { id, train, test, naive2 } of rows) {
    const forecast = fitted({ start: 0, stepMs: 60 * MINUTE, values: train }, test.length, 60 * MINUTE).predict();
    let scale = 0;
    for (let t = 24; t < train.length; t++) scale += Math.abs(train[t]! - train[t - 24]!);
    scale /= train.length - 24;
    const own = pointErrors(test, forecast.point, scale);
    const other = pointErrors(test, naive2, scale);
    const low = pathOf(forecast, 0.025);
    const high = pathOf(forecast, 0.975);
    const interval = intervalErrors(test, low, high, scale);
    const { msis } = interval;
    sums.inside += interval.inside;
    const before = cpuSeconds();
    const plain = referenceHourly(train, test.length);
    const plainPoint = pointErrors(test, plain.point, scale);
    const plainInterval = intervalErrors(test, plain.lower, plain.upper, scale);
    reference.smape += plainPoint.smape;
    reference.mase += plainPoint.mase;
    reference.msis += plainInterval.msis;
    reference.inside += plainInterval.inside;
    referenceSeconds += cpuSeconds() - before;
    sums.steps += test.length;
    sums.msis += msis;
    sums.smape += own.smape;
    sums.mase += own.mase;
    sums.smape2 += other.smape;
    sums.mase2 += other.mase;
    each.push(
      `${id} sMAPE ${own.smape.toFixed(2)} MASE ${own.mase.toFixed(3)} MSIS ${msis.toFixed(2)} reference ${plainInterval.msis.toFixed(2)} ${forecast.model}`,
    );
  }
  const n = rows.length;
  if (process.argv.includes('each')) console.log(each.join('\n'));
  const owa = (sums.smape / sums.smape2 + sums.mase / sums.mase2) / 2;
  console.log(
    `M4 hourly, ${n} series: sMAPE ${(sums.smape / n).toFixed(2)}  MASE ${(sums.mase / n).toFixed(3)}  OWA ${owa.toFixed(3)}` +
      `  MSIS ${(sums.msis / n).toFixed(2)}  coverage ${(sums.inside / sums.steps).toFixed(3)}  CPU s a series ${((cpuSeconds() - started - referenceSeconds) / n).toFixed(3)}`,
  );
  const referenceOwa = (reference.smape / sums.smape2 + reference.mase / sums.mase2) / 2;
  console.log(
    `a log ridge with split-conformal residuals: sMAPE ${(reference.smape / n).toFixed(2)}  MASE ${(reference.mase / n).toFixed(3)}  OWA ${referenceOwa.toFixed(3)}` +
      `  MSIS ${(reference.msis / n).toFixed(2)}  coverage ${(reference.inside / sums.steps).toFixed(3)}`,
  );
}

function intervalErrors(
  test: Float64Array,
  low: Float64Array,
  high: Float64Array,
  scale: number,
): { msis: number; inside: number } {
  let msis = 0;
  let inside = 0;
  test.forEach((y, i) => {
    msis += high[i]! - low[i]! + 40 * Math.max(low[i]! - y, 0) + 40 * Math.max(y - high[i]!, 0);
    if (y >= low[i]! && y <= high[i]!) inside++;
  });
  return { msis: msis / test.length / scale, inside };
}

function pointErrors(test: Float64Array, forecast: Float64Array, scale: number): { smape: number; mase: number } {
  let smape = 0;
  let mase = 0;
  test.forEach((y, i) => {
    const f = forecast[i]!;
    smape += Math.abs(y) + Math.abs(f) === 0 ? 0 : (200 * Math.abs(y - f)) / (Math.abs(y) + Math.abs(f));
    mase += Math.abs(y - f) / scale;
  });
  return { smape: smape / test.length, mase: mase / test.length };
}

const TRACE_STEPS = [1, 3, 6, 12];
const QUANTILES = [0.5, 0.9, 0.95, 0.99];

function measureTraces(): void {
  const traces = loadTraces(5 * MINUTE);
  console.log('trace                          MAE vs last value at 5/15/30/60 min   q0.95 covers  central 95 %  CPU s');
  const logs = new Float64Array(TRACE_STEPS.length);
  const pinball = new Float64Array(QUANTILES.length);
  const losses = new Float64Array(TRACE_STEPS.length);
  let coverage = 0;
  let central = 0;
  for (const { name, series } of traces) {
    const started = cpuSeconds();
    const cut = Math.floor(series.values.length * 0.75);
    const forecaster = fitted({ ...series, values: series.values.slice(0, cut) }, 12, 10 * MINUTE);
    const own = new Float64Array(TRACE_STEPS.length);
    const last = new Float64Array(TRACE_STEPS.length);
    const pins = new Float64Array(QUANTILES.length);
    let watched = 0;
    let covered = 0;
    let inside = 0;
    for (let origin = cut - 1; origin + 12 < series.values.length; origin += 6) {
      if (origin >= cut) {
        forecaster.update(series.values.subarray(origin - 5, origin + 1));
        if (Math.floor((origin - cut) / 288) > Math.floor((origin - 6 - cut) / 288)) forecaster.refit();
      }
      const now = series.values[origin]!;
      if (Number.isNaN(now)) continue;
      const forecast = forecaster.predict();
      const paths = QUANTILES.map((quantile) => pathOf(forecast, quantile));
      const [low, high] = [pathOf(forecast, 0.025), pathOf(forecast, 0.975)];
      for (const [i, step] of TRACE_STEPS.entries()) {
        const y = series.values[origin + step]!;
        if (Number.isNaN(y)) continue;
        own[i] = own[i]! + Math.abs(y - forecast.point[step - 1]!);
        last[i] = last[i]! + Math.abs(y - now);
        watched++;
        if (y <= paths[2]![step - 1]!) covered++;
        if (y >= low[step - 1]! && y <= high[step - 1]!) inside++;
        QUANTILES.forEach((q, j) => {
          const over = y - paths[j]![step - 1]!;
          pins[j] = pins[j]! + (over >= 0 ? q * over : (q - 1) * over);
        });
      }
    }
    const ratios = Array.from(own, (error, i) => error / last[i]!);
    ratios.forEach((ratio, i) => {
      logs[i] = logs[i]! + Math.log(ratio);
      if (ratio > 1) losses[i] = losses[i]! + 1;
    });
    const scale = last.reduce((a, b) => a + b, 0);
    pins.forEach((pin, j) => {
      pinball[j] = pinball[j]! + Math.log(pin / scale);
    });
    coverage += covered / watched;
    central += inside / watched;
    console.log(
      `${name.padEnd(30)} ${ratios.map((ratio) => ratio.toFixed(2)).join(' / ')}   ${(covered / watched).toFixed(3)}   ${(inside / watched).toFixed(3)}   ${(cpuSeconds() - started).toFixed(2)}`,
    );
  }
  const n = traces.length;
  console.log(
    `geometric mean                 ${Array.from(logs, (sum) => Math.exp(sum / n).toFixed(3)).join(' / ')}   mean ${(coverage / n).toFixed(3)}   ${(central / n).toFixed(3)}`,
  );
  console.log(`worse than last value at       ${losses.join(' / ')} of ${n}`);
  console.log(
    `pinball over last's MAE, geometric mean, at ${QUANTILES.join('/')}: ${Array.from(pinball, (sum) => Math.exp(sum / n).toFixed(4)).join(' / ')}`,
  );
}

/** The quantiles of the largest demand within 8 minutes on 1-minute traces, last three days, refitted daily. */
function measurePeaks(): void {
  const traces = [
    ...loadTraces(MINUTE, ['crane-k8s', 'nasa-http']),
    ...loadTraces(MINUTE, ['ms-cloud-monitoring']).filter(
      ({ series }) => series.values.length > 1e4 && known(series) > 1e4,
    ),
  ];
  console.log(
    'trace                          covered at 0.9/0.95/0.99   pinball 0.95 over mean peak   CPU s   a ridge with conformal residuals: 0.95 covered, pinball',
  );
  let coverage = 0;
  let logPin = 0;
  let plainCoverage = 0;
  let plainLogPin = 0;
  for (const { name, series } of traces) {
    const started = cpuSeconds();
    const cut = series.values.length - 3 * 1440;
    const forecaster = fitted(
      { ...series, values: series.values.slice(Math.max(0, cut - 28 * 1440), cut) },
      120,
      8 * MINUTE,
    );
    const plain = referencePeak(series.values, Math.max(0, cut - 28 * 1440), cut, 8);
    let plainHits = 0;
    let plainPin = 0;
    let plainSeconds = 0;
    const hits = [0, 0, 0];
    let pin = 0;
    let total = 0;
    let watched = 0;
    for (let origin = cut; origin + 8 < series.values.length; origin++) {
      forecaster.update(series.values.subarray(origin, origin + 1));
      const before = cpuSeconds();
      const plainUpper = plain.upper(origin);
      if ((origin - cut) % 1440 === 1439) plain.refit(origin + 1);
      plainSeconds += cpuSeconds() - before;
      if ((origin - cut) % 1440 === 1439) forecaster.refit();
      const forecast = forecaster.predict();
      const peak = series.values.subarray(origin + 1, origin + 9).reduce((a, b) => Math.max(a, b));
      if (Number.isNaN(peak)) continue;
      watched++;
      total += peak;
      if (peak <= plainUpper) plainHits++;
      plainPin += peak > plainUpper ? 0.95 * (peak - plainUpper) : 0.05 * (plainUpper - peak);
      [0.9, 0.95, 0.99].forEach((q, i) => {
        const value = forecast.peak.quantiles.find(({ quantile }) => quantile === q)!.value;
        if (peak <= value) hits[i]!++;
        if (q === 0.95) pin += peak > value ? q * (peak - value) : (1 - q) * (value - peak);
      });
    }
    coverage += hits[1]! / watched;
    logPin += Math.log(pin / total);
    plainCoverage += plainHits / watched;
    plainLogPin += Math.log(plainPin / total);
    console.log(
      `${name.padEnd(45)} ${hits.map((hit) => (hit / watched).toFixed(3)).join(' / ')}   ${(pin / total).toFixed(4)}   ${(cpuSeconds() - started - plainSeconds).toFixed(2)}   ${(plainHits / watched).toFixed(3)}   ${(plainPin / total).toFixed(4)}`,
    );
  }
  console.log(
    `mean coverage at 0.95 ${(coverage / traces.length).toFixed(3)}  pinball, geometric mean ${Math.exp(logPin / traces.length).toFixed(5)}` +
      `; of a ridge with conformal residuals ${(plainCoverage / traces.length).toFixed(3)} and ${Math.exp(plainLogPin / traces.length).toFixed(5)}`,
  );
}

function known({ values }: RegularSeries): number {
  return values.reduce((count, value) => (Number.isNaN(value) ? count : count + 1), 0);
}

function measureCost(): void {
  for (const [stepMinutes, horizon] of [
    [5, 24],
    [1, 120],
  ] as const) {
    const step = stepMinutes * MINUTE;
    const perDay = DAY / step;
    const values = Float64Array.from(
      { length: 29 * perDay },
      (_, t) => 100 * (2 + Math.sin((2 * Math.PI * t) / perDay) + 0.3 * Math.sin(t * t)),
    );
    const times: number[] = [];
    for (let run = 0; run < 3; run++) {
      const before = cpuSeconds();
      fitted({ start: 0, stepMs: step, values: values.subarray(0, 28 * perDay) }, horizon, 8 * MINUTE);
      times.push(cpuSeconds() - before);
    }
    const forecaster = fitted({ start: 0, stepMs: step, values: values.subarray(0, 28 * perDay) }, horizon, 8 * MINUTE);
    const saved = forecaster.save();
    let before = cpuSeconds();
    forecaster.update(values.subarray(28 * perDay));
    const update = cpuSeconds() - before;
    before = cpuSeconds();
    forecaster.refit();
    const refit = cpuSeconds() - before;
    before = cpuSeconds();
    for (let i = 0; i < 500; i++) forecaster.predict();
    const predict = (cpuSeconds() - before) / 500;
    const state = forecaster.save();
    const series = { start: 0, stepMs: step, values };
    before = cpuSeconds();
    restoreForecaster(state, series, { horizonSteps: horizon, peakWindowMs: 8 * MINUTE });
    const restore = cpuSeconds() - before;
    const options = { horizonSteps: horizon, peakWindowMs: 8 * MINUTE };
    // An anomaly is confirmed most of a day after the last daily refit: what came since is taken in again without it.
    const untaught = values.slice(0, Math.round(28.8 * perDay)).fill(Number.NaN, Math.round(28.7 * perDay));
    const again: number[] = [];
    for (let run = 0; run < 3; run++) {
      before = cpuSeconds();
      restored(saved, { start: 0, stepMs: step, values: untaught }, { ...options, ...network }).predict();
      again.push(cpuSeconds() - before);
    }
    console.log(
      `28 d at ${stepMinutes} min: an anomaly is left out after ${again.map((t) => (t * 1000).toFixed(0)).join('/')} ms (CPU)`,
    );
    const { heap, arrays } = liveKilobytes(() =>
      restored(state, { ...series, start: perDay * step, values: values.slice(perDay) }, options),
    );
    console.log(
      `28 d at ${stepMinutes} min: state ${(state.length / 1024).toFixed(1)} KiB, restore ${(restore * 1000).toFixed(0)} ms (CPU), live ${heap.toFixed(0)} kB of objects and ${arrays.toFixed(0)} kB of arrays a forecaster`,
    );
    console.log(
      `28 d at ${stepMinutes} min, horizon ${horizon}: cold fit ${times.map((t) => (t * 1000).toFixed(0)).join('/')} ms, a day of updates ${(update * 1000).toFixed(0)} ms, refit ${(refit * 1000).toFixed(0)} ms, predict ${(predict * 1000).toFixed(2)} ms (CPU)`,
    );
  }
}

/** Forecasters made before memory is first looked at, and between the two looks. */
const WARM = 10;
const MEASURED = 50;

/** Memory that each of many things keeps, in kilobytes: objects and typed arrays after a collection. */
function liveKilobytes(make: () => unknown): { heap: number; arrays: number } {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const used = () => {
    // Typed arrays are let go of some collections after what held them: until nothing more goes.
    let before = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 20; i++) {
      collect();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      if (i > 3 && heapUsed + arrayBuffers > before - 1000) break;
      before = heapUsed + arrayBuffers;
    }
    return process.memoryUsage();
  };
  const kept: unknown[] = [];
  while (kept.length < WARM) kept.push(make());
  const before = used();
  while (kept.length < WARM + MEASURED) kept.push(make());
  const after = used();
  const each = (key: 'heapUsed' | 'arrayBuffers') => (after[key] - before[key]) / MEASURED / 1000;
  // What is kept is looked at after it was measured, so that it is alive until then.
  if (kept.includes(undefined)) throw new Error('nothing was made');
  return { heap: each('heapUsed'), arrays: each('arrayBuffers') };
}

const wanted = new Set(process.argv.slice(2).filter((word) => word !== 'no-network' && word !== 'each'));
const only = (part: string) => wanted.size === 0 || wanted.has(part);
if (only('m4')) measureM4();
if (only('traces')) measureTraces();
if (only('peak')) measurePeaks();
if (only('cost')) measureCost();
