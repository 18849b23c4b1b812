import type { Millis } from '../model/time.ts';
import { WireTooLargeError } from './errors.ts';

/** OTLP metrics as both encodings decode to: `opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest`. */
export interface OtlpRequest {
  readonly resources: readonly OtlpResource[];
  /** Of everything in it: what it takes in memory. */
  readonly elements: number;
}

/** In the order sent. Values are texts already (`attributeText`). */
export type OtlpAttributes = readonly (readonly [key: string, value: string])[];

/** Something whose own texts may not be UTF-8: they then show replacement characters. */
interface Named {
  readonly attributes: OtlpAttributes;
  readonly invalidText: boolean;
}

/**
 * What the parts of a message have beside what they say: their bytes, by which they are found again. Undefined where they
 * are not to be: they were JSON, or do not stand together.
 */
export interface OtlpResource extends Named {
  readonly wire?: Uint8Array | undefined;
  /** Where it stands in the request. */
  readonly at?: number;
  readonly end?: number;
  readonly scopes: readonly OtlpScope[];
}

export interface OtlpScope extends Named {
  readonly wire?: { readonly scope: Uint8Array; readonly schemaUrl: Uint8Array } | undefined;
  readonly name: string;
  readonly version: string;
  readonly schemaUrl: string;
  readonly metrics: readonly OtlpMetric[];
}

export type Temporality = 'unspecified' | 'delta' | 'cumulative';

export interface OtlpMetric {
  readonly wire?:
    | { readonly name: Uint8Array; readonly description: Uint8Array; readonly unit: Uint8Array }
    | undefined;
  readonly name: string;
  readonly description: string;
  readonly unit: string;
  readonly invalidText: boolean;
  /** Undefined: of a kind that is not known here, or none. */
  readonly data: OtlpData | undefined;
}

export type OtlpData =
  | { readonly kind: 'gauge'; readonly points: readonly NumberPoint[] }
  | {
      readonly kind: 'sum';
      readonly temporality: Temporality;
      readonly monotonic: boolean;
      readonly points: readonly NumberPoint[];
    }
  | { readonly kind: 'histogram'; readonly temporality: Temporality; readonly points: readonly HistogramPoint[] }
  | {
      readonly kind: 'exponentialHistogram';
      readonly temporality: Temporality;
      readonly points: readonly ExponentialPoint[];
    }
  | { readonly kind: 'summary'; readonly points: readonly SummaryPoint[] };

export interface Point extends Named {
  /** Of its attributes, and of a histogram's bounds. */
  readonly wire?: { readonly attributes: Uint8Array; readonly bounds: Uint8Array } | undefined;
  /** Whole milliseconds, cut off. 0: not set. */
  readonly start: Millis;
  readonly time: Millis;
  /** The flag that a series ended. Everything but attributes and times is then to be ignored. */
  readonly noRecordedValue: boolean;
}

export interface NumberPoint extends Point {
  /** Undefined: not set. */
  readonly value: number | undefined;
  readonly exemplars: readonly OtlpExemplar[];
}

export interface HistogramPoint extends Point {
  readonly count: number;
  readonly sum: number | undefined;
  /** Not cumulative: one more than `bounds`, or none. */
  readonly bucketCounts: readonly number[];
  readonly bounds: readonly number[];
  readonly exemplars: readonly OtlpExemplar[];
}

export interface ExponentialBuckets {
  readonly offset: number;
  readonly counts: readonly number[];
}

export interface ExponentialPoint extends Point {
  readonly count: number;
  readonly sum: number | undefined;
  readonly scale: number;
  readonly zeroCount: number;
  readonly zeroThreshold: number;
  readonly positive: ExponentialBuckets;
  readonly negative: ExponentialBuckets;
  readonly exemplars: readonly OtlpExemplar[];
}

export interface SummaryPoint extends Point {
  readonly count: number;
  readonly sum: number;
  readonly quantiles: readonly { readonly quantile: number; readonly value: number }[];
}

export interface OtlpExemplar {
  readonly attributes: OtlpAttributes;
  readonly time: Millis;
  readonly value: number;
  /** Hex in lower case, or empty. */
  readonly traceId: string;
  readonly spanId: string;
}

/** Points of a metric. */
export function pointsOf(data: OtlpData | undefined): number {
  return data === undefined ? 0 : data.points.length;
}

/** What errors call such a request. */
export const OTLP_REQUEST = 'OTLP request';

/** Attribute values inside attribute values. OpenTelemetry's own SDKs nest none. */
export const MAX_VALUE_DEPTH = 16;

/**
 * Points, attributes, buckets, exemplars and so on of one request. Empty messages take two bytes on the wire and a
 * hundred in memory: the size of the body alone bounds nothing. A batch of a Collector has about 10^5.
 */
const MAX_ELEMENTS = 1_000_000;

/** Counts what a request decodes to. */
export class Elements {
  count = 0;

  /** @throws {WireTooLargeError} If that makes them too many. */
  add(count = 1): void {
    this.count += count;
    if (this.count <= MAX_ELEMENTS) return;
    throw new WireTooLargeError(
      `cannot take an ${OTLP_REQUEST} of more than ${MAX_ELEMENTS} points, attributes and buckets: send smaller batches`,
    );
  }
}

/** Nanoseconds, as the two halves of a uint64, to whole milliseconds. A double alone would be off by one at the edges. */
export function millisOf(low: number, high: number): Millis {
  // 2^32 is 4294 * 10^6 + 967296; no term reaches 2^53.
  return high * 4_294 + Math.floor((high * 967_296 + low) / 1_000_000);
}
