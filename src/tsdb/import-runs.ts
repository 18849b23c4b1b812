import { encodeLabels, formatLabels, type Labels, labelsKey } from '../model/labels.ts';
import type { SampledSeries } from '../model/series.ts';
import type { TenantId } from '../model/tenant.ts';
import type { TimeRange } from '../model/time.ts';
import type { BackfillOutcome } from '../storage/storage.ts';
import type { RetentionClass } from '../storage/write.ts';
import type { StoreFaults } from './faults.ts';
import type { Head } from './head.ts';
import type { Partitions } from './partitions.ts';
import { NO_SAMPLES } from './sample-columns.ts';
import type { TenantHead } from './tenant-head.ts';

export interface ImportOptions {
  readonly retention: RetentionClass;
  readonly bounds: TimeRange;
  readonly onBackfill: ((tenant: TenantId, labels: Labels) => void) | undefined;
}

/**
 * Imports runs of the past straight to disk, beside live samples in memory. Every live sample must be visible.
 * @throws {RangeError} If the times of a run do not ascend; nothing is then imported.
 */
export async function importRuns(
  head: Head,
  partitions: Pick<Partitions, 'backfill'>,
  tenant: TenantHead,
  runs: readonly SampledSeries[],
  { retention, bounds, onBackfill }: ImportOptions,
): Promise<BackfillOutcome> {
  for (const { labels, times } of runs) {
    const at = times.findIndex((time, i) => i > 0 && time <= times[i - 1]!);
    if (at >= 0) throw new RangeError(`cannot import ${formatLabels(labels)}: its times do not ascend at index ${at}`);
  }
  const changed = new Map<string, Labels>();
  const outcome = await partitions.backfill(runs, {
    tenant: tenant.id,
    retention,
    bounds,
    inHead: (labels, range) => {
      const series = tenant.find(encodeLabels(labels));
      return series === undefined ? NO_SAMPLES : head.live.read(series.slot, range);
    },
    onChanged: (labels) => changed.set(labelsKey(labels), labels),
  });
  for (const labels of changed.values()) onBackfill?.(tenant.id, labels);
  return outcome;
}

/** A release before kept imported samples in memory: they go to disk. */
export async function movePast(
  head: Head,
  partitions: Pick<Partitions, 'backfill'>,
  faults: StoreFaults,
): Promise<void> {
  for (const { id, series: all } of head.tenants.values()) {
    for (const series of all.values()) {
      if (series.past.length === 0) continue;
      const { labels, retention } = series;
      const runs = series.past.map(({ times, values, count }) => {
        return { labels, times: times.subarray(0, count), values: values.subarray(0, count) };
      });
      const context = { tenant: id, retention, bounds: EVER, inHead: () => NO_SAMPLES };
      const move = () => partitions.backfill(runs, context);
      const isMoved = await faults.attempt('import', formatLabels(labels), move, id);
      if (isMoved) head.dropPast(series);
    }
  }
}

const EVER = { start: Number.NEGATIVE_INFINITY, end: Number.POSITIVE_INFINITY };
