import { METRIC_NAME } from '../model/labels.ts';
import type { RefAnswer } from '../storage/write.ts';

type Refusal = Extract<RefAnswer, { kind: 'refused' }>;

/** Mimir's refusal of a new series that is one too many for its tenant. 0 is no bound. */
export function overSeriesPerTenant(series: number, most: number): Refusal | undefined {
  if (most === 0 || series < most) return undefined;
  const id = 'err-mimir-max-series-per-user';
  const message = `per-user series limit of ${most} exceeded (${id}). ${remedy('max_global_series_per_user')}`;
  return { kind: 'refused', id, message };
}

/** The same for its metric name. */
export function overSeriesPerMetric(
  index: { countLike(labelBytes: Uint8Array, name: string): number },
  labels: Uint8Array,
  most: number,
): Refusal | undefined {
  if (index.countLike(labels, METRIC_NAME) < most) return undefined;
  const id = 'err-mimir-max-series-per-metric';
  const message = `per-metric series limit of ${most} exceeded (${id}). ${remedy('max_global_series_per_metric')}`;
  return { kind: 'refused', id, message };
}

function remedy(limit: string): string {
  return `To adjust the related per-tenant limit, configure ${limit} in tenantLimits, or contact your service administrator.`;
}
