import { spendSeries } from '../cost/spend-series.ts';
import {
  addHours,
  fillGaps,
  type HourPrice,
  hourOf,
  type LastKnown,
  minutesOf,
  type Place,
  type WorkloadHour,
} from '../cost/workload-hour.ts';
import type { TenantId } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE, type Millis } from '../model/time.ts';
import type { WhatRan } from '../observe/what-ran.ts';
import { decodeJson, encodeJson } from '../storage/json-value.ts';
import type { KeyValue } from '../storage/key-value.ts';
import type { Backfiller } from '../storage/storage.ts';
import type { TenantPolicy } from './tenant-policy.ts';

export interface SpendLoopDeps {
  readonly now: () => Millis;
  readonly keyValue: Pick<KeyValue, 'read' | 'write'>;
  readonly readWhatRan: (tenant: TenantId, start: Millis, hours: number, signal: AbortSignal) => Promise<WhatRan>;
  readonly backfillOf: (tenant: TenantId) => Pick<Backfiller, 'backfill'>;
  /** Undefined: nothing says what it costs. */
  readonly priceOf: (of: PriceQuestion, signal: AbortSignal) => Promise<HourPrice | undefined>;
  /** What an hour cost beside what is made of it. Left out: nothing. */
  readonly othersOf?: (
    tenant: TenantId,
    hour: Millis,
    beside: OthersBeside,
    signal: AbortSignal,
  ) => Promise<readonly WorkloadHour[]>;
  readonly defaultPlace: Pick<Place, 'region' | 'plan'>;
  /** How far back the first hours lie, where samples are there. */
  readonly lookBackMs: number;
  /** Is told of hours that were kept, once they are. */
  readonly onHours?: (tenant: TenantId, hours: readonly WorkloadHour[]) => void;
  /** Is told that what ran in so many hours is too much for one reading: half of them are read. */
  readonly onHalved?: (tenant: TenantId, hours: number) => void;
  readonly onDropped?: (reason: string, samples: number) => void;
}

/** Workloads as NAMESPACE/NAME. */
export interface OthersBeside {
  /** Those whose cost of the hour is made. */
  readonly made: ReadonlySet<string>;
  /** Those whose replicas were counted within the day before the hour, or in it: whether they run is known. */
  readonly counted: ReadonlySet<string>;
}

export interface PriceQuestion {
  readonly tenant: TenantId;
  readonly namespace: string;
  readonly workload: string;
  readonly policy: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly place: Place;
  readonly hour: Millis;
  readonly replicaHours: number;
}

/** What is kept of a tenant between hours. */
interface Progress {
  /** All before is made. */
  readonly upTo: Millis;
  /** By namespace and workload. */
  readonly last: Readonly<Record<string, LastKnown>>;
  /** Those that were there and are no more: by when, for a day. Left out by earlier versions. */
  readonly gone?: Readonly<Record<string, Millis>>;
}

/** An hour is made once its samples had this time to arrive. */
const SETTLED_MS = 10 * MINUTE;
const SLICE_HOURS = DAY / HOUR;

/**
 * Makes of what ran what it cost, hour by hour, once: each hour is kept for good before the next one is begun, and one
 * that is made again after a crash is the same again. What was kept stays, whatever prices become.
 */
export function openSpendLoop(deps: SpendLoopDeps) {
  const unpriced = new Map<TenantId, Set<string>>();
  /** Hours that are read at a time, of those who have too much for a day. */
  const slices = new Map<TenantId, number>();

  async function readProgress(tenant: TenantId): Promise<Progress> {
    const kept = await deps.keyValue.read(keyOf(tenant));
    if (kept !== undefined) return decodeJson<Progress>(kept);
    return { upTo: Math.floor((deps.now() - deps.lookBackMs) / HOUR) * HOUR, last: {} };
  }

  /** What ran in a day at most, or in as many hours of it as can be read at a time. */
  async function readSome(tenant: TenantId, start: Millis, due: number, signal: AbortSignal) {
    for (let hours = Math.min(due, slices.get(tenant) ?? SLICE_HOURS); ; hours = Math.ceil(hours / 2)) {
      try {
        return { ran: await deps.readWhatRan(tenant, start, hours, signal), hours };
      } catch (error) {
        if ((error as { code?: unknown }).code !== 'too_many_samples' || hours === 1) throw error;
        deps.onHalved?.(tenant, hours);
        slices.set(tenant, Math.ceil(hours / 2));
      }
    }
  }

  /** @returns Undefined where there is no full hour yet. */
  async function makeSome(
    tenant: TenantId,
    policies: readonly TenantPolicy[],
    signal: AbortSignal,
  ): Promise<Progress | undefined> {
    const progress = await readProgress(tenant);
    const { upTo } = progress;
    const due = Math.floor((deps.now() - SETTLED_MS - upTo) / HOUR);
    if (due < 1) return undefined;
    const { ran, hours } = await readSome(tenant, upTo, due, signal);
    const { made, last, gone } = await priced(tenant, { ran, progress, hours, policies }, signal);
    if (made.length > 0) {
      const outcome = await deps.backfillOf(tenant).backfill(spendSeries(made), 'demand');
      // One that was made before, and from other samples since, stays as it was.
      if (outcome.conflicts > 0) deps.onDropped?.('conflict', outcome.conflicts);
      if (outcome.outOfBounds > 0) deps.onDropped?.('outOfBounds', outcome.outOfBounds);
    }
    const next: Progress = { upTo: upTo + hours * HOUR, last, gone };
    await deps.keyValue.write([{ key: keyOf(tenant), value: encodeJson(next) }]);
    if (made.length > 0) deps.onHours?.(tenant, made);
    return next;
  }

  async function priced(
    tenant: TenantId,
    {
      ran,
      progress,
      hours,
      policies,
    }: { ran: WhatRan; progress: Progress; hours: number; policies: readonly TenantPolicy[] },
    signal: AbortSignal,
  ) {
    const { upTo } = progress;
    const minutes = hours * 60;
    const rows = new Map(ran.rows.map((row) => [`${row.namespace}/${row.workload}`, row]));
    for (const [key, { policy, labels, source }] of Object.entries(progress.last)) {
      if (rows.has(key)) continue;
      const at = key.indexOf('/');
      rows.set(key, {
        ...{ namespace: key.slice(0, at), workload: key.slice(at + 1), policy, labels, source },
        replicas: new Float64Array(minutes).fill(Number.NaN),
        places: [],
      });
    }
    const inForce = new Set(policies.map(({ policy }) => `${policy.namespace}/${policy.name}`));
    const made: WorkloadHour[] = [];
    const last: Record<string, LastKnown> = {};
    const without = new Set<string>();
    for (const [key, row] of [...rows].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const before = progress.last[key];
      const { source } = row;
      const policy = row.policy ?? before?.policy;
      const lasts = policy !== undefined && inForce.has(`${row.namespace}/${policy}`);
      const filled = fillGaps(row.replicas, upTo, { before, heard: ran.heard[source], lasts });
      const named = Object.keys(row.labels).length > 0 ? row.labels : (before?.labels ?? {});
      let places = before?.places ?? [];
      for (let h = 0; h < hours; h++) {
        const seen = row.places[h] ?? [];
        if (seen.length > 0) places = seen;
        const { known, guessed } = minutesOf(filled, h);
        if (known + guessed === 0) continue;
        const hour = upTo + h * HOUR;
        const subject = { namespace: row.namespace, workload: row.workload, policy, labels: named };
        // Places that one price makes the same are kept as one: else their samples would be at the same time.
        const inHour = new Map<string, WorkloadHour>();
        for (const place of places.length > 0 ? places : [{ ...NOWHERE, ...deps.defaultPlace }]) {
          const replicaHours = (place.share * (known + guessed)) / 60;
          const price = await deps.priceOf({ tenant, ...subject, place, hour, replicaHours }, signal);
          if (price === undefined) {
            without.add(key);
            continue;
          }
          const one = hourOf(subject, place, { hour, known, guessed }, price);
          const where = JSON.stringify([one.region, one.plan]);
          const other = inHour.get(where);
          inHour.set(where, other === undefined ? one : addHours(other, one));
        }
        made.push(...inHour.values());
      }
      const lastAt = lastKnown(row.replicas);
      const at = lastAt === undefined ? before?.at : upTo + lastAt * MINUTE;
      const isGone = filled.values.at(-1) === 0 && Number.isNaN(row.replicas.at(-1)!);
      if (at === undefined || isGone) continue;
      const replicas = lastAt === undefined ? before!.replicas : row.replicas[lastAt]!;
      // Undefined is nothing in JSON.
      last[key] = { at, replicas, places, labels: named, source, ...(policy !== undefined && { policy }) };
    }
    const known = new Map<Millis, Set<string>>();
    for (const { hour, namespace, workload } of made) {
      known.set(hour, (known.get(hour) ?? new Set()).add(`${namespace}/${workload}`));
    }
    const end = upTo + hours * HOUR;
    const before = Object.entries(progress.gone ?? {});
    for (let hour = upTo; hour < end && deps.othersOf !== undefined; hour += HOUR) {
      const recently = before.filter(([, at]) => at > hour - DAY).map(([key]) => key);
      const beside = { made: known.get(hour) ?? new Set<string>(), counted: new Set([...rows.keys(), ...recently]) };
      made.push(...(await deps.othersOf(tenant, hour, beside, signal)));
    }
    const left = [...before.filter(([, at]) => at > end - DAY), ...[...rows.keys()].map((key) => [key, end] as const)];
    unpriced.set(tenant, without);
    return { made, last, gone: Object.fromEntries(left.filter(([key]) => last[key] === undefined)) };
  }

  return {
    /** Makes all hours that are due for a tenant. */
    async pass(tenant: TenantId, policies: readonly TenantPolicy[], signal: AbortSignal): Promise<void> {
      while (!signal.aborted) {
        if ((await makeSome(tenant, policies, signal)) === undefined) return;
      }
    },
    /** All hours before are made. */
    upTo: async (tenant: TenantId): Promise<Millis> => (await readProgress(tenant)).upTo,
    /** Workloads of the last hours of which nothing says what they cost, as NAMESPACE/NAME. */
    unpriced: (tenant: TenantId): readonly string[] => [...(unpriced.get(tenant) ?? [])],
  };
}

const NOWHERE: Omit<Place, 'region' | 'plan'> = { share: 1, requests: undefined, used: undefined };

function lastKnown(values: Float64Array): number | undefined {
  for (let i = values.length - 1; i >= 0; i--) if (!Number.isNaN(values[i]!)) return i;
  return undefined;
}

function keyOf(tenant: TenantId): string {
  return `cost/spend/${tenant}`;
}
