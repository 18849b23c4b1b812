import { formatDuration, type Millis, SECOND } from '../model/time.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Tsdb } from '../tsdb/open-tsdb.ts';

/** What is told of points that are made of samples. */
export async function updatePointGauges(metrics: Metrics, tsdb: Pick<Tsdb, 'pointStats'>, now: Millis): Promise<void> {
  for (const { stepMs, written, bytes, lagMs } of await tsdb.pointStats(now)) {
    const resolution = formatDuration(stepMs);
    metrics.points.set({ resolution }, written);
    metrics.pointBytes.set({ resolution }, bytes);
    metrics.pointLag.set({ resolution }, lagMs / SECOND);
  }
}
