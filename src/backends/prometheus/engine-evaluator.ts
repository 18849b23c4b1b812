import type { HistogramValue } from '../../model/histogram-value.ts';
import { compareLabels, type Label, type Labels, labelsOf } from '../../model/labels.ts';
import type { QueryResult, QueryValue, ResultSeries, VectorSample } from '../../model/query-result.ts';
import { type Millis, SECOND } from '../../model/time.ts';
import { typeOf } from '../../promql/check.ts';
import { parseQuery } from '../../promql/parse.ts';
import { TooManySamplesError } from '../../storage/errors.ts';
import type { EvaluateOptions, Evaluator } from '../../storage/storage.ts';
import { EngineAnswerError } from '../errors.ts';
import { enforceLabel } from './enforce-label.ts';
import { histogramOf } from './engine-histogram.ts';
import { type ApiAnswer, type AskApi, secondsText } from './query-api.ts';

/** The whole expression is the engine's to answer, with its own functions and its own rounding. */
export function engineEvaluator(ask: AskApi, enforced: Label | undefined): Evaluator {
  const written = (expression: string) => (enforced === undefined ? expression : enforceLabel(expression, enforced));
  const lookback = ({ lookbackMs, maxResolutionMs }: EvaluateOptions) => [
    ...(lookbackMs === undefined ? [] : [['lookback_delta', `${lookbackMs}ms`] as const]),
    // Thanos's; others do not look at it.
    ...(Number.isFinite(maxResolutionMs) ? [['max_source_resolution', `${maxResolutionMs}ms`] as const] : []),
  ];

  return {
    async instant(expression, time, options = {}) {
      const answer = await ask(
        '/api/v1/query',
        [['query', written(expression)], ['time', secondsText(time)], ...lookback(options)],
        { signal: options.signal },
      );
      const result = resultOf(answer, enforced, options.maxSamples);
      return isScalar(expression) ? { ...result, value: asScalar(result.value, time) } : result;
    },
    async range(expression, { start, end, stepMs }, options = {}) {
      if (end < start) return { value: { kind: 'matrix', series: [] }, warnings: [], infos: [] };
      const grid = [
        ['start', secondsText(start)],
        ['end', secondsText(end)],
        ['step', String(stepMs / SECOND)],
      ] as const;
      const answer = await ask('/api/v1/query_range', [['query', written(expression)], ...grid, ...lookback(options)], {
        signal: options.signal,
      });
      return resultOf(answer, enforced, options.maxSamples);
    },
  };
}

/** @throws {EngineAnswerError} If the answer is not of the form that the API has. */
export function resultOf(
  { data, warnings, infos }: ApiAnswer,
  enforced: Label | undefined,
  maxSamples?: number,
): QueryResult {
  return { value: queryValueOf(data, enforced, maxSamples), warnings, infos };
}

function queryValueOf(data: unknown, enforced: Label | undefined, maxSamples = Number.POSITIVE_INFINITY): QueryValue {
  const { resultType, result } = (data ?? {}) as { resultType?: unknown; result?: unknown };
  switch (resultType) {
    case 'scalar':
      return { kind: 'scalar', ...pointOf(result) };
    case 'string': {
      const [seconds, value] = pairOf(result);
      return { kind: 'string', time: millisOf(seconds), value: String(value) };
    }
    case 'vector': {
      const samples = listOf(result).map((each): VectorSample => {
        const labels = labelsIn(each, enforced);
        const { value, histogram } = each as SentSeries;
        if (histogram === undefined) return { labels, ...pointOf(value) };
        return { labels, value: Number.NaN, ...histogramPointOf(histogram) };
      });
      if (samples.length > maxSamples) throw new TooManySamplesError(maxSamples);
      return { kind: 'vector', samples };
    }
    case 'matrix': {
      let held = 0;
      const series = listOf(result).map((each): ResultSeries => {
        const { values, histograms = [] } = each as SentSeries;
        const ofHistograms = listOf(histograms);
        // Where there are histograms alone, there are no values.
        const points = listOf(values ?? (ofHistograms.length > 0 ? [] : values));
        held += points.length + ofHistograms.length;
        if (held > maxSamples) throw new TooManySamplesError(maxSamples);
        const labels = labelsIn(each, enforced);
        const floats = columnsOf(points);
        return ofHistograms.length === 0
          ? { labels, ...floats }
          : { labels, ...floats, histograms: histogramColumnsOf(ofHistograms) };
      });
      return { kind: 'matrix', series: series.sort((a, b) => compareLabels(a.labels, b.labels)) };
    }
    default:
      throw odd(`expected a resultType of vector, matrix, scalar or string, got ${JSON.stringify(resultType)}`);
  }
}

/** What a series of an answer may have besides its labels. */
interface SentSeries {
  readonly value?: unknown;
  readonly values?: unknown;
  readonly histogram?: unknown;
  readonly histograms?: unknown;
}

function histogramColumnsOf(points: readonly unknown[]): NonNullable<ResultSeries['histograms']> {
  const all = points.map(histogramPointOf);
  return { times: Float64Array.from(all, ({ time }) => time), values: all.map(({ histogram }) => histogram) };
}

function histogramPointOf(point: unknown): { readonly time: Millis; readonly histogram: HistogramValue } {
  const [seconds, sent] = pairOf(point);
  const { count, sum, buckets = [] } = (sent ?? {}) as { count?: unknown; sum?: unknown; buckets?: unknown };
  if (count === undefined || sum === undefined) throw odd(`expected a histogram, got ${shownPart(sent)}`);
  const read = listOf(buckets).map((bucket) => {
    if (!Array.isArray(bucket) || bucket.length !== 4)
      throw odd(`expected a histogram's bucket, got ${shownPart(bucket)}`);
    const [lower, upper, of] = bucket.slice(1).map((each) => numberOf(String(each))) as [number, number, number];
    return { lower, upper, count: of };
  });
  const numbers = { count: numberOf(String(count)), sum: numberOf(String(sum)) };
  return { time: millisOf(seconds), histogram: histogramOf({ ...numbers, buckets: read }) };
}

function columnsOf(points: readonly unknown[]) {
  const times = new Float64Array(points.length);
  const values = new Float64Array(points.length);
  points.forEach((point, i) => {
    const { time, value } = pointOf(point);
    times[i] = time;
    values[i] = value;
  });
  return { times, values };
}

/** Some engines make vectors of scalars. */
function asScalar(value: QueryValue, time: Millis): QueryValue {
  if (value.kind !== 'vector') return value;
  return { kind: 'scalar', time, value: value.samples.length === 1 ? value.samples[0]!.value : Number.NaN };
}

/** What only the engine understands is not a scalar. */
function isScalar(expression: string): boolean {
  try {
    return typeOf(parseQuery(expression)) === 'scalar';
  } catch {
    return false;
  }
}

function labelsIn(each: unknown, enforced: Label | undefined): Labels {
  const { metric } = (each ?? {}) as { metric?: Readonly<Record<string, string>> };
  return withoutTenant(metric ?? {}, enforced);
}

/** A label set without the label that tells tenants apart. */
export function withoutTenant(metric: Readonly<Record<string, string>>, enforced: Label | undefined): Labels {
  const entries = Object.entries(metric);
  return labelsOf(enforced === undefined ? entries : entries.filter(([name]) => name !== enforced[0]));
}

function pointOf(point: unknown): { readonly time: Millis; readonly value: number } {
  const [seconds, value] = pairOf(point);
  return { time: millisOf(seconds), value: numberOf(String(value)) };
}

function pairOf(point: unknown): readonly [unknown, unknown] {
  if (!Array.isArray(point) || point.length !== 2)
    throw odd(`expected a pair of time and value, got ${JSON.stringify(point)}`);
  return point as [unknown, unknown];
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw odd(`expected a list, got ${shownPart(value)}`);
  return value;
}

const millisOf = (seconds: unknown) => Math.round(Number(seconds) * SECOND);

/** As Prometheus writes numbers: `+Inf`, `-Inf`, `NaN`. */
function numberOf(text: string): number {
  if (text === '+Inf' || text === 'Inf') return Number.POSITIVE_INFINITY;
  if (text === '-Inf') return Number.NEGATIVE_INFINITY;
  return Number(text);
}

const shownPart = (value: unknown) => JSON.stringify(value)?.slice(0, 100);

function odd(why: string): EngineAnswerError {
  return new EngineAnswerError(`cannot read the engine's answer: ${why}`);
}
