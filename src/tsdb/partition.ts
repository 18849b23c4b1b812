import { decodeLabels, type Labels } from '../model/labels.ts';
import type { Samples } from '../model/series.ts';
import type { TenantId } from '../model/tenant.ts';
import { MINUTE, type Millis, type TimeRange } from '../model/time.ts';
import { type Disk, nodeDisk } from './disk.ts';
import { DamagedDataError, StorageFormatError } from './errors.ts';
import { decodeChunk, joinChunks, lastTimeOf, type SampleCodec } from './partition-chunk.ts';
import { PartitionIndex, type PartitionSeries } from './partition-index.ts';
import {
  chunkRange,
  chunksRange,
  FORMAT_KEY,
  idText,
  idTextOfChunkKey,
  layerOfChunkKey,
  MADE_KEY,
  NEWEST_KEY,
  type PartitionLayer,
  pointsRange,
  seriesIdOf,
  seriesKey,
  seriesRange,
  startsRange,
  TENANTS_RANGE,
  tenantOfKey,
  tenantRange,
  timeOfKey,
  touchedKey,
  touchedKeyOf,
  touchedRange,
} from './partition-key.ts';
import { type LevelChange, SafeLevel } from './safe-level.ts';
import {
  bytesOfDay,
  dayOfChunks,
  type LayeredSamples,
  layersOfDay,
  type SeriesDay,
  SharedTimes,
  type StoredChunk,
} from './series-day.ts';

const FORMAT = 1;
/** Kind and tenant's end stand before the id. */
const ID_BYTES = 16;

/** Bytes of chunks in memory: two weeks of 50 series at 15 s are 10 MB. */
export const MAX_CHUNK_BYTES = 32 << 20;
/** Series that are read at once, and how many of their reads wait for the disk together. */
const BATCH_SERIES = 256;
const READS_AT_ONCE = 8;
/** Where at least this share of a tenant's series is asked for, all that lie between them are read too. */
const SCANNED_SHARE = 1 / 4;
/** More are not put in order. */
const MOST_SORTED = 4_096;

/** Which points were made of a day's samples. Since then changed series are marked. */
export interface PointsMade {
  /** Whether all series were gone through. */
  readonly whole: boolean;
  /** In ms. */
  readonly stepsMs: readonly number[];
}

export interface PartitionPlace {
  readonly folder: string;
  /** The folder to name where it is in use. */
  readonly dataFolder: string;
  /** A number that those who choose labels cannot know. */
  readonly seed: number;
  /** What makes the names of its files durable. Default: the machine's. */
  readonly disk?: Pick<Disk, 'syncFolder'>;
  /** Told of the folder when a series changes of which points were made. */
  readonly onTouched?: (folder: string) => void;
}

/** One day's samples of one retention class, in a LevelDB of its own. */
export class Partition implements AsyncDisposable {
  readonly #level: SafeLevel<Uint8Array>;
  readonly #folder: string;
  readonly #disk: Pick<Disk, 'syncFolder'>;
  readonly #seed: number;
  /** By tenant, read when somebody asks; forgotten when the partition is closed. */
  readonly #indexes = new Map<TenantId, Promise<PartitionIndex>>();
  /** Those of them that are read. */
  readonly #read = new Map<TenantId, PartitionIndex>();
  #indexedSeries = 0;
  /** Chunks of series that were read last, by tenant and id. Any change takes all of them. */
  readonly #days = new Map<string, SeriesDay>();
  readonly #sharedTimes = new SharedTimes();
  #chunkBytes = 0;
  /** Whether a tenant has starts, where that was asked since the last change. */
  readonly #startsKnown = new Map<TenantId, boolean>();
  #changes = 0;

  /** Whether names of files here may not be durable: a write that failed, of this process or one before, left them so. */
  #owesSync = true;
  #newest: Millis;
  /** What `NEWEST_KEY` says at least. */
  #storedNewest: Millis;
  #pointsMade: PointsMade | undefined;
  readonly #onTouched: PartitionPlace['onTouched'];

  private constructor(
    level: SafeLevel<Uint8Array>,
    place: PartitionPlace,
    { newest, made }: { readonly newest: Millis; readonly made: PointsMade | undefined },
  ) {
    this.#level = level;
    this.#folder = place.folder;
    this.#disk = place.disk ?? nodeDisk;
    this.#seed = place.seed;
    this.#newest = newest;
    this.#storedNewest = newest;
    this.#pointsMade = made;
    this.#onTouched = place.onTouched;
  }

  /** No sample is newer. */
  get newest(): Millis {
    return this.#newest;
  }

  /**
   * @throws {StorageFormatError} If a release with another format wrote it.
   * @throws {StorageUnusableError} If it cannot be read or written.
   */
  static async open(place: PartitionPlace): Promise<Partition> {
    const { folder, dataFolder } = place;
    // LevelDB makes the folder too, but does not make its name durable.
    await nodeDisk.ensureFolder(folder);
    const level = await SafeLevel.open<Uint8Array>({ keyEncoding: 'view', folder, dataFolder });
    try {
      const format = await level.read(FORMAT_KEY);
      if (format === undefined) await level.write([{ key: FORMAT_KEY, value: Uint8Array.of(FORMAT) }]);
      else if (format[0] !== FORMAT) throw new StorageFormatError(folder, format[0] ?? 0, FORMAT);
      const [newest, made] = [await level.read(NEWEST_KEY), await level.read(MADE_KEY)];
      const known = {
        newest: newest === undefined ? Number.NEGATIVE_INFINITY : readTime(newest),
        made: made && { whole: made[0] === 1, stepsMs: [...made.subarray(1)].map((minutes) => minutes * MINUTE) },
      };
      return new Partition(level, place, known);
    } catch (error) {
      await level[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#level[Symbol.asyncDispose]();
  }

  /** The tenant's series of this day. It is kept up to date by `added` and `removed`. */
  indexOf(tenant: TenantId): Promise<PartitionIndex> {
    let index = this.#indexes.get(tenant);
    if (index === undefined) {
      const reading = this.#loadIndex(tenant);
      index = reading;
      this.#indexes.set(tenant, reading);
      reading.then(
        (read) => {
          // It may have been forgotten meanwhile.
          if (this.#indexes.get(tenant) !== reading) return;
          this.#read.set(tenant, read);
          this.#indexedSeries += read.size;
        },
        () => {
          if (this.#indexes.get(tenant) === reading) this.#indexes.delete(tenant);
        },
      );
    }
    return index;
  }

  /** Whether the tenant has anything here. */
  async holds(tenant: TenantId): Promise<boolean> {
    for await (const _ of this.#level.list({ ...tenantRange(tenant), limit: 1 })) return true;
    return false;
  }

  /** Whether any of a tenant's series has a start. */
  async hasStarts(tenant: TenantId): Promise<boolean> {
    const known = this.#startsKnown.get(tenant);
    if (known !== undefined) return known;
    const changes = this.#changes;
    let found = false;
    for await (const _ of this.#level.list({ ...startsRange(tenant), limit: 1 })) found = true;
    if (changes === this.#changes) this.#startsKnown.set(tenant, found);
    return found;
  }

  /** Those that have anything here. One look for each. */
  async tenants(): Promise<readonly TenantId[]> {
    const found: TenantId[] = [];
    for (let { gte, lt } = TENANTS_RANGE; ; ) {
      let next: TenantId | undefined;
      for await (const [key] of this.#level.list({ gte, lt, limit: 1 })) next = tenantOfKey(key);
      if (next === undefined) return found;
      found.push(next);
      gte = tenantRange(next).lt;
    }
  }

  /** Deletes all that a tenant has here. To be repeated where it fails. */
  async clear(tenant: TenantId): Promise<void> {
    try {
      await this.#level.clear(tenantRange(tenant));
    } finally {
      this.#changed();
    }
    this.#indexes.delete(tenant);
    this.#indexedSeries -= this.#read.get(tenant)?.size ?? 0;
    this.#read.delete(tenant);
  }

  #changed(): void {
    this.#changes++;
    this.#startsKnown.clear();
    this.forgetChunks();
  }

  /** Series in the indexes that are in memory. */
  get indexedSeries(): number {
    return this.#indexedSeries;
  }

  /** Bytes of the chunks that are in memory. */
  get chunkBytes(): number {
    return this.#chunkBytes + this.#sharedTimes.bytes;
  }

  /** Gives their memory back: they are read again when somebody asks. */
  forgetChunks(): void {
    this.#days.clear();
    this.#sharedTimes.clear();
    this.#chunkBytes = 0;
  }

  async storedChunks(tenant: TenantId, { id }: Pick<PartitionSeries, 'id'>): Promise<readonly StoredChunk[]> {
    const chunks: StoredChunk[] = [];
    for await (const [key, value] of this.#level.list(chunkRange(tenant, id))) {
      chunks.push({ key, layer: layerOfChunkKey(key), value });
    }
    return chunks;
  }

  /** Of a tier: the points of one series, by day. */
  async storedPoints(tenant: TenantId, id: Uint8Array): Promise<readonly (readonly [Millis, Uint8Array])[]> {
    const days: (readonly [Millis, Uint8Array])[] = [];
    for await (const [key, value] of this.#level.list(pointsRange(tenant, id))) days.push([timeOfKey(key), value]);
    return days;
  }

  get pointsMade(): PointsMade | undefined {
    return this.#pointsMade;
  }

  /** Durable when it resolves. */
  async markMade(made: PointsMade): Promise<void> {
    const minutes = made.stepsMs.map((stepMs) => stepMs / MINUTE);
    await this.write([{ key: MADE_KEY, value: Uint8Array.of(made.whole ? 1 : 0, ...minutes) }]);
    this.#pointsMade = made;
  }

  /** What goes with a change of series, once points were made of them. */
  touching(tenant: TenantId, ids: readonly Uint8Array[]): readonly LevelChange<Uint8Array>[] {
    if (this.#pointsMade === undefined) return [];
    return ids.map((id) => ({ key: touchedKey(tenant, id), value: new Uint8Array() }));
  }

  /** Series of one tenant that changed since points were made of them, and what takes their marks away. */
  async touched(tenant: TenantId, limit: number) {
    const ids: Uint8Array[] = [];
    const changes: LevelChange<Uint8Array>[] = [];
    for await (const [key] of this.#level.list({ ...touchedRange(tenant), limit })) {
      ids.push(key.slice(-ID_BYTES));
      changes.push({ key, value: undefined });
    }
    return { ids, changes };
  }

  /** A tenant's series in order of their ids, with canonical label bytes: `limit` of those behind one. */
  async seriesOf(tenant: TenantId, after: Uint8Array | undefined, limit: number) {
    const { gte, lt } = seriesRange(tenant);
    const from = after === undefined ? gte : Buffer.concat([seriesKey(tenant, after), Uint8Array.of(0)]);
    const series: { readonly id: Uint8Array; readonly labelBytes: Uint8Array }[] = [];
    for await (const [key, labelBytes] of this.#level.list({ gte: from, lt, limit })) {
      series.push({ id: key.slice(-ID_BYTES), labelBytes });
    }
    return series;
  }

  /** The samples of all chunks that touch the range. */
  async read(tenant: TenantId, series: PartitionSeries, range: TimeRange, codec: SampleCodec): Promise<LayeredSamples> {
    for await (const [[, day] = []] of this.days(tenant, [series], codec)) {
      return layersOfDay(day!, range, codec, () => series.labels);
    }
    throw new TypeError('a series has its day');
  }

  /** What is stored of some series, each once, some hundreds at a time and in any order. */
  async *days<S extends Pick<PartitionSeries, 'id'>>(
    tenant: TenantId,
    all: readonly S[],
    codec: SampleCodec,
  ): AsyncGenerator<readonly (readonly [S, SeriesDay])[]> {
    const known: (readonly [S, SeriesDay])[] = [];
    const others: S[] = [];
    for (const series of all) {
      const day = this.#days.get(dayKey(tenant, series.id));
      if (day === undefined) others.push(series);
      else known.push([series, day]);
    }
    if (known.length > 0) yield known;
    if (others.length === 0) return;
    const indexed = this.#read.get(tenant)?.size ?? Number.POSITIVE_INFINITY;
    const isScanned = others.length > 1 && others.length <= MOST_SORTED && others.length >= indexed * SCANNED_SHARE;
    if (isScanned) others.sort((a, b) => Buffer.compare(a.id, b.id));
    for (let at = 0; at < others.length; at += BATCH_SERIES) {
      const batch = others.slice(at, at + BATCH_SERIES);
      const changes = this.#changes;
      const chunks = isScanned ? await this.#scanned(tenant, batch) : await this.#readEach(tenant, batch);
      yield batch.map((series, i) => {
        const day = dayOfChunks(chunks[i]!, codec, this.#sharedTimes, this.#folder);
        this.#keep(dayKey(tenant, series.id), day, changes);
        return [series, day];
      });
    }
  }

  /** @param all In order of their ids. */
  async #scanned(tenant: TenantId, all: readonly Pick<PartitionSeries, 'id'>[]) {
    const chunks = new Map<string, StoredChunk[]>(all.map(({ id }) => [idText(id), []]));
    for await (const block of this.#level.blocks(chunksRange(tenant, all[0]!.id, all.at(-1)!.id))) {
      for (const [key, value] of block) {
        chunks.get(idTextOfChunkKey(key))?.push({ key, layer: layerOfChunkKey(key), value });
      }
    }
    return all.map(({ id }) => chunks.get(idText(id))!);
  }

  async #readEach(tenant: TenantId, all: readonly Pick<PartitionSeries, 'id'>[]) {
    const chunks = new Array<readonly StoredChunk[]>(all.length);
    let next = 0;
    const readOn = async () => {
      for (let i = next++; i < all.length; i = next++) chunks[i] = await this.storedChunks(tenant, all[i]!);
    };
    await Promise.all(Array.from({ length: Math.min(READS_AT_ONCE, all.length) }, readOn));
    return chunks;
  }

  #keep(key: string, day: SeriesDay, changes: number): void {
    // Others may have asked for the same meanwhile, or changed it.
    if (changes !== this.#changes || this.#days.has(key)) return;
    const bytes = bytesOfDay(day);
    // One query may read all series of a day.
    if (this.chunkBytes + bytes > MAX_CHUNK_BYTES) this.forgetChunks();
    if (bytes > MAX_CHUNK_BYTES) return;
    this.#days.set(key, day);
    this.#chunkBytes += bytes;
  }

  readMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    return this.#level.readMany(keys);
  }

  /**
   * All or nothing, durable when it resolves.
   * @param newest Of the samples that are written.
   */
  async write(changes: readonly LevelChange<Uint8Array>[], newest = Number.NEGATIVE_INFINITY): Promise<void> {
    if (changes.length === 0) return await this.#syncNames();
    // Of a write that fails all may be there when the database is opened anew: readers must look for it.
    this.#newest = Math.max(this.#newest, newest);
    const isNewer = newest > this.#storedNewest;
    const touched = this.#pointsMade === undefined ? [] : touchedBy(changes);
    if (touched.length > 0) this.#onTouched?.(this.#folder);
    const all = [...changes, ...touched];
    try {
      await this.#level.write(isNewer ? [...all, { key: NEWEST_KEY, value: timeBytes(newest) }] : all);
    } finally {
      this.#changed();
    }
    if (isNewer) this.#storedNewest = newest;
    this.#owesSync = true;
    await this.#syncNames();
  }

  /** LevelDB syncs its files, and not the name of a new one. */
  async #syncNames(): Promise<void> {
    if (!this.#owesSync) return;
    await this.#disk.syncFolder(this.#folder);
    this.#owesSync = false;
  }

  /** Tells the index of series that are there; it may know them. */
  async added(tenant: TenantId, series: readonly PartitionSeries[]): Promise<void> {
    await this.#changeIndex(tenant, (index) => {
      for (const each of series) index.add(each);
    });
  }

  async removed(tenant: TenantId, gone: readonly Labels[]): Promise<void> {
    await this.#changeIndex(tenant, (index) => index.remove(gone));
  }

  async #changeIndex(tenant: TenantId, change: (index: PartitionIndex) => void): Promise<void> {
    const index = await this.#indexes.get(tenant);
    if (index === undefined) return;
    const before = index.size;
    change(index);
    if (this.#read.get(tenant) === index) this.#indexedSeries += index.size - before;
  }

  /** Gives the memory of the indexes back: they are read again when somebody asks. */
  forgetIndexes(): void {
    this.#indexes.clear();
    this.#read.clear();
    this.#indexedSeries = 0;
  }

  async #loadIndex(tenant: TenantId): Promise<PartitionIndex> {
    const index = new PartitionIndex(this.#seed);
    for await (const [key, labelBytes] of this.#level.list(seriesRange(tenant))) {
      const id = key.slice(-ID_BYTES);
      if (Buffer.compare(seriesIdOf(labelBytes), id) !== 0) {
        throw new DamagedDataError('the labels of a series', this.#folder);
      }
      index.add({ id, labels: decodeLabels(labelBytes) });
    }
    return index;
  }
}

/** Marks of the series whose chunks change. */
function touchedBy(changes: readonly LevelChange<Uint8Array>[]): readonly LevelChange<Uint8Array>[] {
  const marks = new Map<string, Uint8Array>();
  for (const { key } of changes) {
    const mark = touchedKeyOf(key);
    if (mark !== undefined) marks.set(Buffer.from(mark).toString('latin1'), mark);
  }
  return [...marks.values()].map((key) => ({ key, value: new Uint8Array() }));
}

export function layersOf(
  chunks: readonly StoredChunk[],
  { start, end }: TimeRange,
  codec: SampleCodec,
): LayeredSamples {
  const layers: Record<PartitionLayer, Samples[]> = { live: [], past: [] };
  for (const { layer, value } of chunks) {
    if (lastTimeOf(value) < start) continue;
    const samples = decodeChunk(codec, value);
    if (samples.times[0]! <= end) layers[layer].push(samples);
  }
  return { live: joinChunks(layers.live), past: joinChunks(layers.past) };
}

function dayKey(tenant: TenantId, id: Uint8Array): string {
  return `${tenant} ${idText(id)}`;
}

function timeBytes(time: Millis): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, time, true);
  return bytes;
}

function readTime(bytes: Uint8Array): Millis {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getFloat64(0, true);
}
