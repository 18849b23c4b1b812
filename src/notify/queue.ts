import type { Message } from '../alerting/message.ts';
import type { Clock } from '../model/clock.ts';
import { MINUTE, type Millis, SECOND } from '../model/time.ts';
import { openRest } from '../model/wake.ts';
import { decodeJson, encodeJson } from '../storage/json-value.ts';
import { type KeyChange, type KeyValue, keysUnder } from '../storage/key-value.ts';
import type { Outcome } from './outcome.ts';

/** A message for one integration of its receiver. */
export interface QueueItem {
  /** Of this message to this integration: sent again, it has the same. */
  readonly id: string;
  readonly tenant: string;
  readonly receiver: string;
  /** Among those of the receiver: `webhook[0]`. */
  readonly integration: string;
  readonly message: Message;
  readonly queuedAt: Millis;
  /** Somebody asked for it to be sent again: from here, whoever else tells of its tenant. */
  readonly isAskedFor?: boolean;
}

/** One that was given up. */
export interface DeadLetter extends QueueItem {
  readonly reason: string;
  /** For people. Without secrets. */
  readonly error: string;
  readonly attempts: number;
  readonly diedAt: Millis;
}

/** How one lane goes, each integration's own: a receiver that is down keeps no other waiting. */
export interface Lane {
  readonly maxPerMinute: number;
  readonly send: (item: QueueItem, signal: AbortSignal) => Promise<Outcome>;
}

export interface QueueDeps {
  readonly keyValue: KeyValue;
  readonly clock: Clock;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Undefined where the settings have no such integration. */
  readonly laneOf: (item: Pick<QueueItem, 'receiver' | 'integration'>) => Lane | undefined;
  /** Whether the tenant's messages may be sent now. Not given: always. What may not waits. */
  readonly maySend?: (tenant: string) => boolean;
  readonly retryForMs: number;
  /** Items of one tenant that wait in one lane at most. */
  readonly length: number;
  /** Bytes of one tenant's items that wait, in all lanes; and of its dead letters. */
  readonly bytes: number;
  /** Between pieces of work: undefined, or a promise where others are to have the thread. */
  readonly pause: () => Promise<void> | undefined;
  readonly on: {
    readonly sent: (item: QueueItem) => void;
    readonly failed: (item: QueueItem, failure: Extract<Outcome, { kind: 'failed' }>, willRetry: boolean) => void;
    /** After each change: how many wait, and how many were given up. */
    readonly length: (receiver: string, integration: string, waiting: number) => void;
    /** Of all that waits. */
    readonly bytes: (waiting: number) => void;
    readonly dead: (count: number) => void;
    /** Dead letters that are kept no longer, since there are too many of the tenant, or too much. */
    readonly forgotten: (reason: 'count' | 'bytes', letters: number) => void;
    /** The store could not be written: it is tried again. */
    readonly fault: (error: unknown) => void;
  };
}

const QUEUE = 'alert-queue/';
const DEAD = 'alert-dead/';
/** Given-up messages of one tenant that are kept: the oldest go. */
const MOST_DEAD = 1_000;
const BASE_MS = SECOND;
const MOST_DELAY_MS = 5 * MINUTE;
/** Of one tenant in one lane at once, each of another group: those of one are sent in order. */
const AT_ONCE = 4;
/** Of one lane at once. */
const MOST_AT_ONCE = 16;
/** How soon it is seen that what is held back may be sent. */
const HELD_MS = SECOND;
/** While the store takes nothing. */
const STORE_REST_MS = 5 * SECOND;

interface Waiting extends QueueItem {
  readonly key: string;
  /** As it is written. */
  readonly bytes: number;
  attempts: number;
  nextAt: Millis;
  busy: boolean;
}

/** What waits of one tenant in one lane. */
interface TenantLane {
  /** The oldest first. */
  readonly items: Map<string, Waiting>;
  /** By group, the oldest first. */
  readonly groups: Map<string, Waiting[]>;
  busy: number;
}

interface LaneState {
  /** Whose turn it is first: one of which something was sent goes behind the others. */
  readonly tenants: Map<string, TenantLane>;
  waiting: number;
  busy: number;
  tokens: number;
  refilledAt: Millis;
  /** The receiver asked to be left alone until then. */
  pausedUntil: Millis;
}

interface KeptLetter {
  readonly letter: DeadLetter;
  readonly bytes: number;
}

export type NotificationQueue = Awaited<ReturnType<typeof openQueue>>;

/**
 * Sends what was written into the store first, in order within a group, until it is taken or given up. Whenever the
 * process ends, what was written is sent by the next one: what had been taken in between is sent again under its id.
 *
 * Tenants that share a lane take turns in it: a thousand messages of one keep one of another waiting for one of them.
 */
export async function openQueue(deps: QueueDeps) {
  const { keyValue, clock, random, laneOf, retryForMs, pause, on } = deps;
  const lanes = new Map<string, LaneState>();
  /** Of each tenant, in all lanes. */
  const bytesOf = new Map<string, number>();
  let allBytes = 0;
  /** By tenant and key, the oldest first. */
  const dead = new Map<string, Map<string, KeptLetter>>();
  let deadCount = 0;
  const running = new Set<Promise<void>>();
  const rest = openRest(clock);
  let serial = 0;

  for await (const [key, value] of keyValue.list(keysUnder(QUEUE))) {
    serial = Number(key.slice(QUEUE.length));
    place({ ...decodeJson<QueueItem>(value), key, bytes: value.byteLength, attempts: 0, nextAt: 0, busy: false });
  }
  const letters: (readonly [key: string, KeptLetter])[] = [];
  for await (const [key, value] of keyValue.list(keysUnder(DEAD))) {
    letters.push([key, { letter: decodeJson<DeadLetter>(value), bytes: value.byteLength }]);
  }
  letters.sort(([, a], [, b]) => a.letter.diedAt - b.letter.diedAt);
  for (const [key, kept] of letters) keepLetter(key, kept);
  on.dead(deadCount);

  function lettersOf(tenant: string): Map<string, KeptLetter> {
    const those = dead.get(tenant) ?? new Map<string, KeptLetter>();
    dead.set(tenant, those);
    return those;
  }

  function keepLetter(key: string, kept: KeptLetter): void {
    const those = lettersOf(kept.letter.tenant);
    if (!those.delete(key)) deadCount++;
    those.set(key, kept);
  }

  function forgetLetter(tenant: string, key: string): void {
    const those = dead.get(tenant);
    if (those?.delete(key) !== true) return;
    deadCount--;
    if (those.size === 0) dead.delete(tenant);
  }

  function laneState(item: Pick<QueueItem, 'receiver' | 'integration'>): LaneState {
    const name = `${item.receiver}\n${item.integration}`;
    let lane = lanes.get(name);
    if (lane === undefined) {
      const tokens = burstOf(laneOf(item)?.maxPerMinute ?? 1);
      const fresh = { waiting: 0, busy: 0, tokens, refilledAt: clock.now(), pausedUntil: 0 };
      lane = { tenants: new Map(), ...fresh };
      lanes.set(name, lane);
    }
    return lane;
  }

  function place(item: Waiting): void {
    const lane = laneState(item);
    const own = lane.tenants.get(item.tenant) ?? { items: new Map(), groups: new Map(), busy: 0 };
    lane.tenants.set(item.tenant, own);
    own.items.set(item.key, item);
    const those = own.groups.get(item.message.groupKey);
    if (those === undefined) own.groups.set(item.message.groupKey, [item]);
    else those.push(item);
    lane.waiting++;
    on.length(item.receiver, item.integration, lane.waiting);
    weigh(item.tenant, item.bytes);
  }

  function remove(item: Waiting): void {
    const lane = laneState(item);
    const own = lane.tenants.get(item.tenant);
    if (own?.items.delete(item.key) !== true) return;
    const { groupKey } = item.message;
    const those = own.groups.get(groupKey) ?? [];
    those.splice(those.indexOf(item), 1);
    if (those.length === 0) own.groups.delete(groupKey);
    // One that is being sent is counted until that has an end.
    if (own.items.size === 0 && own.busy === 0) lane.tenants.delete(item.tenant);
    lane.waiting--;
    on.length(item.receiver, item.integration, lane.waiting);
    weigh(item.tenant, -item.bytes);
  }

  function weigh(tenant: string, bytes: number): void {
    const sum = (bytesOf.get(tenant) ?? 0) + bytes;
    if (sum === 0) bytesOf.delete(tenant);
    else bytesOf.set(tenant, sum);
    allBytes += bytes;
    on.bytes(allBytes);
  }

  async function rested(): Promise<void> {
    const turn = pause();
    if (turn !== undefined) await turn;
  }

  /** What is to be written for new items, and what to call once that is done. */
  async function prepare(items: readonly QueueItem[]): Promise<{
    readonly changes: readonly KeyChange[];
    readonly added: () => void;
  }> {
    const placed: Waiting[] = [];
    const changes: KeyChange[] = [];
    for (const item of items) {
      const key = `${QUEUE}${String(++serial).padStart(16, '0')}`;
      const value = encodeJson(item);
      changes.push({ key, value });
      placed.push({ ...item, key, bytes: value.byteLength, attempts: 0, nextAt: 0, busy: false });
      await rested();
    }
    return {
      changes,
      added() {
        for (const item of placed) place(item);
        rest.wake();
      },
    };
  }

  /** Those of one tenant that are given up. */
  async function bury(items: readonly Waiting[], reason: string, error: string): Promise<void> {
    const [some] = items;
    if (some === undefined) return;
    const { tenant } = some;
    const diedAt = clock.now();
    const changes = new Map<string, KeyChange>();
    const buried = new Map<string, KeptLetter>();
    for (const { key } of items) changes.set(key, { key, value: undefined });
    const forgotten = { count: 0, bytes: 0 };
    // The newest first: of those behind them that are too many nothing is written.
    let room = { count: MOST_DEAD, bytes: deps.bytes };
    for (const { key: _k, bytes, attempts, nextAt: _n, busy: _b, ...item } of [...items].reverse()) {
      if (room.count === 0 || room.bytes < 0) {
        forgotten[room.count === 0 ? 'count' : 'bytes']++;
        continue;
      }
      const letter = { ...item, reason, error, attempts, diedAt };
      const key = `${DEAD}${tenant}/${item.id}`;
      if (buried.has(key)) continue;
      buried.set(key, { letter, bytes });
      changes.set(key, { key, value: encodeJson(letter) });
      room = { count: room.count - 1, bytes: room.bytes - bytes };
      await rested();
    }
    const over: string[] = [];
    for (const [key, { bytes }] of [...(dead.get(tenant) ?? [])].reverse()) {
      if (buried.has(key)) continue;
      room = { count: room.count - 1, bytes: room.bytes - bytes };
      if (room.count >= 0 && room.bytes >= 0) continue;
      over.push(key);
      changes.set(key, { key, value: undefined });
      forgotten[room.count < 0 ? 'count' : 'bytes']++;
    }
    await keyValue.write([...changes.values()]);
    for (const [key, kept] of [...buried].reverse()) keepLetter(key, kept);
    for (const key of over) forgetLetter(tenant, key);
    for (const why of ['count', 'bytes'] as const) if (forgotten[why] > 0) on.forgotten(why, forgotten[why]);
    on.dead(deadCount);
  }

  async function attempt(item: Waiting, lane: LaneState, signal: AbortSignal): Promise<void> {
    const how = laneOf(item);
    const noReceiver = { kind: 'failed', reason: 'no-receiver', message: 'the settings have it no more', retry: false };
    const outcome = how === undefined ? (noReceiver as Outcome) : await outcomeOf(how, item, signal);
    item.attempts++;
    const now = clock.now();
    if (outcome.kind === 'sent') {
      await written([{ key: item.key, value: undefined }], signal);
      remove(item);
      on.sent(item);
      return;
    }
    const willRetry = outcome.retry && now - item.queuedAt < retryForMs;
    on.failed(item, outcome, willRetry);
    if (!willRetry) {
      await untilWritten(() => bury([item], outcome.reason, outcome.message), signal);
      remove(item);
      return;
    }
    const most = Math.min(MOST_DELAY_MS, BASE_MS * 2 ** Math.min(item.attempts - 1, 20));
    const delay = most / 2 + (random() * most) / 2;
    item.nextAt = now + Math.max(delay, outcome.retryAfterMs ?? 0);
    if (outcome.retryAfterMs !== undefined) lane.pausedUntil = Math.max(lane.pausedUntil, now + outcome.retryAfterMs);
  }

  /** What cannot be made into a message is given up in the end, too: what waits behind it is told. */
  async function outcomeOf({ send }: Lane, item: QueueItem, signal: AbortSignal): Promise<Outcome> {
    try {
      return await send(item, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      on.fault(error);
      return { kind: 'failed', reason: 'unsendable', message: 'it cannot be sent: see the log', retry: true };
    }
  }

  const written = (changes: readonly KeyChange[], signal: AbortSignal) =>
    untilWritten(() => keyValue.write(changes), signal);

  async function untilWritten(write: () => Promise<void>, signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        return await write();
      } catch (error) {
        on.fault(error);
        await clock.sleep(STORE_REST_MS, signal);
      }
    }
  }

  /** Starts what may be sent now. Says when there is something to do next. */
  function pump(signal: AbortSignal): Millis {
    const now = clock.now();
    let next = Number.POSITIVE_INFINITY;
    for (const lane of lanes.values()) {
      if (lane.waiting > 0) next = Math.min(next, pumpLane(lane, now, signal));
    }
    return next;
  }

  function pumpLane(lane: LaneState, now: Millis, signal: AbortSignal): Millis {
    const perMinute = perMinuteOf(lane);
    const elapsed = Math.max(0, now - lane.refilledAt);
    lane.tokens = Math.min(burstOf(perMinute), lane.tokens + (elapsed * perMinute) / MINUTE);
    lane.refilledAt = now;
    let next = Number.POSITIVE_INFINITY;
    function* ready({ groups }: TenantLane): Generator<Waiting> {
      for (const those of groups.values()) {
        const head = those[0]!;
        if (head.busy) continue;
        if (head.isAskedFor !== true && deps.maySend?.(head.tenant) === false) {
          next = Math.min(next, now + HELD_MS);
          continue;
        }
        const at = Math.max(head.nextAt, lane.pausedUntil);
        if (at > now) next = Math.min(next, at);
        else yield head;
      }
    }
    const turns = [...lane.tenants].map(([tenant, own]) => ({ tenant, own, heads: ready(own) }));
    while (turns.length > 0) {
      const turn = turns.shift()!;
      const { tenant, own, heads } = turn;
      if (own.busy >= AT_ONCE) continue;
      if (lane.busy >= MOST_AT_ONCE) break;
      const { value: head } = heads.next();
      if (head === undefined) continue;
      if (lane.tokens < 1) return Math.min(next, now + Math.ceil(((1 - lane.tokens) * MINUTE) / perMinute));
      lane.tokens--;
      lane.tenants.delete(tenant);
      lane.tenants.set(tenant, own);
      begin(head, own, lane, signal);
      turns.push(turn);
    }
    return next;
  }

  function perMinuteOf({ tenants }: LaneState): number {
    for (const { items } of tenants.values()) {
      for (const item of items.values()) return laneOf(item)?.maxPerMinute ?? 60_000;
    }
    return 60_000;
  }

  function begin(item: Waiting, own: TenantLane, lane: LaneState, signal: AbortSignal): void {
    item.busy = true;
    own.busy++;
    lane.busy++;
    const done = attempt(item, lane, signal)
      .catch((error: unknown) => {
        if (signal.aborted) return;
        item.nextAt = clock.now() + MOST_DELAY_MS;
        on.fault(error);
      })
      .finally(() => {
        item.busy = false;
        own.busy--;
        lane.busy--;
        if (own.items.size === 0 && own.busy === 0 && lane.tenants.get(item.tenant) === own) {
          lane.tenants.delete(item.tenant);
        }
        running.delete(done);
        rest.wake();
      });
    running.add(done);
  }

  /** The oldest of what is too much go to the dead letters, all at once: nobody waits while thousands go. */
  async function bound(): Promise<void> {
    for (const lane of lanes.values()) {
      for (const { items } of lane.tenants.values()) {
        const over = items.size - deps.length;
        if (over <= 0) continue;
        const oldest: Waiting[] = [];
        for (const item of items.values()) {
          if (oldest.length === over) break;
          if (!item.busy) oldest.push(item);
        }
        await overflow(oldest, 'overflow', `more than ${deps.length} messages of the tenant waited for it`);
      }
    }
    for (const [tenant, bytes] of bytesOf) {
      if (bytes <= deps.bytes) continue;
      const idle = [...lanes.values()].flatMap(({ tenants }) => {
        return [...(tenants.get(tenant)?.items.values() ?? [])].filter(({ busy }) => !busy);
      });
      idle.sort((a, b) => (a.key < b.key ? -1 : 1));
      let over = bytes - deps.bytes;
      const oldest = idle.filter((item) => {
        if (over <= 0) return false;
        over -= item.bytes;
        return true;
      });
      await overflow(oldest, 'overflow-bytes', `more than ${deps.bytes} bytes of messages of the tenant waited`);
    }
  }

  async function overflow(items: readonly Waiting[], reason: 'overflow' | 'overflow-bytes', message: string) {
    await bury(items, reason, message);
    for (const item of items) {
      on.failed(item, { kind: 'failed', reason, message, retry: false }, false);
      remove(item);
    }
  }

  return {
    prepare,
    /** Groups of the tenant of which something waits, by their keys. */
    waitingOf(tenant: string): ReadonlySet<string> {
      return new Set([...lanes.values()].flatMap(({ tenants }) => [...(tenants.get(tenant)?.groups.keys() ?? [])]));
    },
    /** Forgets what waits of a tenant: another replica has taken it over, and tells it under the same keys. */
    async forsake(tenant: string): Promise<void> {
      const those = [...lanes.values()]
        .flatMap(({ tenants }) => [...(tenants.get(tenant)?.items.values() ?? [])])
        .filter(({ busy, isAskedFor }) => !busy && isAskedFor !== true);
      if (those.length === 0) return;
      await keyValue.write(those.map(({ key }) => ({ key, value: undefined })));
      for (const item of those) remove(item);
    },
    /** Newest first. */
    deadLetters: (tenant: string): readonly DeadLetter[] =>
      [...(dead.get(tenant)?.values() ?? [])].map(({ letter }) => letter).sort((a, b) => b.diedAt - a.diedAt),
    /** Puts one back, or all of the tenant. Says how many. */
    async retry(tenant: string, id?: string): Promise<number> {
      const those = [...(dead.get(tenant) ?? [])].filter(([, { letter }]) => id === undefined || letter.id === id);
      const items = those.map(([, { letter }]): QueueItem => {
        const { reason: _r, error: _e, attempts: _a, diedAt: _d, ...item } = letter;
        return { ...item, queuedAt: clock.now(), isAskedFor: true };
      });
      const { changes, added } = await prepare(items);
      await keyValue.write([...changes, ...those.map(([key]) => ({ key, value: undefined }))]);
      for (const [key] of those) forgetLetter(tenant, key);
      on.dead(deadCount);
      added();
      return those.length;
    },
    /** Forgets one, or all of the tenant. Says how many. */
    async drop(tenant: string, id?: string): Promise<number> {
      const those = [...(dead.get(tenant) ?? [])].filter(([, { letter }]) => id === undefined || letter.id === id);
      await keyValue.write(those.map(([key]) => ({ key, value: undefined })));
      for (const [key] of those) forgetLetter(tenant, key);
      on.dead(deadCount);
      return those.length;
    },
    /** Sends until aborted. Attempts that go on then are ended: they are made again. */
    async run(signal: AbortSignal): Promise<void> {
      while (!signal.aborted) {
        let next: Millis;
        try {
          await bound();
          next = pump(signal);
        } catch (error) {
          on.fault(error);
          next = clock.now() + STORE_REST_MS;
        }
        try {
          await rest.rest(Math.min(MINUTE, Math.max(0, next - clock.now())), signal);
        } catch (error) {
          if (!signal.aborted) throw error;
        }
      }
      await Promise.allSettled(running);
    },
  };
}

/** A sixth of a minute's at once: the rest is spread out. */
function burstOf(perMinute: number): number {
  return Math.max(1, Math.ceil(perMinute / 6));
}
