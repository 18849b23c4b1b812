import { histogramVarianceOf } from '../histograms/quantile.ts';
import { greater, smaller } from '../numeric.ts';
import { absent, constant, ofTwo, scalarOf, time, vectorOf } from './conversion.ts';
import { DATES, dateOf } from './dates.ts';
import type { CallContext, Implementation, RangeFunction } from './definition.ts';
import { checkQuantiles, histogramFraction, histogramQuantile, histogramQuantiles } from './histogram.ts';
import { labelJoin, labelReplace } from './labels.ts';
import { clamp, clampMax, clampMin, EACH, round } from './math.ts';
import { anySample, mixedChanges, mixedFirst, mixedLast, mixedResets, mixedTotal } from './mixed-counts.ts';
import { mixedLastChange, mixedRate } from './mixed-rate.ts';
import * as overTime from './over-time.ts';
import * as rates from './rate.ts';
import { sortByLabel, sortByValue } from './sorting.ts';
import { checkFactors, deriv, doubleExponentialSmoothing, predictLinear } from './trend.ts';

type Whole = (Implementation & { kind: 'whole' })['compute'];

const RANGE: Readonly<Record<string, RangeFunction>> = {
  deriv,
  predict_linear: predictLinear,
  min_over_time: overTime.minOverTime,
  max_over_time: overTime.maxOverTime,
  stddev_over_time: overTime.stddevOverTime,
  stdvar_over_time: overTime.stdvarOverTime,
  mad_over_time: overTime.madOverTime,
  ts_of_max_over_time: overTime.tsOfMaxOverTime,
  ts_of_min_over_time: overTime.tsOfMinOverTime,
};

/** Range functions that know histograms. */
const MIXED: Readonly<Record<string, Omit<Implementation & { kind: 'range' }, 'kind'>>> = {
  rate: {
    ...{ compute: rates.rate, overRun: rates.rateOverRun },
    mixed: mixedRate({ counter: true, perSecond: true }),
  },
  increase: {
    ...{ compute: rates.increase, overRun: rates.increaseOverRun },
    mixed: mixedRate({ counter: true, perSecond: false }),
  },
  delta: {
    ...{ compute: rates.delta, overRun: rates.deltaOverRun },
    mixed: mixedRate({ counter: false, perSecond: false }),
  },
  first_over_time: { compute: overTime.firstOverTime, keepsName: true, mixed: mixedFirst },
  last_over_time: { compute: overTime.lastOverTime, keepsName: true, mixed: mixedLast },
  irate: { compute: rates.irate, mixed: mixedLastChange(true) },
  idelta: { compute: rates.idelta, mixed: mixedLastChange(false) },
  resets: { compute: rates.resets, mixed: mixedResets },
  changes: { compute: rates.changes, mixed: mixedChanges },
  sum_over_time: { compute: overTime.sumOverTime, mixed: mixedTotal(false, overTime.sumOverTime) },
  avg_over_time: { compute: overTime.avgOverTime, mixed: mixedTotal(true, overTime.avgOverTime) },
  count_over_time: { compute: overTime.countOverTime, mixed: anySample(overTime.countOverTime) },
  present_over_time: { compute: overTime.presentOverTime, mixed: anySample(overTime.presentOverTime) },
  ts_of_first_over_time: { compute: overTime.tsOfFirstOverTime, mixed: anySample(overTime.tsOfFirstOverTime) },
  ts_of_last_over_time: { compute: overTime.tsOfLastOverTime, mixed: anySample(overTime.tsOfLastOverTime) },
};

const HISTOGRAM: Readonly<Record<string, (Implementation & { kind: 'histogram' })['compute']>> = {
  histogram_count: ({ count }) => count,
  histogram_sum: ({ sum }) => sum,
  histogram_avg: ({ count, sum }) => sum / count,
  histogram_stddev: (histogram) => Math.sqrt(histogramVarianceOf(histogram)),
  histogram_stdvar: histogramVarianceOf,
};

const WHOLE: Readonly<Record<string, Whole>> = {
  time,
  vector: vectorOf,
  pi: constant(() => Math.PI),
  start: constant(({ query }) => query.start / 1000),
  end: constant(({ query }) => query.end / 1000),
  range: constant(({ query }) => (query.end - query.start) / 1000),
  step: constant(({ query }) => (query.end === query.start ? 0 : query.stepMs / 1000)),
  max_of: ofTwo(greater),
  min_of: ofTwo(smaller),
};

const PIECES: Readonly<Record<string, (Implementation & { kind: 'pieces' })['compute']>> = {
  ...{ clamp, round, absent },
  clamp_min: clampMin,
  clamp_max: clampMax,
  scalar: scalarOf,
  label_replace: labelReplace,
  label_join: labelJoin,
  sort: sortByValue(1),
  sort_desc: sortByValue(-1),
  sort_by_label: sortByLabel(1),
  sort_by_label_desc: sortByLabel(-1),
  histogram_quantile: histogramQuantile,
  histogram_quantiles: histogramQuantiles,
  histogram_fraction: histogramFraction,
};

/** `evaluate` knows them by name: they look at their argument's selector or at all windows together. */
const BY_EVALUATOR = ['timestamp', 'start_timestamp', 'absent_over_time', 'info'];

function checkQuantile(scalars: readonly number[], hasFloats: boolean, context: CallContext): void {
  if (hasFloats) checkQuantiles(scalars, context.call.args[0]!, context);
}

const TABLE: ReadonlyMap<string, Implementation> = new Map<string, Implementation>([
  ...Object.entries(EACH).map(([name, compute]) => [name, { kind: 'each', compute }] as const),
  ...Object.entries(DATES).map(([name, part]) => [name, { kind: 'pieces', compute: dateOf(part) }] as const),
  ...Object.entries(RANGE).map(([name, compute]) => [name, { kind: 'range', compute }] as const),
  ...Object.entries(MIXED).map(([name, parts]) => [name, { kind: 'range', ...parts }] as const),
  ...Object.entries(HISTOGRAM).map(([name, compute]) => [name, { kind: 'histogram', compute }] as const),
  ...Object.entries(WHOLE).map(([name, compute]) => [name, { kind: 'whole', compute }] as const),
  ...Object.entries(PIECES).map(([name, compute]) => [name, { kind: 'pieces', compute }] as const),
  ['quantile_over_time', { kind: 'range', compute: overTime.quantileOverTime, check: checkQuantile }],
  ['double_exponential_smoothing', { kind: 'range', compute: doubleExponentialSmoothing, check: checkFactors }],
  ...BY_EVALUATOR.map((name) => [name, { kind: 'evaluator' }] as const),
]);

/** How a function that the signatures name is computed. */
export function implementationOf(name: string): Implementation {
  return TABLE.get(name) ?? { kind: 'missing' };
}
