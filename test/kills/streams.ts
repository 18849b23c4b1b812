import { encodeOtlp } from '../../src/testing/encode-otlp.ts';
import { encodeWriteRequest2 } from '../../src/testing/encode-write-request-2.ts';
import { encodeWriteRequest } from '../../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../../src/wire/snappy.ts';

/**
 * What one connection sends, block after block: sample `k` is at `start + k` ms in each of its series.
 *
 * - `write1`, `write2`: remote write, blocks in order, to the same series.
 * - `old`: the same, so old that all of it goes to partitions with each start.
 * - `late`: every second block before the first, so that half of the samples come out of order.
 * - `churn`: every block to series of its own, in remote write 2.0.
 * - `import`: backfill, days before the others.
 * - `otlp`, `influx`: those protocols.
 * - `deleted`: every block to series of its own, which are deleted by a matcher later.
 */
export type Kind = 'write1' | 'write2' | 'old' | 'late' | 'churn' | 'import' | 'otlp' | 'influx' | 'deleted';
const KINDS: readonly Kind[] = ['write1', 'write2', 'old', 'late', 'churn', 'import', 'otlp', 'influx', 'deleted'];

/** What the sender knows. */
export interface Stream {
  readonly kind: Kind;
  readonly id: number;
  readonly start: number;
  next: number;
  readonly acknowledged: Set<number>;
  /** Blocks whose deletion was asked for, and those whose deletion was acknowledged. */
  readonly doomed: Set<number>;
  readonly deleted: Set<number>;
  /** Sent, and the process was killed before it answered. */
  unanswered: number | undefined;
  retries: number;
}

/** Series of a block, and samples of each. */
export const SERIES = 3;
export const BLOCK = 40;
const MINUTE = 60_000;
const HOUR = 3_600_000;
const AGE_MS: Readonly<Partial<Record<Kind, number>>> = { old: 6 * HOUR, churn: 6 * HOUR, import: 72 * HOUR };

export function openStreams(began: number): readonly Stream[] {
  return KINDS.map((kind, id) => ({
    kind,
    id,
    start: began - (AGE_MS[kind] ?? 30 * MINUTE),
    next: 0,
    acknowledged: new Set(),
    doomed: new Set(),
    deleted: new Set(),
    unanswered: undefined,
    retries: 0,
  }));
}

export function samplesOf({ kind }: Stream, block: number): readonly number[] {
  const place = kind === 'late' ? block ^ 1 : block;
  return Array.from({ length: BLOCK }, (_, i) => place * BLOCK + i);
}

export function namesOf({ kind, id }: Stream, block: number): readonly string[] {
  const own = kind === 'churn' || kind === 'deleted' ? `_b${block}` : '';
  return Array.from({ length: SERIES }, (_, i) => `kills_${kind}_s${id}_m${i}${own}`);
}

/** Of these series, and of no others. */
export function matcherOf({ kind, id }: Stream, block?: number): string {
  return `{__name__=~"kills_${kind}_s${id}_m.*${block === undefined ? '' : `_b${block}`}"}`;
}

export function sentValue({ id }: Stream, series: number, k: number): number {
  return k * 1.5 + id * 10 + series;
}

export interface Sent {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array<ArrayBuffer>;
  /** The status of success. */
  readonly want: number;
}

export function requestOf(stream: Stream, block: number): Sent {
  const ks = samplesOf(stream, block);
  const series = namesOf(stream, block).map((name, i) => ({
    labels: [['__name__', name]] as const,
    times: ks.map((k) => stream.start + k),
    values: Float64Array.from(ks, (k) => sentValue(stream, i, k)),
  }));
  switch (stream.kind) {
    case 'import':
      return sent('/api/v1/import', 'application/json', series.map(importLine).join('\n'), 200);
    case 'otlp':
      return sent('/api/v1/otlp/v1/metrics', 'application/x-protobuf', new Uint8Array(otlp(series)), 200);
    case 'influx':
      return sent('/api/v2/write?precision=ms', 'text/plain; charset=utf-8', series.map(influxLines).join('\n'), 204);
    case 'write2':
    case 'churn':
      return remoteWrite(encodeWriteRequest2(series), 'application/x-protobuf;proto=io.prometheus.write.v2.Request');
    case 'write1':
    case 'old':
    case 'late':
    case 'deleted':
      return remoteWrite(encodeWriteRequest(series), 'application/x-protobuf');
  }
}

interface SentSeries {
  readonly labels: readonly (readonly [string, string])[];
  readonly times: readonly number[];
  readonly values: Float64Array;
}

function sent(path: string, contentType: string, body: Sent['body'], want: number): Sent {
  return { path, headers: { 'content-type': contentType }, body, want };
}

function remoteWrite(message: Uint8Array, contentType: string): Sent {
  const headers = { 'content-type': contentType, 'content-encoding': 'snappy' };
  return { path: '/api/v1/write', headers, body: new Uint8Array(encodeSnappy(message)), want: 204 };
}

function importLine({ labels, times, values }: SentSeries): string {
  return JSON.stringify({ metric: Object.fromEntries(labels), values: [...values], timestamps: times });
}

function influxLines({ labels: [[, name] = ['', '']], times, values }: SentSeries): string {
  // A measurement and a field make a name with an underscore between them.
  const [measurement, field] = [name.slice(0, name.lastIndexOf('_')), name.slice(name.lastIndexOf('_') + 1)];
  return times.map((time, i) => `${measurement} ${field}=${values[i]} ${time}`).join('\n');
}

function otlp(series: readonly SentSeries[]): Uint8Array {
  const metrics = series.map(({ labels: [[, name] = ['', '']], times, values }) => ({
    name,
    gauge: {
      dataPoints: times.map((time, i) => ({ timeUnixNano: String(BigInt(time) * 1_000_000n), asDouble: values[i] })),
    },
  }));
  return encodeOtlp({ resourceMetrics: [{ resource: {}, scopeMetrics: [{ scope: {}, metrics }] }] });
}
