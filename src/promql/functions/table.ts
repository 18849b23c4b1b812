import { absent, constant, ofTwo, scalarOf, time, vectorOf } from './conversion.ts';
import { DATES, dateOf } from './dates.ts';
import type { CallContext, Implementation, RangeFunction } from './definition.ts';
import { checkQuantiles, histogramFraction, histogramQuantile, histogramQuantiles } from './histogram.ts';
import { labelJoin, labelReplace } from './labels.ts';
import { clamp, clampMax, clampMin, EACH, round } from './math.ts';
import * as overTime from './over-time.ts';
import * as rates from './rate.ts';
import { sortByLabel, sortByValue } from './sorting.ts';
import { checkFactors, deriv, doubleExponentialSmoothing, predictLinear } from './trend.ts';

type Whole = (Implementation & { kind: 'whole' })['compute'];

const RANGE: Readonly<Record<string, RangeFunction>> = {
  ...{ irate: rates.irate, idelta: rates.idelta, resets: rates.resets, changes: rates.changes, deriv },
  predict_linear: predictLinear,
  sum_over_time: overTime.sumOverTime,
  avg_over_time: overTime.avgOverTime,
  min_over_time: overTime.minOverTime,
  max_over_time: overTime.maxOverTime,
  count_over_time: overTime.countOverTime,
  present_over_time: overTime.presentOverTime,
  stddev_over_time: overTime.stddevOverTime,
  stdvar_over_time: overTime.stdvarOverTime,
  mad_over_time: overTime.madOverTime,
  ts_of_first_over_time: overTime.tsOfFirstOverTime,
  ts_of_last_over_time: overTime.tsOfLastOverTime,
  ts_of_max_over_time: overTime.tsOfMaxOverTime,
  ts_of_min_over_time: overTime.tsOfMinOverTime,
};

const WHOLE: Readonly<Record<string, Whole>> = {
  ...{ clamp, round, time, absent },
  clamp_min: clampMin,
  clamp_max: clampMax,
  scalar: scalarOf,
  vector: vectorOf,
  pi: constant(() => Math.PI),
  start: constant(({ query }) => query.start / 1000),
  end: constant(({ query }) => query.end / 1000),
  range: constant(({ query }) => (query.end - query.start) / 1000),
  step: constant(({ query }) => (query.end === query.start ? 0 : query.stepMs / 1000)),
  max_of: ofTwo(Math.max),
  min_of: ofTwo(Math.min),
  label_replace: labelReplace,
  label_join: labelJoin,
  sort: sortByValue(1),
  sort_desc: sortByValue(-1),
  sort_by_label: sortByLabel(1),
  sort_by_label_desc: sortByLabel(-1),
};

const PIECES: Readonly<Record<string, (Implementation & { kind: 'pieces' })['compute']>> = {
  histogram_quantile: histogramQuantile,
  histogram_quantiles: histogramQuantiles,
  histogram_fraction: histogramFraction,
};

/** `evaluate` knows them by name: they look at their argument's selector or at all windows together. */
const BY_EVALUATOR = ['timestamp', 'absent_over_time', 'info'];

function checkQuantile(scalars: readonly Float64Array[], context: CallContext): void {
  checkQuantiles(scalars[0]!, context.call.args[0]!, context);
}

const TABLE: ReadonlyMap<string, Implementation> = new Map<string, Implementation>([
  ...Object.entries(EACH).map(([name, compute]) => [name, { kind: 'each', compute }] as const),
  ...Object.entries(DATES).map(([name, part]) => [name, { kind: 'whole', compute: dateOf(part) }] as const),
  ...Object.entries(RANGE).map(([name, compute]) => [name, { kind: 'range', compute }] as const),
  ...Object.entries(WHOLE).map(([name, compute]) => [name, { kind: 'whole', compute }] as const),
  ...Object.entries(PIECES).map(([name, compute]) => [name, { kind: 'pieces', compute }] as const),
  ['rate', { kind: 'range', compute: rates.rate, overRun: rates.rateOverRun }],
  ['increase', { kind: 'range', compute: rates.increase, overRun: rates.increaseOverRun }],
  ['delta', { kind: 'range', compute: rates.delta, overRun: rates.deltaOverRun }],
  ['first_over_time', { kind: 'range', compute: overTime.firstOverTime, keepsName: true }],
  ['last_over_time', { kind: 'range', compute: overTime.lastOverTime, keepsName: true }],
  ['quantile_over_time', { kind: 'range', compute: overTime.quantileOverTime, check: checkQuantile }],
  ['double_exponential_smoothing', { kind: 'range', compute: doubleExponentialSmoothing, check: checkFactors }],
  ...BY_EVALUATOR.map((name) => [name, { kind: 'evaluator' }] as const),
]);

/** How a function that the signatures name is computed. */
export function implementationOf(name: string): Implementation {
  return TABLE.get(name) ?? { kind: 'missing' };
}
