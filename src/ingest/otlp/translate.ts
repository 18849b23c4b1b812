import { type Label, METRIC_NAME } from '../../model/labels.ts';
import type { Millis } from '../../model/time.ts';
import type { Exemplar, MetricMetadata } from '../../storage/write.ts';
import type { NativeHistogram } from '../../wire/native-histogram.ts';
import type {
  ExponentialPoint,
  HistogramPoint,
  NumberPoint,
  OtlpData,
  OtlpExemplar,
  OtlpMetric,
  OtlpRequest,
  OtlpResource,
  Point,
  SummaryPoint,
} from '../../wire/otlp.ts';
import { metricNameOf, unitNameOf } from '../../wire/otlp-names.ts';
import { checkLabels, type LabelLimits } from '../check-labels.ts';
import { isCount, nativeHistogramOf } from './exponential.ts';
import { type OtlpTranslation, pointLabels, type SharedLabels, sharedLabels, targetInfoLabels } from './labels.ts';
import { MOST_TARGET_INFO, targetInfoTimes } from './seen-points.ts';

/** What a request becomes, piece by piece: a histogram with many buckets is never held as a whole. */
export type Translated =
  | TranslatedSample
  | { readonly kind: 'family'; readonly metadata: MetricMetadata }
  | { readonly kind: 'refused'; readonly point: number; readonly reason: string; readonly message: string };

export interface TranslatedSample {
  readonly kind: 'sample';
  /** The ordinal of its data point in the request; `-1 - i` for the `target_info` of the resource `i`. */
  readonly point: number;
  /** Unsorted, values possibly empty. */
  readonly labels: readonly Label[];
  readonly time: Millis;
  /** 0: not set. */
  readonly start: Millis;
  /** Undefined: a staleness marker. */
  readonly value: number | NativeHistogram | undefined;
  readonly exemplars: readonly Exemplar[];
  /** The value is what came since `start`, rather than since the series began. */
  readonly delta: boolean;
}

/**
 * Turns points into samples of series, in the order of the request; each resource's `target_info` follows it.
 * @param told Whether somebody else sees to the `target_info` of the resource that stands there in the request.
 */
export function* translateOtlp(
  { resources }: OtlpRequest,
  how: OtlpTranslation,
  limits: LabelLimits,
  told: { has(at: number): boolean } = NONE,
): Generator<Translated, void> {
  let point = 0;
  let toldOf = 0;
  for (const [i, resource] of resources.entries()) {
    const span = { first: Infinity, last: 0 };
    for (const scope of resource.scopes) {
      const shared = sharedLabels(resource, scope, how);
      const invalidText = resource.invalidText || (scope.invalidText && how.promoteScopeMetadata);
      for (const metric of scope.metrics) {
        if (metric.data === undefined) continue;
        for (const { time } of metric.data.points) {
          if (time === 0) continue;
          span.first = Math.min(span.first, time);
          span.last = Math.max(span.last, time);
        }
        yield* translateMetric(metric, metric.data, { point, shared, how, limits, invalidText });
        point += metric.data.points.length;
      }
    }
    if (span.last === 0 || resource.invalidText || told.has(resource.at ?? -1)) continue;
    if (toldOf > MOST_TARGET_INFO) span.first = span.last;
    for (const piece of targetInfo(resource, how, { ...span, point: -1 - i })) {
      if (piece.kind === 'sample') toldOf++;
      yield piece;
    }
  }
}

const NONE: ReadonlySet<number> = new Set();

interface MetricContext {
  /** The ordinal of the metric's first point. */
  readonly point: number;
  readonly shared: SharedLabels;
  readonly how: OtlpTranslation;
  readonly limits: LabelLimits;
  readonly invalidText: boolean;
}

const TYPES = { gauge: 'gauge', histogram: 'histogram', exponentialHistogram: 'histogram', summary: 'summary' };

function* translateMetric(metric: OtlpMetric, data: OtlpData, context: MetricContext): Generator<Translated, void> {
  const counter = data.kind === 'sum' && data.monotonic;
  const kind = counter ? 'counter' : data.kind === 'gauge' ? 'gauge' : 'other';
  const family = metricNameOf({ name: metric.name, unit: metric.unit, kind }, context.how.strategy);
  const refusal = refusalOfMetric(metric, data, family, context);
  if (refusal !== undefined || family === undefined) {
    const { reason, message } = refusal!;
    for (let i = 0; i < data.points.length; i++) yield { kind: 'refused', point: context.point + i, reason, message };
    return;
  }
  if (data.points.length === 0) return;
  const type = data.kind === 'sum' ? (counter ? 'counter' : 'gauge') : TYPES[data.kind];
  const metadata = { metric: family, type, help: metric.description, unit: unitNameOf(metric.unit) };
  yield { kind: 'family', metadata };
  const delta = 'temporality' in data && data.temporality === 'delta';
  for (let i = 0; i < data.points.length; i++) {
    yield* translatePoint(data.points[i]!, data.kind, { ...context, family, delta, point: context.point + i });
  }
}

function refusalOfMetric(metric: OtlpMetric, data: OtlpData, family: string | undefined, context: MetricContext) {
  const name = JSON.stringify(metric.name.slice(0, 100));
  if (metric.invalidText || context.invalidText) {
    return { reason: 'invalid_utf8', message: `metric ${name}: a text of it or of its resource is not valid UTF-8` };
  }
  if (family === undefined) {
    return { reason: 'missing_metric_name', message: `metric ${name}: nothing of its name can name a series` };
  }
  if ('temporality' in data && data.temporality === 'unspecified') {
    return { reason: 'invalid_temporality', message: `metric ${name}: it is neither delta nor cumulative` };
  }
  return undefined;
}

interface PointContext extends MetricContext {
  readonly family: string;
  readonly delta: boolean;
}

function* translatePoint(point: Point, kind: OtlpData['kind'], context: PointContext): Generator<Translated, void> {
  const refused = (reason: string, why: string): Translated => {
    const message = `a point of ${context.family} at ${point.time} ms: ${why}`;
    return { kind: 'refused', point: context.point, reason, message };
  };
  if (point.invalidText) return yield refused('invalid_utf8', 'an attribute is not valid UTF-8');
  if (point.time === 0) return yield refused('missing_time', 'it has no time');
  const labels = pointLabels(point.attributes, context.shared, context.how.strategy);
  if ('badKey' in labels) {
    return yield refused('invalid_label_name', `the attribute ${JSON.stringify(labels.badKey)} cannot name a label`);
  }
  if (kind === 'histogram' || kind === 'summary') {
    // Before each bucket has them.
    const checked = checkLabels([...labels, [METRIC_NAME, context.family]], context.limits);
    if (checked.kind === 'refused') return yield { ...checked, point: context.point };
  }
  const series = seriesOf(kind, point);
  if (typeof series === 'string') return yield refused('malformed_point', series);
  for (const { suffix, extra, value, exemplars } of series) {
    const [name, extraValue] = extra ?? [];
    const all: Label[] = [];
    for (const label of labels) if (label[0] !== name) all.push(label);
    all.push([METRIC_NAME, context.family + suffix]);
    if (name !== undefined) all.push([name, extraValue!]);
    yield {
      kind: 'sample',
      point: context.point,
      labels: all,
      time: point.time,
      start: point.start,
      value: point.noRecordedValue && typeof value === 'number' ? undefined : value,
      exemplars: (exemplars ?? []).map((exemplar) => exemplarOf(exemplar, point.time)),
      delta: context.delta,
    };
  }
}

interface PointSeries {
  readonly suffix: string;
  readonly extra?: Label;
  readonly value: number | NativeHistogram;
  readonly exemplars?: readonly OtlpExemplar[];
}

/** The series of a point, or in words what is wrong with it. */
function seriesOf(kind: OtlpData['kind'], point: Point): Iterable<PointSeries> | string {
  switch (kind) {
    case 'gauge':
    case 'sum': {
      const { value, exemplars } = point as NumberPoint;
      if (value === undefined && !point.noRecordedValue) return 'it has no value';
      return [{ suffix: '', value: value ?? 0, exemplars }];
    }
    case 'histogram':
      return checkHistogram(point as HistogramPoint) ?? histogramSeries(point as HistogramPoint);
    case 'exponentialHistogram': {
      const histogram = nativeHistogramOf(point as ExponentialPoint);
      if (typeof histogram === 'string') return histogram;
      return [{ suffix: '', value: histogram, exemplars: (point as ExponentialPoint).exemplars }];
    }
    case 'summary': {
      const summary = point as SummaryPoint;
      if (summary.quantiles.length > MAX_SERIES_OF_POINT) return `it has more than ${MAX_SERIES_OF_POINT} quantiles`;
      return summarySeries(summary);
    }
    default:
      throw new RangeError(`no such kind of metric: ${kind satisfies never}`);
  }
}

/** Each bucket or quantile is a series. */
const MAX_SERIES_OF_POINT = 1_000;

function checkHistogram({ count, bucketCounts, bounds, noRecordedValue }: HistogramPoint): string | undefined {
  if (bounds.length > MAX_SERIES_OF_POINT) return `it has more than ${MAX_SERIES_OF_POINT} buckets`;
  if (noRecordedValue) return undefined;
  if (!isCount(count) || !bucketCounts.every(isCount)) return 'a count of it is not a whole number';
  const expected = bounds.length + 1;
  // Without any bucket it has a count and a sum alone.
  if (bucketCounts.length !== expected && !(bucketCounts.length === 0 && bounds.length === 0)) {
    return `it has ${bucketCounts.length} buckets where its bounds make ${expected}`;
  }
  for (let i = 0; i < bounds.length; i++) {
    if (Number.isNaN(bounds[i]!) || (i > 0 && bounds[i]! <= bounds[i - 1]!)) return 'its bounds do not ascend';
  }
  return undefined;
}

function* histogramSeries({ count, sum, bucketCounts, bounds, exemplars }: HistogramPoint): Generator<PointSeries> {
  if (sum !== undefined) yield { suffix: '_sum', value: sum };
  yield { suffix: '_count', value: count };
  const ascending = exemplars.toSorted((a, b) => a.value - b.value);
  let given = 0;
  let below = 0;
  for (let i = 0; i < bounds.length; i++) {
    const bound = bounds[i]!;
    below += bucketCounts[i] ?? 0;
    if (bound === Infinity) break;
    const first = given;
    while (given < ascending.length && ascending[given]!.value <= bound) given++;
    const inside = ascending.slice(first, given);
    yield { suffix: '_bucket', extra: ['le', plainDecimal(bound)], value: below, exemplars: inside };
  }
  yield { suffix: '_bucket', extra: ['le', '+Inf'], value: count, exemplars: ascending.slice(given) };
}

function* summarySeries({ count, sum, quantiles }: SummaryPoint): Generator<PointSeries> {
  yield { suffix: '_sum', value: sum };
  yield { suffix: '_count', value: count };
  for (const { quantile, value } of quantiles) {
    yield { suffix: '', extra: ['quantile', plainDecimal(quantile)], value };
  }
}

/** A number without exponent, as Prometheus writes it into `le` and `quantile`: `0.0000001`. */
export function plainDecimal(value: number): string {
  if (value === Infinity) return '+Inf';
  if (value === -Infinity) return '-Inf';
  const found = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(String(value));
  if (found === null) return String(value);
  const [, sign, first, rest = '', exponent] = found;
  const digits = `${first}${rest}`;
  const power = Number(exponent);
  if (power < 0) return `${sign}0.${'0'.repeat(-power - 1)}${digits}`;
  return `${sign}${digits.padEnd(power + 1, '0')}`;
}

/** What OpenMetrics allows the labels of an exemplar in all. */
const MAX_EXEMPLAR_CHARACTERS = 128;

function exemplarOf({ attributes, time, value, traceId, spanId }: OtlpExemplar, pointTime: Millis): Exemplar {
  const ids: Label[] = [];
  if (/[^0]/.test(spanId)) ids.push(['span_id', spanId]);
  if (/[^0]/.test(traceId)) ids.push(['trace_id', traceId]);
  const all = [...ids, ...attributes.filter(([name, text]) => name !== '' && text !== '')];
  const characters = all.reduce((sum, [name, text]) => sum + [...name].length + [...text].length, 0);
  // The ids matter most: attributes go first.
  const kept = characters <= MAX_EXEMPLAR_CHARACTERS ? [...new Map(all)] : ids;
  return {
    time: time === 0 ? pointTime : time,
    value,
    labels: kept.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
  };
}

function* targetInfo(
  resource: OtlpResource,
  how: OtlpTranslation,
  { first, last, point }: { readonly first: Millis; readonly last: Millis; readonly point: number },
): Generator<Translated, void> {
  const labels = targetInfoLabels(resource, how);
  if (labels === undefined) return;
  if ('badKey' in labels) {
    const message = `target_info: the attribute ${JSON.stringify(labels.badKey)} cannot name a label`;
    return yield { kind: 'refused', point, reason: 'invalid_label_name', message };
  }
  const metadata = { metric: 'target_info', type: 'gauge', help: 'Target metadata', unit: '' };
  yield { kind: 'family', metadata };
  const named: Label[] = [...labels, [METRIC_NAME, 'target_info']];
  for (const time of targetInfoTimes(first, last)) {
    yield { kind: 'sample', point, labels: named, time, start: 0, value: 1, exemplars: [], delta: false };
  }
}
