import { lowerBound, type Samples } from '../model/series.ts';
import type { TenantId } from '../model/tenant.ts';
import type { Millis } from '../model/time.ts';
import { bitsOf } from './chunk.ts';
import type { StoredSample } from './live-samples.ts';
import { decodeChunk, lastTimeOf, type SampleCodec } from './partition-chunk.ts';
import { dayOf, seriesIdOf } from './partition-key.ts';
import type { PartitionSlots } from './partition-slots.ts';

/** What disk has of one series' live samples. */
export interface LiveOnDisk {
  /** The sample of each time that was asked for, where there is one. */
  readonly samples: ReadonlyMap<Millis, StoredSample>;
  /** No live sample on disk is later. */
  readonly last: Millis;
}

/**
 * Looks for live samples of one series in the partitions of their days, and how far its live samples go. A partition
 * that cannot be read is taken for one without them.
 * @param times At least one.
 */
export async function findLiveOnDisk(
  slots: PartitionSlots,
  codec: SampleCodec,
  tenant: TenantId,
  { labelBytes, times }: { readonly labelBytes: Uint8Array; readonly times: readonly Millis[] },
): Promise<LiveOnDisk> {
  const id = seriesIdOf(labelBytes);
  const samples = new Map<Millis, StoredSample>();
  const since = times.reduce((least, time) => Math.min(least, time), Number.POSITIVE_INFINITY);
  // What is not visited has no sample from there on, and may have some before.
  let last = since;
  for (const name of slots.touching({ start: since, end: Number.POSITIVE_INFINITY })) {
    const sought = times.filter((time) => dayOf(time) === name.day);
    const visit = slots.with(name, async (partition) => {
      for (const { layer, value } of await partition.storedChunks(tenant, { id })) {
        if (layer !== 'live') continue;
        last = Math.max(last, lastTimeOf(value));
        const inside = sought.filter((time) => time <= lastTimeOf(value));
        if (inside.length > 0) collect(decodeChunk(codec, value), inside, samples);
      }
    });
    await visit.catch(() => {
      // What is in there is not known.
      last = Number.POSITIVE_INFINITY;
    });
  }
  return { samples, last };
}

function collect({ times, values }: Samples, sought: readonly Millis[], into: Map<Millis, StoredSample>): void {
  const words = bitsOf(values);
  for (const time of sought) {
    const at = lowerBound(times, time);
    if (times[at] === time) into.set(time, { time, low: words[2 * at]!, high: words[2 * at + 1]! });
  }
}
