import type { Head } from './head.ts';
import type { PointMakerDeps } from './point-maker.ts';
import { NO_SAMPLES } from './sample-columns.ts';

/** What points are made of while it is in memory: live samples of class `raw`. */
export function pointSources(head: Head): Pick<PointMakerDeps, 'head'> {
  return {
    head: {
      read(id, labelBytes, range) {
        const series = head.tenants.get(id)?.find(labelBytes);
        return series?.retention === 'raw' ? head.live.read(series.slot, range) : NO_SAMPLES;
      },
      tenants: () => head.tenants.keys(),
      *series(id, range) {
        for (const series of head.tenants.get(id)?.series.values() ?? []) {
          const isThere = series.retention === 'raw' && head.live.hasSampleIn(series.slot, range);
          yield isThere ? series.labelBytes : undefined;
        }
      },
    },
  };
}
