import type { OtlpData, OtlpRequest } from '../../wire/otlp.ts';

/** Samples and exemplars that a request would become, which is what rate limits count, without making them. */
export function countOtlpSamples({ resources }: OtlpRequest): number {
  let count = 0;
  for (const { scopes } of resources) {
    for (const { metrics } of scopes) for (const { data } of metrics) if (data !== undefined) count += countOf(data);
  }
  return count;
}

function countOf(data: OtlpData): number {
  switch (data.kind) {
    case 'summary':
      return data.points.reduce((sum, { quantiles }) => sum + 2 + quantiles.length, 0);
    case 'histogram':
      return data.points.reduce((sum, { bounds, exemplars }) => sum + 3 + bounds.length + exemplars.length, 0);
    default:
      return data.points.reduce((sum, { exemplars }) => sum + 1 + exemplars.length, 0);
  }
}
