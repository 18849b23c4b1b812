import type { ValueType } from '../ast.ts';

export interface Signature {
  readonly args: readonly ValueType[];
  /** How many more arguments of the last type may follow the one before the last; -1: any number. */
  readonly variadic: number;
  readonly returns: ValueType;
}

const EACH: Signature = { args: ['vector'], variadic: 0, returns: 'vector' };
const DATE: Signature = { args: ['vector'], variadic: 1, returns: 'vector' };
const OVER_TIME: Signature = { args: ['matrix'], variadic: 0, returns: 'vector' };
const CONSTANT: Signature = { args: [], variadic: 0, returns: 'scalar' };
const OF_TWO: Signature = { args: ['scalar', 'scalar'], variadic: 0, returns: 'scalar' };
const SORT_BY: Signature = { args: ['vector', 'string'], variadic: -1, returns: 'vector' };

function all(names: string, signature: Signature): [string, Signature][] {
  return names.split(' ').map((name) => [name, signature]);
}

function vectorOf(...args: ValueType[]): Signature {
  return { args, variadic: 0, returns: 'vector' };
}

/** Every function of Prometheus 3, the experimental ones included. */
const SIGNATURES: ReadonlyMap<string, Signature> = new Map([
  ...all('abs absent ceil exp floor ln log2 log10 sgn sqrt sort sort_desc timestamp start_timestamp deg rad', EACH),
  ...all('acos acosh asin asinh atan atanh cos cosh sin sinh tan tanh', EACH),
  ...all('histogram_avg histogram_count histogram_sum histogram_stddev histogram_stdvar', EACH),
  ...all('days_in_month day_of_month day_of_week day_of_year hour minute month year', DATE),
  ...all(
    'absent_over_time avg_over_time changes count_over_time delta deriv first_over_time idelta increase',
    OVER_TIME,
  ),
  ...all('irate last_over_time mad_over_time max_over_time min_over_time present_over_time rate resets', OVER_TIME),
  ...all('stddev_over_time stdvar_over_time sum_over_time', OVER_TIME),
  ...all('ts_of_first_over_time ts_of_last_over_time ts_of_max_over_time ts_of_min_over_time', OVER_TIME),
  ...all('pi time start end step range', CONSTANT),
  ...all('max_of min_of', OF_TWO),
  ...all('sort_by_label sort_by_label_desc', SORT_BY),
  ['clamp', vectorOf('vector', 'scalar', 'scalar')],
  ['clamp_max', vectorOf('vector', 'scalar')],
  ['clamp_min', vectorOf('vector', 'scalar')],
  ['double_exponential_smoothing', vectorOf('matrix', 'scalar', 'scalar')],
  ['histogram_fraction', vectorOf('scalar', 'scalar', 'vector')],
  ['histogram_quantile', vectorOf('scalar', 'vector')],
  ['histogram_quantiles', { args: ['vector', 'string', 'scalar', 'scalar'], variadic: 9, returns: 'vector' }],
  ['info', { args: ['vector', 'vector'], variadic: 1, returns: 'vector' }],
  ['label_join', { args: ['vector', 'string', 'string', 'string'], variadic: -1, returns: 'vector' }],
  ['label_replace', vectorOf('vector', 'string', 'string', 'string', 'string')],
  ['predict_linear', vectorOf('matrix', 'scalar')],
  ['quantile_over_time', vectorOf('scalar', 'matrix')],
  ['round', { args: ['vector', 'scalar'], variadic: 1, returns: 'vector' }],
  ['scalar', { args: ['vector'], variadic: 0, returns: 'scalar' }],
  ['vector', vectorOf('scalar')],
]);

/** Function names are case-sensitive. */
export function signatureOf(name: string): Signature | undefined {
  return SIGNATURES.get(name);
}

export function functionNames(): readonly string[] {
  return [...SIGNATURES.keys()];
}
