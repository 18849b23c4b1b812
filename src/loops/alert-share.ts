import { digestOf, fingerprintOf } from '../alerting/fingerprint.ts';
import { type HeldAlert, isSameKept } from '../alerting/held.ts';
import { SILENCE_KEPT_MS, type Silence } from '../alerting/silence.ts';
import type { Group } from '../alerting/step.ts';
import { type Alert, TOLD_FOR_MS } from '../model/alert.ts';
import type { Clock } from '../model/clock.ts';
import {
  recordsOf,
  type SharedChange,
  type SharedRecords,
  SharedRecordsError,
  tenantsOf,
} from '../model/shared-records.ts';
import type { TenantId } from '../model/tenant.ts';
import { HOUR, MINUTE, type Millis, SECOND } from '../model/time.ts';
import { openRest } from '../model/wake.ts';
import type { AlertDesk, LeftAlerts, TakeOver } from './alert-desk.ts';

export interface AlertShareDeps {
  readonly records: SharedRecords;
  readonly clock: Clock;
  /** Of this process and its data folder, over restarts. */
  readonly replica: string;
  /** Another one whenever another replica may have told in between. Undefined: this one does not tell of the tenant. */
  readonly tenureOf: (tenant: string) => string | undefined;
  /** For how long this one may still write for the tenant, ms. */
  readonly msLeft: (tenant: string) => number;
  readonly queue: {
    /** Groups of the tenant of which a message waits. */
    readonly waitingOf: (tenant: string) => ReadonlySet<string>;
    readonly forsake: (tenant: string) => Promise<void>;
  };
  readonly on: {
    /** Something could not be shared. It is tried again, but for what there is no room for. */
    readonly fault: (error: unknown) => void;
    readonly full: (count: number) => void;
  };
}

type Desk = Pick<AlertDesk, 'tell' | 'kept' | 'follow' | 'followSilences' | 'silences' | 'look' | 'tenants'>;

/** An alert that was posted to a replica that does not tell. */
interface Posted {
  readonly alert: Alert;
  /** By the clock of the replica that took it. */
  readonly at: Millis;
}

const LEAST_MS = SECOND / 2;
const MOST_MS = SECOND;
/** What is shown here of what another one tells is believed for some minutes. */
const FOLLOWED_EVERY_MS = MINUTE;
/** So long is it tried to read what another one left before this one goes on with what it has. */
const PATIENCE_MS = MINUTE;
/** Characters of a second that are written at most, on average: every replica is sent what changes. */
const PACE = 200_000;
/** As if so many had been written: it is tried again after some seconds. */
const AFTER_FAULT = 5 * PACE;
/** What was posted is of no use so long after its end. */
const POSTED_KEPT_MS = 2 * MINUTE;
/** One that ends later has long been taken in. */
const POSTED_MOST_MS = 24 * HOUR;
/** Bytes of what was posted for one tenant: half of the room. */
const POSTED_BYTES = 3_200_000;

/**
 * Lets replicas go on from each other: one of them tells of a tenant's alerts, and writes what it holds and of what it
 * has told to records that all of them read. A group is written as told once its message was taken or given up: what
 * the one that tells leaves unsent is made again by the next one, with the same key.
 */
export function openAlertShare(deps: AlertShareDeps) {
  const { records, clock, replica, tenureOf, msLeft, queue, on } = deps;
  const rest = openRest(clock);
  /** The tenure in which this one goes on from what was there. */
  const taken = new Map<string, string>();
  const failing = new Map<string, Millis>();
  /** What was taken in of what was posted, by tenant. */
  const seen = new Map<string, ReadonlyMap<string, string>>();
  /** The record that is the same as what is held. */
  const written = new WeakMap<HeldAlert, string>();
  /** Records of a tenant for which there was no room lately. */
  const saidFull = new Map<string, number>();
  let followedAt = Number.NEGATIVE_INFINITY;
  let isOther = true;
  let desk: Desk | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  records.onChange(() => {
    isOther = true;
    rest.wake();
  });

  function inTurn<T>(action: () => Promise<T>): Promise<T> {
    const mine = turn.then(action);
    turn = mine.catch(() => {});
    return mine;
  }

  const tellsNow = (tenant: string) => {
    const tenure = tenureOf(tenant);
    return tenure !== undefined && taken.get(tenant) === tenure;
  };

  /** Who told last of the tenant's alerts. */
  function tellerOf(tenant: string): string | undefined {
    return records.list('tellers').get(`${tenant}/teller`);
  }

  function leftOf(tenant: string): LeftAlerts {
    return {
      alerts: parsed<HeldAlert>(recordsOf(records, 'alerts', tenant)),
      groups: parsed<Group>(recordsOf(records, 'groups', tenant)),
    };
  }

  async function takeOver(tenant: TenantId): Promise<TakeOver | undefined> {
    const tenure = tenureOf(tenant);
    if (tenure === undefined || taken.get(tenant) === tenure) return undefined;
    const now = clock.now();
    try {
      await records.refresh();
      failing.delete(tenant);
    } catch (error) {
      const since = failing.get(tenant) ?? now;
      failing.set(tenant, since);
      if (now - since < PATIENCE_MS) throw error;
      // Rather twice than never.
      on.fault(error);
      failing.delete(tenant);
      return { left: undefined, done: async () => void taken.set(tenant, tenure) };
    }
    const teller = tellerOf(tenant);
    const isMine = teller === undefined || teller === replica;
    const left = isMine ? undefined : leftOf(tenant);
    return {
      left,
      async done() {
        if (left !== undefined) await queue.forsake(tenant);
        await sayTeller(tenant);
        taken.set(tenant, tenure);
        seen.delete(tenant);
        rest.wake();
      },
    };
  }

  /** Says that this one tells, once all replicas have the silences of a time when nothing was shared. */
  async function sayTeller(tenant: TenantId): Promise<void> {
    const teller = tellerOf(tenant);
    if (teller === replica) return;
    try {
      if (teller === undefined) {
        const known = recordsOf(records, 'silences', tenant);
        const unknown = (desk?.silences(tenant) ?? []).filter(({ id }) => !known.has(id));
        const changes = unknown.map((each) => silenceRecord(tenant, each));
        const full = await records.write(changes, () => msLeft(tenant));
        if (full.length > 0) throw noRoom('silences');
      }
      await records.write([{ topic: 'tellers', key: `${tenant}/teller`, text: replica }], () => msLeft(tenant));
    } catch (error) {
      on.fault(error);
    }
  }

  function silencesOf(tenant: TenantId): readonly Silence[] {
    const shared = parsed<Silence>(recordsOf(records, 'silences', tenant));
    if (tellerOf(tenant) !== undefined) return shared;
    // Nobody has shared those yet that are known here alone.
    const ids = new Set(shared.map(({ id }) => id));
    return [...shared, ...desk!.silences(tenant).filter(({ id }) => !ids.has(id))];
  }

  /** What is to be written so that another one can go on from here. */
  function changesOf(tenant: string, { alerts, groups }: LeftAlerts): readonly SharedChange[] {
    const changes: SharedChange[] = [];
    const now = clock.now();
    const known = recordsOf(records, 'alerts', tenant);
    for (const alert of alerts) {
      const before = known.get(alert.fingerprint);
      if (before !== undefined && written.get(alert) === before) continue;
      if (before !== undefined && isSameKept(JSON.parse(before) as HeldAlert, alert)) {
        written.set(alert, before);
        continue;
      }
      changes.push({ topic: 'alerts', key: `${tenant}/${alert.fingerprint}`, text: JSON.stringify(alert) });
    }
    const fingerprints = new Set(alerts.map(({ fingerprint }) => fingerprint));
    for (const id of known.keys()) {
      if (!fingerprints.has(id)) changes.push({ topic: 'alerts', key: `${tenant}/${id}`, text: undefined });
    }
    const waiting = queue.waitingOf(tenant);
    const knownGroups = recordsOf(records, 'groups', tenant);
    const ids = new Set<string>();
    for (const group of groups) {
      const id = digestOf(group.key);
      ids.add(id);
      const before = knownGroups.get(id);
      const unsent = waiting.has(group.key);
      if (unsent && before !== undefined) continue;
      // Its life has begun, so that whoever tells of it first does so under the same key.
      const told = unsent ? { ...group, sentAt: undefined, count: 0, told: {} } : group;
      if (before !== undefined && isSameTold(JSON.parse(before) as Group, told)) continue;
      changes.push({ topic: 'groups', key: `${tenant}/${id}`, text: JSON.stringify(told) });
    }
    for (const [id, text] of knownGroups) {
      if (ids.has(id) || waiting.has((JSON.parse(text) as Group).key)) continue;
      changes.push({ topic: 'groups', key: `${tenant}/${id}`, text: undefined });
    }
    for (const [id, { alert, at }] of postedOf(tenant)) {
      if (isOver(alert, at, now)) changes.push({ topic: 'posted', key: `${tenant}/${id}`, text: undefined });
    }
    for (const [id, text] of recordsOf(records, 'silences', tenant)) {
      const { endsAt } = JSON.parse(text) as Silence;
      if (now - endsAt > SILENCE_KEPT_MS) changes.push({ topic: 'silences', key: `${tenant}/${id}`, text: undefined });
    }
    return changes;
  }

  function postedOf(tenant: string): ReadonlyMap<string, Posted> {
    const all = recordsOf(records, 'posted', tenant);
    return new Map([...all].map(([id, text]) => [id, JSON.parse(text) as Posted] as const));
  }

  /** @returns Characters that were written. */
  async function mirror(tenant: TenantId): Promise<number> {
    if (!tellsNow(tenant)) return 0;
    await sayTeller(tenant);
    const changes = changesOf(tenant, desk!.kept(tenant));
    if (changes.length === 0) return 0;
    const full = await records.write(changes, () => msLeft(tenant));
    if (full.length > (saidFull.get(tenant) ?? 0)) on.full(full.length);
    saidFull.set(tenant, full.length);
    return changes.reduce((sum, { text }) => sum + (text?.length ?? 0), 0);
  }

  /** Takes in what was posted to replicas that do not tell. */
  async function takePosted(tenant: TenantId): Promise<void> {
    const now = clock.now();
    const fresh: Alert[] = [];
    const known = new Map(desk!.kept(tenant).alerts.map((alert) => [alert.fingerprint, alert.updatedAt]));
    const posted = recordsOf(records, 'posted', tenant);
    const before = seen.get(tenant);
    for (const [id, text] of posted) {
      if (before?.get(id) === text) continue;
      const { alert, at } = JSON.parse(text) as Posted;
      const endsAt = alert.endsAt ?? at + TOLD_FOR_MS;
      // It was told otherwise since.
      if (isOver(alert, at, now) || (known.get(id) ?? 0) >= at) continue;
      fresh.push({ ...alert, endsAt });
    }
    if (fresh.length > 0) await desk!.tell(tenant, fresh);
    if (posted.size > 0) seen.set(tenant, posted);
    else seen.delete(tenant);
  }

  async function pass(): Promise<number> {
    if (!records.isKnown() || desk === undefined) return 0;
    const now = clock.now();
    const others = isOther || now - followedAt >= FOLLOWED_EVERY_MS || followedAt > now;
    if (others) followedAt = now;
    isOther = false;
    const tenants = new Set<string>(desk.tenants());
    for (const topic of ['silences', 'groups', 'alerts', 'posted'] as const) {
      for (const tenant of tenantsOf(records, topic)) tenants.add(tenant);
    }
    let written = 0;
    for (const each of tenants) {
      try {
        written += await passOf(each as TenantId, others);
      } catch (error) {
        // It keeps no other tenant waiting.
        isOther = true;
        on.fault(error);
        written = Math.max(written, AFTER_FAULT);
      }
    }
    return written;
  }

  /** @returns Characters that were written. */
  async function passOf(tenant: TenantId, others: boolean): Promise<number> {
    if (others) await desk!.followSilences(tenant, () => silencesOf(tenant));
    const tenure = tenureOf(tenant);
    if (tenure === undefined) {
      // What this one knows is newer than what it wrote, until another one has told.
      const teller = tellerOf(tenant);
      if (others && teller !== undefined && teller !== replica) await desk!.follow(tenant, leftOf(tenant));
    } else if (taken.get(tenant) !== tenure) desk!.look(tenant);
    else {
      await takePosted(tenant);
      return await mirror(tenant);
    }
    return 0;
  }

  return {
    takeOver,
    /** Whether this process may send the tenant's messages: it has gone on from what was there. */
    tellsNow,
    async putSilences(tenant: TenantId, silences: readonly Silence[]): Promise<void> {
      const full = await records.write(silences.map((silence) => silenceRecord(tenant, silence)));
      if (full.length > 0) throw noRoom('silences');
    },
    /** Takes alerts that somebody posted, once. Resolves when they outlive this process. */
    async post(tenant: TenantId, alerts: readonly Alert[]): Promise<void> {
      if (alerts.length === 0) return;
      const now = clock.now();
      if (tellsNow(tenant)) {
        await desk!.tell(tenant, alerts);
        // What was sent before to another one is no more so.
        const known = recordsOf(records, 'posted', tenant);
        const old = alerts.map(({ labels }) => fingerprintOf(labels)).filter((id) => known.has(id));
        const gone = old.map((id): SharedChange => ({ topic: 'posted', key: `${tenant}/${id}`, text: undefined }));
        try {
          await inTurn(async () => {
            if (gone.length > 0) await records.write(gone);
            await mirror(tenant);
          });
        } catch (error) {
          // It is kept here, and told.
          on.fault(error);
        }
        return;
      }
      const changes = alerts.flatMap((alert): SharedChange[] => {
        const key = `${tenant}/${fingerprintOf(alert.labels)}`;
        const text = JSON.stringify({ alert, at: now } satisfies Posted);
        return isFresh(key, alert, now) ? [] : [{ topic: 'posted', key, text }];
      });
      if (changes.length === 0) return;
      const known = new Map(recordsOf(records, 'posted', tenant));
      for (const { key, text } of changes) known.set(key.slice(tenant.length + 1), text!);
      let bytes = 0;
      for (const text of known.values()) bytes += Buffer.byteLength(text);
      if (bytes > POSTED_BYTES) throw noRoom('alerts');
      const full = await records.write(changes);
      if (full.length > 0) throw noRoom('alerts');
    },
    /** Follows, and lets others follow, until aborted. */
    async run(ofWhat: Desk, signal: AbortSignal): Promise<void> {
      desk = ofWhat;
      while (!signal.aborted) {
        let written = 0;
        try {
          written = await inTurn(pass);
        } catch (error) {
          isOther = true;
          on.fault(error);
          written = AFTER_FAULT;
        }
        try {
          const least = Math.max(LEAST_MS, (written / PACE) * SECOND);
          await clock.sleep(least, signal);
          await rest.rest(Math.max(1, MOST_MS - LEAST_MS), signal);
        } catch (error) {
          if (!signal.aborted) throw error;
        }
      }
    },
  };

  /** Whether the same was posted lately, with an end that is far enough. */
  function isFresh(key: string, alert: Alert, now: Millis): boolean {
    const text = records.list('posted').get(key);
    if (text === undefined) return false;
    const { alert: before, at } = JSON.parse(text) as Posted;
    const { endsAt: end, startsAt: start, ...same } = alert;
    const { endsAt: endBefore, startsAt: startBefore, ...sameBefore } = before;
    if (JSON.stringify(same) !== JSON.stringify(sameBefore) || startBefore > start) return false;
    const lasts = (until: Millis | undefined, from: Millis) => (until ?? from + TOLD_FOR_MS) - now;
    const left = lasts(endBefore, at);
    return lasts(end, now) > 0 && left > 0 && left > lasts(end, now) / 2;
  }
}

export type AlertShare = ReturnType<typeof openAlertShare>;

function silenceRecord(tenant: string, silence: Silence): SharedChange {
  return { topic: 'silences', key: `${tenant}/${silence.id}`, text: JSON.stringify(silence) };
}

function isOver({ endsAt }: Alert, at: Millis, now: Millis): boolean {
  const end = Math.min(endsAt ?? at + TOLD_FOR_MS, at + POSTED_MOST_MS);
  return now - Math.max(at, end) > POSTED_KEPT_MS;
}

/** Whether another one that goes on would do the same: when it looks next does not matter. */
function isSameTold(a: Group, b: Group): boolean {
  return a.since === b.since && a.count === b.count && JSON.stringify(a.told) === JSON.stringify(b.told);
}

function parsed<T>(records: ReadonlyMap<string, string>): readonly T[] {
  return [...records.values()].map((text) => JSON.parse(text) as T);
}

function noRoom(what: string): SharedRecordsError {
  return new SharedRecordsError(`cannot keep the ${what}: there is no room for more of them that all replicas know`);
}
