import type { Labels } from '../model/labels.ts';
import type { TenantId } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE, type Millis } from '../model/time.ts';
import type { DemandSpec, ScalingPolicy } from '../scaling/policy.ts';
import type { SeriesReader } from '../storage/storage.ts';
import { readState } from './workload-state.ts';

/** What a workload ran, and how often that was too little, this month (UTC) as far as it is recorded. */
export interface MonthSoFar {
  readonly start: Millis;
  readonly end: Millis;
  readonly replicaHours: number;
  /** Time of the month of which the replicas are known. */
  readonly knownMs: number;
  /** Mean of the last seven days; null where nothing is known. */
  readonly meanReplicas: number | null;
  /** How much of them is behind it. */
  readonly meanMs: number;
  /** Time with more demand than replicas, each at `perReplica`, by demand. */
  readonly overMs: Readonly<Record<string, number>>;
}

export interface MonthDeps {
  readonly storageOf: (tenant: TenantId) => Pick<SeriesReader, 'select'>;
  readonly demandLabels: (policy: ScalingPolicy, spec: DemandSpec) => Labels;
}

export interface MonthReader {
  /** @param perReplica Of each demand, in the policy's order; null where it is not known. At most five minutes old. */
  monthOf(
    tenant: TenantId,
    policy: ScalingPolicy,
    perReplica: readonly (number | null)[],
    now: Millis,
  ): Promise<MonthSoFar>;
}

const READ_EVERY_MS = 5 * MINUTE;
const STEP_MS = MINUTE;
const MEAN_OVER_MS = 7 * DAY;

interface HourSum {
  minutes: number;
  replicas: number;
  readonly over: number[];
}

interface Known {
  readonly fingerprint: string;
  /** Everything before is summed. */
  upTo: Millis;
  readonly hours: Map<number, HourSum>;
}

/** Keeps hourly sums of what is recorded, and reads each sample once. All of it can be lost: it is read again. */
export function openMonthReader({ storageOf, demandLabels }: MonthDeps): MonthReader {
  const all = new Map<string, Known>();

  async function take(
    { hours }: Known,
    tenant: TenantId,
    policy: ScalingPolicy,
    perReplica: readonly (number | null)[],
    range: { readonly start: Millis; readonly end: Millis },
  ): Promise<void> {
    for (const [d, spec] of policy.demands.entries()) {
      const { demand, replicas } = await readState(
        storageOf(tenant),
        policy,
        demandLabels(policy, spec),
        range,
        STEP_MS,
      );
      const running = new Map(Array.from(replicas.times, (t, i) => [Math.floor(t / STEP_MS), replicas.values[i]!]));
      if (d === 0) {
        for (const [minute, count] of running) {
          const sum = hourOf(hours, minute, policy.demands.length);
          sum.minutes++;
          sum.replicas += count;
        }
      }
      const capacity = perReplica[d] ?? null;
      for (let i = 0; i < demand.times.length && capacity !== null; i++) {
        const minute = Math.floor(demand.times[i]! / STEP_MS);
        const count = running.get(minute);
        if (count !== undefined && demand.values[i]! > count * capacity) {
          hourOf(hours, minute, policy.demands.length).over[d]! += spec.stepMs;
        }
      }
    }
  }

  return {
    async monthOf(tenant, policy, perReplica, now) {
      const key = `${tenant}/${policy.namespace}/${policy.name}`;
      const fingerprint = JSON.stringify(policy.demands.map(({ name, query, stepMs }) => [name, query, stepMs]));
      const { start, end } = monthAround(now);
      const oldest = Math.min(start, now - MEAN_OVER_MS);
      let known = all.get(key);
      if (known === undefined || known.fingerprint !== fingerprint || known.upTo > now) {
        known = { fingerprint, upTo: oldest, hours: new Map() };
        all.set(key, known);
      }
      // Whole minutes that had time to arrive.
      const upTo = Math.floor((now - MINUTE) / STEP_MS) * STEP_MS;
      while (known.upTo < upTo && now - known.upTo >= READ_EVERY_MS) {
        const slice = { start: known.upTo, end: Math.min(upTo, known.upTo + DAY) - 1 };
        await take(known, tenant, policy, perReplica, slice);
        known.upTo = slice.end + 1;
      }
      for (const hour of known.hours.keys()) if ((hour + 1) * HOUR <= oldest) known.hours.delete(hour);
      return monthOf(known.hours, policy, { start, end, now });
    },
  };
}

function monthOf(
  hours: ReadonlyMap<number, HourSum>,
  { demands }: ScalingPolicy,
  { start, end, now }: { readonly start: Millis; readonly end: Millis; readonly now: Millis },
): MonthSoFar {
  const overMs = Object.fromEntries(demands.map(({ name }) => [name, 0]));
  let [minutes, replicaMinutes, lately, latelyMinutes] = [0, 0, 0, 0];
  for (const [hour, sum] of hours) {
    if (hour * HOUR >= now - MEAN_OVER_MS) {
      lately += sum.replicas;
      latelyMinutes += sum.minutes;
    }
    if (hour * HOUR < start) continue;
    minutes += sum.minutes;
    replicaMinutes += sum.replicas;
    for (const [d, { name }] of demands.entries()) overMs[name]! += sum.over[d]!;
  }
  const meanReplicas = latelyMinutes === 0 ? null : lately / latelyMinutes;
  return {
    start,
    end,
    replicaHours: replicaMinutes / 60,
    knownMs: minutes * MINUTE,
    meanReplicas,
    meanMs: latelyMinutes * MINUTE,
    overMs,
  };
}

function hourOf(hours: Map<number, HourSum>, minute: number, demands: number): HourSum {
  const hour = Math.floor(minute / 60);
  let sum = hours.get(hour);
  if (sum === undefined) {
    sum = { minutes: 0, replicas: 0, over: new Array<number>(demands).fill(0) };
    hours.set(hour, sum);
  }
  return sum;
}

/** The calendar month in UTC: bills are made so. */
export function monthAround(now: Millis): { readonly start: Millis; readonly end: Millis } {
  const date = new Date(now);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
  return { start: Date.UTC(year, month, 1), end: Date.UTC(year, month + 1, 1) };
}
