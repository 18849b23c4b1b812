/**
 * What the shipped constants owe to having been chosen on the traces that judge them: for each set of traces (a folder)
 * a few configurations, one knob moved at a time, compete on the other sets, and the winner is measured on the set left
 * out. Without the network, whose own leave-one-set-out figures `bench/regressor.ts` makes. Run: npx tsx bench/leave-one-out.ts
 */
import { fitForecaster } from '../src/forecast/forecaster.ts';
import { MIX_TUNING } from '../src/forecast/mix.ts';
import type { ForecastTuning } from '../src/forecast/tuning.ts';
import type { RegularSeries } from '../src/model/series.ts';
import { MINUTE } from '../src/model/time.ts';
import { loadTraces } from './shared-data.ts';

interface Configuration {
  readonly name: string;
  readonly tuning: ForecastTuning;
}

const [shortMemory, longMemory] = MIX_TUNING.memories;

/** By the error of the point: all but the first move one knob about twofold (the penalty tenfold). */
const FOR_POINTS: readonly Configuration[] = [
  { name: 'as shipped', tuning: {} },
  { name: 'powers 5 and 2.5', tuning: { mix: { ...MIX_TUNING, nearPower: 5, farPower: 2.5 } } },
  { name: 'powers 13 and 6.5', tuning: { mix: { ...MIX_TUNING, nearPower: 13, farPower: 6.5 } } },
  { name: 'short memory only', tuning: { mix: { ...MIX_TUNING, memories: [shortMemory!] } } },
  { name: 'long memory only', tuning: { mix: { ...MIX_TUNING, memories: [longMemory!] } } },
  { name: 'penalty 0.00002', tuning: { ridgeLambda: 0.00002 } },
  { name: 'penalty 0.002', tuning: { ridgeLambda: 0.002 } },
  { name: 'kept a day 0.8', tuning: { ridgeKeptPerDay: 0.8 } },
  { name: 'kept a day 0.95', tuning: { ridgeKeptPerDay: 0.95 } },
];

/** By the pinball loss at 0.95: the point hardly depends on it. The memory shipped is a week. */
const FOR_QUANTILES: readonly Configuration[] = [
  FOR_POINTS[0]!,
  { name: 'residuals of 2 days', tuning: { residualDays: 2 } },
  { name: 'residuals of 4 days', tuning: { residualDays: 4 } },
];

const STEPS = [1, 3, 6, 12];
const HORIZON = STEPS.at(-1)!;
/** Steps of 5 minutes between origins: two hours. The tables have one every half-hour, and are the better mean. */
const APART = 24;
const DAY_STEPS = 288;

interface Figures {
  /** The mean absolute error over last value's, an entry per step. */
  readonly ratios: readonly number[];
  /** Of the 0.95 quantile, over all steps. */
  readonly coverage: number;
  /** Over last value's absolute error. */
  readonly pinball: number;
}

function measure({ values, start, stepMs }: RegularSeries, tuning: ForecastTuning): Figures {
  const cut = Math.floor(values.length * 0.75);
  const history = { start, stepMs, values: values.slice(0, cut) };
  const fit = fitForecaster(history, { horizonSteps: HORIZON, peakWindowMs: 10 * MINUTE, tuning });
  if (fit.kind !== 'fitted') throw new Error(`cannot fit: ${fit.kind}`);
  const { forecaster } = fit;
  const own = new Float64Array(STEPS.length);
  const last = new Float64Array(STEPS.length);
  let pinball = 0;
  let watched = 0;
  let covered = 0;
  for (let origin = cut - 1, turn = 0; origin + HORIZON < values.length; origin += APART, turn++) {
    if (turn > 0) forecaster.update(values.subarray(origin - APART + 1, origin + 1));
    if (turn > 0 && turn % (DAY_STEPS / APART) === 0) forecaster.refit();
    if (Number.isNaN(values[origin]!)) continue;
    const { point, quantiles } = forecaster.predict();
    const upper = quantiles.find(({ quantile }) => quantile === 0.95)!.values;
    for (const [i, step] of STEPS.entries()) {
      const y = values[origin + step]!;
      if (Number.isNaN(y)) continue;
      own[i]! += Math.abs(y - point[step - 1]!);
      last[i]! += Math.abs(y - values[origin]!);
      const over = y - upper[step - 1]!;
      pinball += over >= 0 ? 0.95 * over : -0.05 * over;
      watched++;
      if (over <= 0) covered++;
    }
  }
  return {
    ratios: Array.from(own, (error, i) => error / last[i]!),
    coverage: covered / watched,
    pinball: pinball / last.reduce((a, b) => a + b),
  };
}

const traces = loadTraces(5 * MINUTE);
const started = process.cpuUsage();
const everyName = new Set([...FOR_POINTS, ...FOR_QUANTILES].map(({ name }) => name));
const figures = new Map<string, readonly Figures[]>();

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const geometric = (values: readonly number[]) => Math.exp(mean(values.map(Math.log)));
const ratiosOf = (all: readonly Figures[]) => STEPS.map((_, i) => geometric(all.map(({ ratios }) => ratios[i]!)));
const pointLoss = (all: readonly Figures[]) => geometric(ratiosOf(all));
const pinballLoss = (all: readonly Figures[]) => geometric(all.map(({ pinball }) => pinball));

function lineOf(all: readonly Figures[]): string {
  const ratios = ratiosOf(all).map((ratio) => ratio.toFixed(3));
  const covered = mean(all.map(({ coverage }) => coverage));
  return `${ratios.join(' / ')}   all ${pointLoss(all).toFixed(4)}   0.95 covers ${covered.toFixed(3)}, pinball ${pinballLoss(all).toFixed(4)}`;
}

for (const { name, tuning } of [...FOR_POINTS, ...FOR_QUANTILES]) {
  if (figures.has(name)) continue;
  figures.set(
    name,
    traces.map(({ series }) => measure(series, tuning)),
  );
  console.log(`${name.padEnd(20)} ${lineOf(figures.get(name)!)}`);
}

/** The best of some configurations over the traces of all sets but one. */
function bestWithout(
  set: string,
  configurations: readonly Configuration[],
  loss: (all: readonly Figures[]) => number,
): string {
  const lossOf = (name: string) => loss(figures.get(name)!.filter((_, i) => traces[i]!.set !== set));
  return configurations.map(({ name }) => name).reduce((best, name) => (lossOf(name) < lossOf(best) ? name : best));
}

console.log(
  '\nleft out, chosen without it: MAE over last value at 5/15/30/60 min (as shipped), 0.95 covers (as shipped)',
);
const shipped = figures.get(FOR_POINTS[0]!.name)!;
const chosenPoints: Figures[] = [];
const chosenQuantiles: Figures[] = [];
for (const set of new Set(traces.map((trace) => trace.set))) {
  const forPoints = bestWithout(set, FOR_POINTS, pointLoss);
  const forQuantiles = bestWithout(set, FOR_QUANTILES, pinballLoss);
  console.log(`${set}: ${forPoints}; ${forQuantiles}`);
  for (const [i, trace] of traces.entries()) {
    if (trace.set !== set) continue;
    const points = figures.get(forPoints)![i]!;
    const quantiles = figures.get(forQuantiles)![i]!;
    chosenPoints.push(points);
    chosenQuantiles.push(quantiles);
    const show = (own: Figures) => own.ratios.map((ratio) => ratio.toFixed(2)).join(' / ');
    console.log(
      `  ${trace.name.padEnd(28)} ${show(points)} (${show(shipped[i]!)})   ${quantiles.coverage.toFixed(3)} (${shipped[i]!.coverage.toFixed(3)})`,
    );
  }
}
console.log(`\nas shipped            ${lineOf(shipped)}`);
console.log(`leave one set out     ${lineOf(chosenPoints)}   (by the points' choice)`);
console.log(`                      ${lineOf(chosenQuantiles)}   (by the quantiles' choice)`);
const { user, system } = process.cpuUsage(started);
console.log(
  `${everyName.size} configurations, ${traces.length} traces: ${((user + system) / 1e6).toFixed(0)} CPU seconds`,
);
