import { encodeLabels, formatLabels, labelsOf } from '../model/labels.ts';
import { decodeSamples, type SampledSeries } from '../model/series.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import type { RetentionClass } from '../storage/write.ts';
import { DEFAULT_LIMITS, type TsdbLimits } from '../tsdb/limits.ts';
import { readerOf } from '../tsdb/reader.ts';
import { SampleStore, type SampleStoreOptions } from '../tsdb/sample-store.ts';
import { CrashDisk } from './crash-disk.ts';

export const NOW = Date.parse('2026-08-03T10:00:00Z');
export const ALL = { start: -Infinity, end: Infinity };
export const FOLDER = '/data/log';

export async function openStore(
  disk = new CrashDisk(),
  { boundsOf, ...limits }: Partial<TsdbLimits> & Pick<SampleStoreOptions, 'boundsOf'> = {},
  segmentBytes = 4_096,
) {
  return await SampleStore.open({
    disk: disk.boot(),
    folder: FOLDER,
    now: () => NOW,
    limits: { ...DEFAULT_LIMITS, ...limits },
    ...(boundsOf !== undefined && { boundsOf }),
    seed: 1,
    segmentBytes,
  });
}

export function refOf(store: SampleStore, name: string, tenant = DEFAULT_TENANT): number {
  const [answer] = store.ref(tenant, [encodeLabels(labelsOf({ __name__: name }))], 'raw');
  if (answer?.kind !== 'ref') throw new Error('refused');
  return answer.ref;
}

/** Writes `[time relative to NOW, value]` samples of one series. */
export function write(store: SampleStore, name: string, samples: readonly (readonly [number, number])[]): number[] {
  const ref = refOf(store, name);
  return [
    ...store.write(DEFAULT_TENANT, {
      refs: new Uint32Array(samples.length).fill(ref),
      times: Float64Array.from(samples, ([time]) => NOW + time),
      values: Float64Array.from(samples, ([, value]) => value),
    }),
  ];
}

export function runOf(name: string, samples: readonly (readonly [number, number])[]): SampledSeries {
  return {
    labels: labelsOf({ __name__: name }),
    times: Float64Array.from(samples, ([time]) => NOW + time),
    values: Float64Array.from(samples, ([, value]) => value),
  };
}

/** Puts imported samples in memory, as releases did that kept them there, and as their logs are read today. */
export function restorePast(
  store: SampleStore,
  { labels, ...run }: SampledSeries,
  retention: RetentionClass = 'raw',
): void {
  const bytes = encodeLabels(labels);
  store.ref(DEFAULT_TENANT, [bytes], retention);
  store.head.mergePast(store.head.tenants.get(DEFAULT_TENANT)!.find(bytes)!, run);
}

/** Everything readable, as plain data: `name -> [time relative to NOW, value]`. */
export async function contents(
  store: SampleStore,
  tenant = DEFAULT_TENANT,
): Promise<Record<string, [number, number][]>> {
  const reader = readerOf(store.head, () => store.head.tenants.get(tenant));
  const all: Record<string, [number, number][]> = {};
  for (const { labels, chunks } of await reader.select([], ALL)) {
    const { times, values } = decodeSamples(chunks, ALL);
    if (times.length > 0) all[formatLabels(labels)] = [...times].map((time, i) => [time - NOW, values[i]!]);
  }
  return all;
}
