import { compareLabels, type Labels, labelsKey } from '../model/labels.ts';
import type { Matcher } from '../model/matcher.ts';
import type { TenantId } from '../model/tenant.ts';
import type { Millis, TimeRange } from '../model/time.ts';
import type { AttachmentReader, SelectedStarts } from '../storage/storage.ts';
import type { RetentionClass } from '../storage/write.ts';
import { startsKey } from './partition-key.ts';
import type { PartitionSlots } from './partition-slots.ts';
import { StartTimes } from './start-times.ts';

/** Changes of one series' start: from `times[i]` on it is `starts[i]`. */
export type StartChanges = Pick<SelectedStarts, 'times' | 'starts'>;

/** What a partition stores under a series' `startsKey`: times, then starts. */
export function startsValue({ times, starts }: StartChanges): Uint8Array {
  const value = new Uint8Array(16 * times.length);
  value.set(new Uint8Array(times.buffer, times.byteOffset, times.byteLength));
  value.set(new Uint8Array(starts.buffer, starts.byteOffset, starts.byteLength), times.byteLength);
  return value;
}

export function startsOf(value: Uint8Array): StartChanges {
  const columns = new Float64Array(value.slice().buffer);
  return { times: columns.subarray(0, columns.length / 2), starts: columns.subarray(columns.length / 2) };
}

/** All changes; of two at one time the later list's stays. */
export function joinStarts(lists: readonly StartChanges[]): StartChanges {
  const joined = new StartTimes();
  for (const { times, starts } of lists) for (const [i, time] of times.entries()) joined.put(time, starts[i]!);
  return joined.within(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
}

type Floors = Readonly<Record<RetentionClass, Millis>>;

interface StartsReader {
  starts(
    tenant: TenantId,
    matchers: readonly Matcher[],
    range: TimeRange,
    floors: Floors,
  ): Promise<readonly SelectedStarts[]>;
}

/** The starts of series in the partitions that a range touches, each from the beginning of its partition on. */
export async function findStartsOnDisk(
  slots: PartitionSlots,
  tenant: TenantId,
  matchers: readonly Matcher[],
  range: TimeRange,
  floors: Floors,
): Promise<readonly SelectedStarts[]> {
  const found = new Map<string, { readonly labels: Labels; readonly lists: StartChanges[] }>();
  for (const name of slots.touching(range)) {
    if (Math.max(range.start, floors[name.retention]) > range.end) continue;
    await slots.with(name, async (partition) => {
      // Most senders tell none, and queries ask at every rate.
      if (!(await partition.hasStarts(tenant))) return;
      const all = (await partition.indexOf(tenant)).select([matchers]);
      const values = await partition.readMany(all.map(({ id }) => startsKey(tenant, id)));
      for (const [i, { labels }] of all.entries()) {
        const value = values[i];
        if (value === undefined) continue;
        const key = labelsKey(labels);
        const of = found.get(key) ?? { labels, lists: [] };
        of.lists.push(startsOf(value));
        found.set(key, of);
      }
    });
  }
  return [...found.values()].map(({ labels, lists }) => ({ labels, ...joinStarts(lists) }));
}

/** The start times of one tenant, in memory and on disk. Where both have a time, memory's stays. */
export function startsOfBoth(
  inMemory: Pick<AttachmentReader, 'starts'>,
  partitions: StartsReader,
  { tenant, floors }: { readonly tenant: TenantId; readonly floors: () => Floors },
): Pick<AttachmentReader, 'starts'> {
  return {
    async starts(matchers, range) {
      const live = await inMemory.starts(matchers, range);
      const onDisk = await partitions.starts(tenant, matchers, range, floors());
      if (onDisk.length === 0) return live;
      const found = new Map(onDisk.map((each) => [labelsKey(each.labels), each]));
      for (const each of live) {
        const before = found.get(labelsKey(each.labels));
        found.set(labelsKey(each.labels), before === undefined ? each : { ...each, ...joinStarts([before, each]) });
      }
      return [...found.values()]
        .flatMap(({ labels, times, starts }) => {
          const all = new StartTimes();
          for (const [i, time] of times.entries()) all.put(time, starts[i]!);
          const inside = all.within(range.start, range.end);
          return inside.times.length === 0 ? [] : [{ labels, ...inside }];
        })
        .sort((a, b) => compareLabels(a.labels, b.labels));
    },
  };
}
