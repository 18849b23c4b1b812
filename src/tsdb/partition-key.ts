import { createHash } from 'node:crypto';
import type { TenantId } from '../model/tenant.ts';
import { DAY, type Millis, type TimeRange } from '../model/time.ts';
import type { RetentionClass } from '../storage/write.ts';
import type { LevelRange } from './safe-level.ts';

/** How partitions are told apart: by folders' names. */
export interface Naming<N> {
  format(name: N): string;
  parse(text: string): N | undefined;
  /** `end` is not of it any more. */
  spanOf(name: N): TimeRange;
}

/** A partition holds the samples of one retention class and one day (UTC). */
export interface PartitionName {
  readonly retention: RetentionClass;
  /** Midnight, in ms. */
  readonly day: Millis;
}

const NAME = /^(raw|demand)-(\d{4}-\d\d-\d\d)$/;

/** `raw-2026-11-22`: the name of its folder. */
export function formatPartitionName({ retention, day }: PartitionName): string {
  return `${retention}-${new Date(day).toISOString().slice(0, 10)}`;
}

export function parsePartitionName(text: string): PartitionName | undefined {
  const found = NAME.exec(text);
  if (found === null) return undefined;
  const day = Date.parse(`${found[2]}T00:00:00Z`);
  return Number.isNaN(day) ? undefined : { retention: found[1] as RetentionClass, day };
}

export const DAYS: Naming<PartitionName> = {
  format: formatPartitionName,
  parse: parsePartitionName,
  spanOf: ({ day }) => ({ start: day, end: day + DAY }),
};

export function dayOf(time: Millis): Millis {
  return Math.floor(time / DAY) * DAY;
}

/** What live writers sent, and what was imported. */
export type PartitionLayer = 'live' | 'past';

const LAYERS: readonly PartitionLayer[] = ['live', 'past'];
const SERIES = 1;
const CHUNK = 2;
const STARTS = 3;
const POINTS = 4;
const TOUCHED = 5;
const ID_BYTES = 16;
const UTF8 = new TextEncoder();

/** Where a partition says which format it has. No tenant's keys begin with a zero byte. */
export const FORMAT_KEY = Uint8Array.of(0);
/** Where a partition keeps the time of its newest sample, or a later one. */
export const NEWEST_KEY = Uint8Array.of(0, 1);

/** Where a partition of raw samples says which points were made of it. */
export const MADE_KEY = Uint8Array.of(0, 2);

/**
 * Names a series in every partition: 16 bytes of the SHA-256 of its canonical label bytes. So neither a crash of the
 * log nor the order in which series come can give one name to two of them.
 */
export function seriesIdOf(labelBytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(labelBytes).digest().subarray(0, ID_BYTES);
}

/** Tenant, a zero byte, the kind, the rest. */
function keyOf(tenant: TenantId, kind: number, ...rest: readonly Uint8Array[]): Uint8Array {
  const name = UTF8.encode(tenant);
  const key = new Uint8Array(name.length + 2 + rest.reduce((sum, { length }) => sum + length, 0));
  key.set(name);
  key[name.length + 1] = kind;
  let at = name.length + 2;
  for (const part of rest) {
    key.set(part, at);
    at += part.length;
  }
  return key;
}

/** All that a tenant has in a partition. */
export function tenantRange(tenant: TenantId): LevelRange<Uint8Array> {
  return { gte: keyOf(tenant, 0), lt: keyOf(tenant, 0xff) };
}

/** Every tenant's keys. */
export const TENANTS_RANGE: LevelRange<Uint8Array> = { gte: Uint8Array.of(1), lt: Uint8Array.of(0xff) };

/** Whose a key is that is in `TENANTS_RANGE`. */
export function tenantOfKey(key: Uint8Array): TenantId {
  return new TextDecoder().decode(key.subarray(0, key.indexOf(0))) as TenantId;
}

export function seriesKey(tenant: TenantId, id: Uint8Array): Uint8Array {
  return keyOf(tenant, SERIES, id);
}

/** When the samples of a series began to count. */
export function startsKey(tenant: TenantId, id: Uint8Array): Uint8Array {
  return keyOf(tenant, STARTS, id);
}

/** The same of all of a tenant's series that have any. */
export function startsRange(tenant: TenantId): LevelRange<Uint8Array> {
  return { gte: keyOf(tenant, STARTS), lt: keyOf(tenant, STARTS + 1) };
}

/** The labels of all of a tenant's series. */
export function seriesRange(tenant: TenantId): LevelRange<Uint8Array> {
  return { gte: keyOf(tenant, SERIES), lt: keyOf(tenant, SERIES + 1) };
}

/** @param first The time of the chunk's first sample. */
export function chunkKey(tenant: TenantId, id: Uint8Array, layer: PartitionLayer, first: Millis): Uint8Array {
  return keyOf(tenant, CHUNK, id, Uint8Array.of(LAYERS.indexOf(layer)), sortableTime(first));
}

/** Chunks of one series in both layers, the live ones first, each layer in order of time. */
export function chunkRange(tenant: TenantId, id: Uint8Array): LevelRange<Uint8Array> {
  return { gte: keyOf(tenant, CHUNK, id), lt: keyOf(tenant, CHUNK, id, Uint8Array.of(LAYERS.length)) };
}

/** The same of all series from one id to another, both included. */
export function chunksRange(tenant: TenantId, first: Uint8Array, last: Uint8Array): LevelRange<Uint8Array> {
  return { gte: chunkRange(tenant, first).gte, lt: chunkRange(tenant, last).lt };
}

/** The points of one series and day, in a tier's partition. */
export function pointsKey(tenant: TenantId, id: Uint8Array, day: Millis): Uint8Array {
  return keyOf(tenant, POINTS, id, sortableTime(day));
}

/** The points of one series, in order of their days. */
export function pointsRange(tenant: TenantId, id: Uint8Array): LevelRange<Uint8Array> {
  return { gte: keyOf(tenant, POINTS, id), lt: keyOf(tenant, POINTS, id, Uint8Array.of(0xff)) };
}

/** What a key ends with: the day of points, the first time of a chunk. */
export function timeOfKey(key: Uint8Array): Millis {
  const bytes = new Uint8Array(key.subarray(-8));
  const view = new DataView(bytes.buffer);
  const high = view.getUint32(0);
  view.setUint32(0, high >>> 31 === 1 ? high ^ 0x8000_0000 : ~high);
  if (high >>> 31 === 0) view.setUint32(4, ~view.getUint32(4));
  return view.getFloat64(0);
}

/** Says that a series changed since points were made of it. */
export function touchedKey(tenant: TenantId, id: Uint8Array): Uint8Array {
  return keyOf(tenant, TOUCHED, id);
}

/** The mark of the series of a chunk's key; undefined for any other key. */
export function touchedKeyOf(key: Uint8Array): Uint8Array | undefined {
  const end = key.indexOf(0);
  if (end === 0 || key[end + 1] !== CHUNK) return undefined;
  const mark = new Uint8Array(key.subarray(0, end + 2 + ID_BYTES));
  mark[end + 1] = TOUCHED;
  return mark;
}

export function touchedRange(tenant: TenantId): LevelRange<Uint8Array> {
  return { gte: keyOf(tenant, TOUCHED), lt: keyOf(tenant, TOUCHED + 1) };
}

/** The id of a chunk's series as a text: to be looked up by. */
export function idTextOfChunkKey(key: Uint8Array): string {
  return textOfBytes(key, key.length - 9 - ID_BYTES, key.length - 9);
}

export function idText(id: Uint8Array): string {
  return textOfBytes(id, 0, id.length);
}

function textOfBytes(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1', start, end);
}

export function layerOfChunkKey(key: Uint8Array): PartitionLayer {
  return LAYERS[key[key.length - 9]!]!;
}

/** A double, big-endian, with the bits turned so that bytes sort as times do. */
function sortableTime(time: Millis): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  // Minus zero and zero are one time.
  view.setFloat64(0, time + 0);
  const high = view.getUint32(0);
  view.setUint32(0, high >>> 31 === 1 ? ~high : high ^ 0x8000_0000);
  if (high >>> 31 === 1) view.setUint32(4, ~view.getUint32(4));
  return bytes;
}
