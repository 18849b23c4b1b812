import type { SimulatedDay } from '../cost/savings.ts';
import { demandLabels, readRecorded } from '../loops/demand-series.ts';
import type { TenantId } from '../model/tenant.ts';
import { DAY, HOUR, type Millis, type TimeRange } from '../model/time.ts';
import { readWorld } from '../observe/advice.ts';
import type { NotPlayed, PlayedDay } from '../scaling/played-day.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import { encodeJson, readJson } from '../storage/json-value.ts';
import { type KeyChange, keysUnder } from '../storage/key-value.ts';
import type { Parts } from './parts.ts';

/** What is known of a policy's finished days in a range. */
export interface DaysPlayed {
  readonly days: readonly SimulatedDay[];
  /** Days that are still to be played. */
  readonly pending: number;
}

export interface SavingsDays {
  /** What is known now; the other days are played in the background, the newest first. */
  daysOf(tenant: TenantId, policy: ScalingPolicy, range: TimeRange): Promise<DaysPlayed>;
  /** Resolves when nothing of the tenant is left to be played, or the signal is aborted. */
  settled(tenant: TenantId, signal: AbortSignal): Promise<void>;
  /** Plays days until aborted, one at a time, of each tenant in turn. */
  run(signal: AbortSignal): Promise<void>;
}

interface Task {
  readonly key: string;
  readonly tenant: TenantId;
  readonly policy: ScalingPolicy;
  readonly day: Millis;
}

interface Kept {
  /** Of the policy that was played. */
  readonly policy: string;
  readonly day: PlayedDay;
}

/** A day that could not be played is tried again after so long: a capacity may be learned, a demand imported. */
const TRIED_AGAIN_MS = HOUR;
/** As long as demand is kept. */
const KEPT_MS = 400 * DAY;
/** A day's last samples had time to arrive. */
const SETTLED_MS = 10 * 60_000;

/** Plays finished days of policies again, each once, and keeps what came of them. */
export function openSavingsDays(parts: Parts): SavingsDays {
  const { keyValue, clock, telemetry } = parts;
  const queues = new Map<TenantId, Task[]>();
  const queued = new Set<string>();
  const failed = new Map<string, { readonly day: NotPlayed; readonly policy: string; readonly at: Millis }>();
  let wake = () => {};
  let waiters: { readonly tenant: TenantId; readonly done: () => void }[] = [];

  function enqueue(task: Task): void {
    if (queued.has(task.key)) return;
    queued.add(task.key);
    const queue = queues.get(task.tenant);
    if (queue === undefined) queues.set(task.tenant, [task]);
    else queue.push(task);
    wake();
  }

  /** The first task of the tenant that waited longest for its turn. */
  function nextTask(): Task | undefined {
    const first = queues.entries().next().value;
    if (first === undefined) return undefined;
    const [tenant, queue] = first;
    const task = queue.shift();
    queues.delete(tenant);
    if (queue.length > 0) queues.set(tenant, queue);
    return task;
  }

  async function play({ key, tenant, policy, day }: Task, signal: AbortSignal): Promise<void> {
    const now = clock.now();
    const fingerprint = fingerprintOf(policy);
    const give = (why: string) => {
      failed.set(key, { day: { kind: 'not-played', day, why }, policy: fingerprint, at: now });
    };
    try {
      const { target, leadTimes, capacities, storage } = parts;
      const world = await readWorld(
        policy,
        now,
        {
          readTarget: target.cluster.read,
          readAutoscaler: target.readAutoscaler,
          leadTimeOf: (...of) => leadTimes.leadTimeOf(tenant, ...of),
          capacityOf: (...of) => capacities.capacityOf(tenant, ...of),
        },
        signal,
      );
      const spec = policy.demands[0]!;
      const start = Math.floor((day - spec.historyMs) / spec.stepMs) * spec.stepMs;
      const range = { start, end: day + DAY };
      const recorded = await readRecorded(storage.tenant(tenant), demandLabels(policy, spec), range, spec.stepMs);
      const known = [...recorded.values.keys()].filter((i) => Number.isFinite(recorded.values[i]!));
      const rows = {
        times: Float64Array.from(known, (i) => recorded.start + i * recorded.stepMs),
        values: Float64Array.from(known, (i) => recorded.values[i]!),
      };
      const calendar = await parts.calendarOf(policy, range);
      const job = { kind: 'savings', input: { ...world, rows, day }, calendar } as const;
      const result = await parts.jobs.run(job, { signal, own: parts.networks.ownOf(tenant) });
      if (result.kind === 'not-played') give(result.why);
      else {
        await keyValue.write([
          { key, value: encodeJson({ policy: fingerprint, day: result } satisfies Kept) },
          ...(await tooOld(key, now)),
        ]);
        failed.delete(key);
      }
    } catch (error) {
      if (signal.aborted) throw error;
      telemetry.count('loopFailures', { loop: 'savings', reason: 'error' });
      telemetry.log.warn(
        { err: error, tenant, policy: `${policy.namespace}/${policy.name}` },
        'cannot play a day again',
      );
      give((error as Error).message);
    } finally {
      queued.delete(key);
    }
  }

  /** What was kept of the same policy longer ago than demand is. */
  async function tooOld(key: string, now: Millis): Promise<readonly KeyChange[]> {
    const prefix = key.slice(0, key.lastIndexOf('/') + 1);
    const changes: KeyChange[] = [];
    for await (const [old] of keyValue.list({ ...keysUnder(prefix), lt: `${prefix}${dayText(now - KEPT_MS)}` })) {
      changes.push({ key: old, value: undefined });
    }
    return changes;
  }

  function tellWaiters(): void {
    const isIdle = (tenant: TenantId) => ![...queued].some((key) => key.startsWith(`${PREFIX}${tenant}/`));
    const done = waiters.filter(({ tenant }) => isIdle(tenant));
    waiters = waiters.filter((waiter) => !done.includes(waiter));
    for (const waiter of done) waiter.done();
  }

  return {
    async daysOf(tenant, policy, { start, end }) {
      const now = clock.now();
      const fingerprint = fingerprintOf(policy);
      const days: SimulatedDay[] = [];
      const missing: Task[] = [];
      for (let day = Math.ceil(start / DAY) * DAY; day + DAY <= Math.min(end, now - SETTLED_MS); day += DAY) {
        const key = `${PREFIX}${tenant}/${policy.namespace}/${policy.name}/${dayText(day)}`;
        const kept = await readJson<Kept>(keyValue, key);
        const given = failed.get(key);
        if (kept?.policy === fingerprint) days.push(kept.day);
        else if (given?.policy === fingerprint && now - given.at < TRIED_AGAIN_MS) days.push(given.day);
        else missing.push({ key, tenant, policy, day });
      }
      for (const task of missing.reverse()) enqueue(task);
      return { days, pending: missing.length };
    },
    async settled(tenant, signal) {
      if (signal.aborted) return;
      await new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => resolve(), { once: true });
        waiters.push({ tenant, done: resolve });
        tellWaiters();
      });
    },
    async run(signal) {
      signal.addEventListener('abort', () => wake(), { once: true });
      while (!signal.aborted) {
        const task = nextTask();
        if (task === undefined) {
          tellWaiters();
          await new Promise<void>((resolve) => {
            wake = resolve;
            if (signal.aborted || queues.size > 0) resolve();
          });
          continue;
        }
        try {
          await play(task, signal);
        } catch (error) {
          if (!signal.aborted) throw error;
        }
        tellWaiters();
      }
      for (const { done } of waiters.splice(0)) done();
    },
  };
}

const PREFIX = 'cost-savings/';

/** A policy that was changed is played anew. */
function fingerprintOf(policy: ScalingPolicy): string {
  // FNV-1a over the policy as it is parsed: enough to tell its few versions apart.
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(JSON.stringify(policy))) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}

function dayText(day: Millis): string {
  return new Date(day).toISOString().slice(0, 10);
}
