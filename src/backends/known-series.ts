import type { Labels } from '../model/labels.ts';
import type { TenantId } from '../model/tenant.ts';

/**
 * Label sets that were checked before, by reference: what comes in again need not be decoded and checked again. A
 * shortcut within a bound: beyond it everything is forgotten, and learned again.
 */
export interface KnownSeries {
  clear(): void;
  add(labels: Labels): number;
  /** Undefined: it was forgotten. */
  at(ref: number): Labels | undefined;
}

/** About a kilobyte each. */
const MOST_SERIES = 100_000;

export function openKnownSeries(mostSeries = MOST_SERIES): KnownSeries {
  let labelSets: Labels[] = [];
  /** References that were given out before the last clearing are never given out again. */
  let forgotten = 0;

  function clear(): void {
    forgotten += labelSets.length;
    labelSets = [];
  }

  return {
    clear,
    add(labels) {
      if (labelSets.length >= mostSeries) clear();
      return forgotten + labelSets.push(labels);
    },
    at: (ref) => labelSets[ref - forgotten - 1],
  };
}

/** Those of each tenant, made when they are first asked for. */
export function openKnownSeriesOf(): (tenant: TenantId) => KnownSeries {
  const byTenant = new Map<TenantId, KnownSeries>();
  return (tenant) => {
    const known = byTenant.get(tenant) ?? openKnownSeries();
    byTenant.set(tenant, known);
    return known;
  };
}
