import { encodeLabels, type Labels } from '../model/labels.ts';
import type { SampledSeries, Samples } from '../model/series.ts';
import type { TenantId } from '../model/tenant.ts';
import { DAY, type TimeRange } from '../model/time.ts';
import type { BackfillOutcome } from '../storage/storage.ts';
import type { RetentionClass } from '../storage/write.ts';
import { layersOf, type Partition } from './partition.ts';
import { chunkValue, decodeChunk, type EncodedChunk, encodeChunks, type SampleCodec } from './partition-chunk.ts';
import type { PartitionSeries } from './partition-index.ts';
import { chunkKey, dayOf, type PartitionLayer, seriesIdOf, seriesKey, startsKey, timeOfKey } from './partition-key.ts';
import type { LevelChange } from './safe-level.ts';
import { indexesOfNew, merged, picked, without } from './sample-columns.ts';
import type { LayeredSamples, StoredChunk } from './series-day.ts';
import type { StartTimes } from './start-times.ts';
import { joinStarts, type StartChanges, startsOf, startsValue } from './starts-on-disk.ts';

/** What leaves the head: live samples of one series, no chunk of which crosses midnight. One flush has a series once. */
export interface FlushedSeries {
  readonly tenant: TenantId;
  readonly retention: RetentionClass;
  /** Canonical. */
  readonly labelBytes: Uint8Array;
  readonly labels: Labels;
  readonly chunks: readonly EncodedChunk[];
  /** Where it has any. */
  readonly starts?: StartTimes | undefined;
}

/** What of it goes into one partition. */
export interface FlushedPart {
  readonly series: FlushedSeries;
  readonly chunks: readonly EncodedChunk[];
}

/** What a partition has of one series. */
export interface CopiedSeries extends LayeredSamples {
  readonly labels: Labels;
  readonly labelBytes: Uint8Array;
  readonly starts: StartChanges | undefined;
}

export interface PartitionBackfill {
  readonly tenant: TenantId;
  readonly retention: RetentionClass;
  /** Samples outside are refused. */
  readonly bounds: TimeRange;
  /** Live samples of a series that are not flushed yet. */
  readonly inHead: (labels: Labels, range: TimeRange) => Samples;
  /** Called for each series and day that got samples, once they are durable. */
  readonly onChanged?: (labels: Labels) => void;
}

export const ALWAYS: TimeRange = { start: Number.NEGATIVE_INFINITY, end: Number.POSITIVE_INFINITY };

export async function flushInto(
  codec: SampleCodec,
  partition: Partition,
  parts: readonly FlushedPart[],
): Promise<void> {
  const entries = parts.map(({ series: { tenant, labelBytes, labels }, chunks }) => {
    const id = seriesIdOf(labelBytes);
    const keyed = chunks.map((chunk) => ({
      key: chunkKey(tenant, id, 'live', chunk.first),
      value: chunkValue(chunk),
    }));
    return { tenant, id, labels, labelBytes, key: seriesKey(tenant, id), keyed };
  });
  const known = await partition.readMany(entries.map(({ key }) => key));
  const changes = [...(await changedStarts(partition, parts))];
  const stored = await partition.readMany(entries.flatMap(({ keyed }) => keyed.map(({ key }) => key)));
  const added = new Map<TenantId, PartitionSeries[]>();
  let at = 0;
  for (const [i, { tenant, id, labels, labelBytes, key, keyed }] of entries.entries()) {
    const there = stored.slice(at, at + keyed.length);
    at += keyed.length;
    if (known[i] === undefined) changes.push({ key, value: labelBytes });
    // A known one too: a write that failed may have made it known, and not the index.
    const of = added.get(tenant) ?? [];
    of.push({ id, labels });
    added.set(tenant, of);
    if (there.every((value, n) => value === undefined || sameBytes(value, keyed[n]!.value))) {
      for (const [n, chunk] of keyed.entries()) if (there[n] === undefined) changes.push(chunk);
      continue;
    }
    // A crash came between the flush and the end of the log: what is there may be longer, and is joined.
    const chunks = await partition.storedChunks(tenant, { id });
    const fresh = keyed.map(({ key: own, value }): StoredChunk => ({ key: own, layer: 'live', value }));
    const joined = merged([layersOf(chunks, ALWAYS, codec).live, layersOf(fresh, ALWAYS, codec).live]);
    changes.push(...rewrite(codec, tenant, id, chunks, 'live', joined));
  }
  const newest = parts.flatMap(({ chunks }) => chunks).reduce((max, { last }) => Math.max(max, last), -Infinity);
  await partition.write(changes, newest);
  for (const [tenant, series] of added) await partition.added(tenant, series);
}

/** The starts of the samples of each part, beside those that are stored. */
async function changedStarts(
  partition: Partition,
  parts: readonly FlushedPart[],
): Promise<readonly LevelChange<Uint8Array>[]> {
  const all = parts.flatMap(({ series: { tenant, labelBytes, starts }, chunks }) => {
    const inside = starts?.within(chunks[0]!.first, chunks.at(-1)!.last);
    if (inside === undefined || inside.times.length === 0) return [];
    return [{ key: startsKey(tenant, seriesIdOf(labelBytes)), starts: inside }];
  });
  const stored = await partition.readMany(all.map(({ key }) => key));
  return all.flatMap(({ key, starts }, i) => {
    const before = stored[i];
    const value = startsValue(before === undefined ? starts : joinStarts([startsOf(before), starts]));
    return before !== undefined && sameBytes(before, value) ? [] : [{ key, value }];
  });
}

export async function copyInto(
  codec: SampleCodec,
  partition: Partition,
  tenant: TenantId,
  found: readonly CopiedSeries[],
): Promise<void> {
  const changes: LevelChange<Uint8Array>[] = [];
  const added: PartitionSeries[] = [];
  let newest = Number.NEGATIVE_INFINITY;
  const storedStarts = await partition.readMany(
    found.map(({ labelBytes }) => startsKey(tenant, seriesIdOf(labelBytes))),
  );
  for (const [i, { labels, labelBytes, starts, ...copied }] of found.entries()) {
    const id = seriesIdOf(labelBytes);
    if (starts !== undefined) {
      const before = storedStarts[i];
      const joined = before === undefined ? starts : joinStarts([starts, startsOf(before)]);
      changes.push({ key: startsKey(tenant, id), value: startsValue(joined) });
    }
    const chunks = await partition.storedChunks(tenant, { id });
    const stored = layersOf(chunks, ALWAYS, codec);
    for (const layer of ['live', 'past'] as const) {
      const joined = merged([stored[layer], copied[layer]]);
      newest = Math.max(newest, joined.times.at(-1) ?? newest);
      if (joined.times.length === stored[layer].times.length) continue;
      changes.push(...rewrite(codec, tenant, id, chunks, layer, joined));
    }
    if (chunks.length === 0) changes.push({ key: seriesKey(tenant, id), value: labelBytes });
    added.push({ id, labels });
  }
  await partition.write(changes, newest);
  await partition.added(tenant, added);
}

export async function backfillInto(
  codec: SampleCodec,
  partition: Partition,
  batch: readonly SampledSeries[],
  { tenant, inHead, onChanged }: PartitionBackfill,
): Promise<Omit<BackfillOutcome, 'outOfBounds'>> {
  const outcome = { appended: 0, duplicates: 0, conflicts: 0 };
  const changes: LevelChange<Uint8Array>[] = [];
  const added: PartitionSeries[] = [];
  const changed: Labels[] = [];
  let newest = Number.NEGATIVE_INFINITY;
  for (const { labels, ...part } of batch) {
    const labelBytes = encodeLabels(labels);
    const id = seriesIdOf(labelBytes);
    const chunks = await partition.storedChunks(tenant, { id });
    const { live, past } = layersOf(chunks, ALWAYS, codec);
    const range = { start: part.times[0]!, end: part.times.at(-1)! };
    const stored = merged([inHead(labels, range), live, past]);
    const fresh = indexesOfNew(part, stored, outcome);
    outcome.appended += fresh.length;
    if (chunks.length + fresh.length > 0) added.push({ id, labels });
    if (fresh.length === 0) continue;
    changed.push(labels);
    newest = Math.max(newest, part.times[fresh.at(-1)!]!);
    if (chunks.length === 0) changes.push({ key: seriesKey(tenant, id), value: labelBytes });
    changes.push(...rewrite(codec, tenant, id, chunks, 'past', merged([past, picked(part, fresh)])));
  }
  await partition.write(changes, newest);
  await partition.added(tenant, added);
  for (const labels of changed) onChanged?.(labels);
  return outcome;
}

/** What cannot be read goes with the others where any of the range may be in it, and stays otherwise. */
export async function deleteFrom(
  codec: SampleCodec,
  partition: Partition,
  tenant: TenantId,
  all: readonly PartitionSeries[],
  range: TimeRange,
): Promise<number> {
  const changes: LevelChange<Uint8Array>[] = [];
  const gone: Labels[] = [];
  let deleted = 0;
  for (const series of all) {
    const stored = await partition.storedChunks(tenant, series);
    const damaged = damagedIn(codec, stored);
    const chunks = stored.filter((chunk) => !damaged.has(chunk));
    const layers = layersOf(chunks, ALWAYS, codec);
    let left = 0;
    for (const [chunk, { start, end }] of damaged) {
      if (start <= range.end && end >= range.start) {
        changes.push({ key: chunk.key, value: undefined });
        // How many it had nobody can tell.
        deleted++;
      } else left++;
    }
    for (const layer of ['live', 'past'] as const) {
      const samples = layers[layer];
      const rest = without(samples, range);
      left += rest.times.length;
      if (rest.times.length === samples.times.length) continue;
      deleted += samples.times.length - rest.times.length;
      changes.push(...rewrite(codec, tenant, series.id, chunks, layer, rest));
    }
    if (left > 0) continue;
    changes.push({ key: seriesKey(tenant, series.id), value: undefined });
    changes.push({ key: startsKey(tenant, series.id), value: undefined });
    gone.push(series.labels);
  }
  await partition.write(changes);
  await partition.removed(tenant, gone);
  return deleted;
}

/** Chunks that cannot be read, and when the samples of each may be: none behind the first of the next chunk. */
function damagedIn(codec: SampleCodec, chunks: readonly StoredChunk[]): ReadonlyMap<StoredChunk, TimeRange> {
  const damaged = new Map<StoredChunk, TimeRange>();
  for (const [i, chunk] of chunks.entries()) {
    try {
      decodeChunk(codec, chunk.value);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      const start = timeOfKey(chunk.key);
      const next = chunks[i + 1];
      const end = next?.layer === chunk.layer ? timeOfKey(next.key) : dayOf(start) + DAY;
      damaged.set(chunk, { start, end: end - 1 });
    }
  }
  return damaged;
}

/** A layer's chunks anew: those of before go with the same batch. */
function rewrite(
  codec: SampleCodec,
  tenant: TenantId,
  id: Uint8Array,
  chunks: readonly StoredChunk[],
  layer: PartitionLayer,
  samples: Samples,
): readonly LevelChange<Uint8Array>[] {
  const before = chunks.filter((chunk) => chunk.layer === layer).map(({ key }) => ({ key, value: undefined }));
  const after = encodeChunks(codec, samples).map((chunk) => {
    return { key: chunkKey(tenant, id, layer, chunk.first), value: chunkValue(chunk) };
  });
  // The batch is applied in order: a key that is in both stays.
  return [...before, ...after];
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
