import { formatLabels } from '../model/labels.ts';
import { HOUR, type Millis } from '../model/time.ts';
import type { StoreFaults } from './faults.ts';
import type { Head } from './head.ts';
import type { HeadSeries } from './head-series.ts';
import type { FlushedSeries } from './partition-changes.ts';
import { encodeChunks, type SampleCodec } from './partition-chunk.ts';
import type { Partitions } from './partitions.ts';
import type { TenantHead } from './tenant-head.ts';
import { Turns } from './turns.ts';

/** As long as a chunk may be: `CHUNK_MS` in assembly/live-series.ts. */
const SEALED_AFTER_MS = 2 * HOUR;

export interface FlushContext {
  readonly head: Head;
  readonly partitions: Pick<Partitions, 'flush'>;
  readonly codec: SampleCodec;
  readonly faults: StoreFaults;
}

/** What a pass did. */
export interface MovedSamples {
  readonly moved: number;
  /** Whether some could not be moved: they stay in memory, and in the log. */
  readonly isWhole: boolean;
}

/** What was written of a series, for the head to let go of if it is still what it was. */
interface Flushed {
  readonly series: HeadSeries;
  /** Of a series that went silent: all of it. */
  readonly whole: boolean;
  readonly end: Millis;
  readonly samples: number;
}

interface OfTenant {
  readonly tenant: TenantHead;
  readonly series: HeadSeries;
}

interface Pass {
  readonly all: Iterable<OfTenant>;
  readonly boundary: Millis;
  readonly flushed: Flushed[];
  /** Of what was handed over. Once it is on disk its samples are held no longer: of all series together they are many. */
  readonly of: WeakMap<FlushedSeries, Flushed>;
  /** Series that could not even be read. */
  broken: number;
}

/**
 * Moves live samples older than `boundary` from memory to disk, in whole chunks; of a series that is silent since then
 * all of them. Readers find every sample throughout: the head lets go of it once it is durable on disk.
 */
export async function flushHead(context: FlushContext, boundary: Millis): Promise<MovedSamples> {
  return await flush(context, seriesOf(context.head), boundary);
}

/** Moves all live samples of some series to disk, but what arrives meanwhile, and what waits for the log. */
export async function flushAll(
  context: FlushContext,
  tenant: TenantHead,
  series: Iterable<HeadSeries>,
): Promise<MovedSamples> {
  const all = [...series].map((each) => ({ tenant, series: each }));
  return await flush(context, all, Number.POSITIVE_INFINITY);
}

/** Those that come meanwhile may be among them. */
function* seriesOf({ tenants }: Head): Generator<OfTenant> {
  for (const tenant of tenants.values()) for (const series of tenant.series.values()) yield { tenant, series };
}

async function flush(context: FlushContext, all: Iterable<OfTenant>, boundary: Millis): Promise<MovedSamples> {
  const { head, partitions, faults } = context;
  const pass: Pass = { all, boundary, flushed: [], of: new WeakMap(), broken: 0 };
  const { flushed } = pass;
  const failed = new Set<Flushed>();
  try {
    for (const part of await partitions.flush(oldSeries(context, pass), faults)) failed.add(pass.of.get(part)!);
  } finally {
    // Whoever looked at the disk meanwhile may have missed some.
    head.moves++;
    for (const { series, end } of flushed)
      if (series.diskTo !== undefined) series.diskTo = Math.max(series.diskTo, end);
  }
  const turns = new Turns();
  let moved = 0;
  for (const each of flushed) {
    const pause = turns.due();
    if (pause !== undefined) await pause;
    if (failed.has(each)) continue;
    const { series, whole, end, samples } = each;
    const { core } = head.live;
    // A late sample came in between: the next flush takes what is there then.
    if (core.readSeries(series.slot, Number.NEGATIVE_INFINITY, end) !== samples) continue;
    head.moves++;
    if (whole) {
      // A sender that catches up writes old samples behind those: they are not on disk.
      const isAll = core.newestOf(series.slot) === end && isSilent(head, series, boundary);
      if (isAll) moved += core.dropBefore(series.slot, boundary);
    } else {
      moved += core.dropChunks(series.slot, closedBefore(head, series, end).count);
    }
  }
  return { moved, isWhole: failed.size + pass.broken === 0 };
}

/** Only maintenance takes series out of the head, and this is a part of it. */
async function* oldSeries({ head, codec, faults }: FlushContext, pass: Pass): AsyncGenerator<FlushedSeries> {
  const turns = new Turns();
  for (const { tenant, series } of pass.all) {
    const pause = turns.due();
    if (pause !== undefined) await pause;
    let old: { readonly flushed: Flushed; readonly part: FlushedSeries } | undefined;
    try {
      old = oldOf(head, codec, tenant, series, pass.boundary);
    } catch (error) {
      pass.broken++;
      faults.report('flush', formatLabels(series.labels), error, tenant.id);
    }
    if (old === undefined) continue;
    pass.flushed.push(old.flushed);
    pass.of.set(old.part, old.flushed);
    yield old.part;
  }
}

function oldOf(
  head: Head,
  codec: SampleCodec,
  tenant: TenantHead,
  series: HeadSeries,
  boundary: Millis,
): { readonly flushed: Flushed; readonly part: FlushedSeries } | undefined {
  const whole = isSilent(head, series, boundary);
  if (!whole) sealOld(head, series, boundary);
  const end = whole ? head.live.core.newestOf(series.slot) : closedBefore(head, series, boundary).last;
  if (end === Number.NEGATIVE_INFINITY) return undefined;
  const samples = head.live.read(series.slot, { start: Number.NEGATIVE_INFINITY, end });
  if (samples.times.length === 0) return undefined;
  const { labels, labelBytes, retention } = series;
  const chunks = encodeChunks(codec, samples);
  const starts = tenant.attachments.startsOf(series.ref);
  const part = { tenant: tenant.id, retention, labels, labelBytes, chunks, starts };
  return { flushed: { series, whole, end, samples: samples.times.length }, part };
}

/** Whether nothing came since `boundary`, and nothing waits for the log. */
function isSilent({ live: { core } }: Head, { slot }: HeadSeries, boundary: Millis): boolean {
  return core.newestOf(slot) < boundary && core.unsyncedIn(slot) === 0 && core.hasLate(slot) === 0;
}

/**
 * Closes the open buffer of a slow series, which would take days to fill, once it is as old as a chunk may be: a later
 * pass moves it.
 */
function sealOld(head: Head, series: HeadSeries, boundary: Millis): void {
  const { core } = head.live;
  const { last } = closedBefore(head, series, Number.POSITIVE_INFINITY);
  if (core.readSeries(series.slot, last, boundary - SEALED_AFTER_MS) > (last === Number.NEGATIVE_INFINITY ? 0 : 1)) {
    core.sealSeries(series.slot);
  }
}

/** The closed chunks that end at or before `end`. */
function closedBefore({ live: { core } }: Head, { slot }: HeadSeries, end: Millis) {
  const closed = core.closedChunks(slot);
  let count = 0;
  let last = Number.NEGATIVE_INFINITY;
  while (count < closed && core.chunkLast(core.chunkAt(slot, count)) <= end) {
    last = core.chunkLast(core.chunkAt(slot, count++));
  }
  return { count, last };
}
