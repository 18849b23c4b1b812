import type { OtlpMetric, OtlpScope } from './otlp.ts';

/*
 * Bytes by which a request's parts are found again, as assembly/otlp.ts makes them: those of the wire, below the number
 * of what they are in.
 */

const KINDS = { gauge: 5, sum: 7, histogram: 9, exponentialHistogram: 10, summary: 11 } as const;
const CUMULATIVE = 2;

/** Undefined where its points are not found again: deltas, and kinds that are always decoded. */
export function metricKey(
  resource: number,
  scope: Pick<OtlpScope, 'wire'>,
  { wire, data }: OtlpMetric,
): Uint8Array | undefined {
  if (wire === undefined || scope.wire === undefined || data === undefined) return undefined;
  if (data.kind === 'exponentialHistogram' || data.kind === 'summary') return undefined;
  const isGauge = data.kind === 'gauge';
  if (!isGauge && data.temporality !== 'cumulative') return undefined;
  const temporality = isGauge ? 0 : CUMULATIVE;
  const isMonotonic = data.kind === 'sum' && data.monotonic ? 1 : 0;
  return joined([
    word(resource),
    ...[scope.wire.scope, scope.wire.schemaUrl, wire.name, wire.description, wire.unit].flatMap((bytes) => [
      word(bytes.length),
      bytes,
    ]),
    word((KINDS[data.kind] << 16) | (temporality << 8) | isMonotonic),
  ]);
}

export function numberKey(metric: number, attributes: Uint8Array): Uint8Array {
  return joined([word(metric), attributes]);
}

/** @param bounds As they stand in the packed field. */
export function histogramKey(
  metric: number,
  hasSum: boolean,
  { attributes, bounds }: { readonly attributes: Uint8Array; readonly bounds: Uint8Array },
): Uint8Array {
  return joined([word(metric), word(hasSum ? 1 : 0), word(bounds.length), bounds, attributes]);
}

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
