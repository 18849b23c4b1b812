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
  /** Items that wait in one lane at most. */
  readonly length: number;
  readonly on: {
    readonly sent: (item: QueueItem) => void;
    readonly failed: (item: QueueItem, failure: Extract<Outcome, { kind: 'failed' }>, willRetry: boolean) => void;
    /** After each change: how many wait, and how many were given up. */
    readonly length: (receiver: string, integration: string, waiting: number) => void;
    readonly dead: (count: number) => void;
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
/** Of one lane at once, each of another group: those of one are sent in order. */
const AT_ONCE = 4;
/** How soon it is seen that what is held back may be sent. */
const HELD_MS = SECOND;
/** While the store takes nothing. */
const STORE_REST_MS = 5 * SECOND;

interface Waiting extends QueueItem {
  readonly key: string;
  attempts: number;
  nextAt: Millis;
  busy: boolean;
}

interface LaneState {
  /** By tenant and group, the oldest first. */
  readonly groups: Map<string, Waiting[]>;
  waiting: number;
  busy: number;
  tokens: number;
  refilledAt: Millis;
  /** The receiver asked to be left alone until then. */
  pausedUntil: Millis;
}

export type NotificationQueue = Awaited<ReturnType<typeof openQueue>>;

/**
 * Sends what was written into the store first, in order within a group, until it is taken or given up. Whenever the
 * process ends, what was written is sent by the next one: what had been taken in between is sent again under its id.
 */
export async function openQueue(deps: QueueDeps) {
  const { keyValue, clock, random, laneOf, retryForMs, on } = deps;
  const lanes = new Map<string, LaneState>();
  const dead = new Map<string, DeadLetter>();
  const running = new Set<Promise<void>>();
  const rest = openRest(clock);
  let serial = 0;

  for await (const [key, value] of keyValue.list(keysUnder(QUEUE))) {
    serial = Number(key.slice(QUEUE.length));
    place({ ...decodeJson<QueueItem>(value), key, attempts: 0, nextAt: 0, busy: false });
  }
  for await (const [key, value] of keyValue.list(keysUnder(DEAD))) dead.set(key, decodeJson<DeadLetter>(value));
  on.dead(dead.size);

  function laneState(item: Pick<QueueItem, 'receiver' | 'integration'>): LaneState {
    const name = `${item.receiver}\n${item.integration}`;
    let lane = lanes.get(name);
    if (lane === undefined) {
      const tokens = burstOf(laneOf(item)?.maxPerMinute ?? 1);
      const fresh = { waiting: 0, busy: 0, tokens, refilledAt: clock.now(), pausedUntil: 0 };
      lane = { groups: new Map(), ...fresh };
      lanes.set(name, lane);
    }
    return lane;
  }

  function place(item: Waiting): void {
    const lane = laneState(item);
    const group = groupOf(item);
    const those = lane.groups.get(group);
    if (those === undefined) lane.groups.set(group, [item]);
    else those.push(item);
    lane.waiting++;
    on.length(item.receiver, item.integration, lane.waiting);
  }

  function remove(item: Waiting): void {
    const lane = laneState(item);
    const those = lane.groups.get(groupOf(item)) ?? [];
    const at = those.indexOf(item);
    if (at === -1) return;
    those.splice(at, 1);
    if (those.length === 0) lane.groups.delete(groupOf(item));
    lane.waiting--;
    on.length(item.receiver, item.integration, lane.waiting);
  }

  /** What is to be written for new items, and what to call once that is done. */
  function prepare(items: readonly QueueItem[]): {
    readonly changes: readonly KeyChange[];
    readonly added: () => void;
  } {
    const placed = items.map((item): Waiting => {
      const key = `${QUEUE}${String(++serial).padStart(16, '0')}`;
      return { ...item, key, attempts: 0, nextAt: 0, busy: false };
    });
    return {
      changes: placed.map(({ key, attempts: _a, nextAt: _n, busy: _b, ...item }) => ({ key, value: encodeJson(item) })),
      added() {
        for (const item of placed) place(item);
        rest.wake();
      },
    };
  }

  async function bury(items: readonly Waiting[], reason: string, error: string): Promise<void> {
    const diedAt = clock.now();
    const letters = new Map<string, DeadLetter>();
    const changes = new Map<string, KeyChange>();
    for (const { key, attempts, nextAt: _n, busy: _b, ...item } of items) {
      const deadKey = `${DEAD}${item.tenant}/${item.id}`;
      changes.set(key, { key, value: undefined });
      letters.set(deadKey, { ...item, reason, error, attempts, diedAt });
    }
    const over: string[] = [];
    for (const tenant of new Set(items.map((item) => item.tenant))) {
      const all = [...dead, ...letters].filter(([, letter]) => letter.tenant === tenant);
      const keys = new Set(all.sort(([, a], [, b]) => a.diedAt - b.diedAt).map(([key]) => key));
      over.push(...[...keys].slice(0, Math.max(0, keys.size - MOST_DEAD)));
    }
    for (const [key, letter] of letters) changes.set(key, { key, value: encodeJson(letter) });
    for (const key of over) changes.set(key, { key, value: undefined });
    await keyValue.write([...changes.values()]);
    for (const [key, letter] of letters) dead.set(key, letter);
    for (const key of over) dead.delete(key);
    on.dead(dead.size);
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
      const [some] = lane.groups.values();
      if (some === undefined) continue;
      const perMinute = laneOf(some[0]!)?.maxPerMinute ?? 60_000;
      const elapsed = Math.max(0, now - lane.refilledAt);
      lane.tokens = Math.min(burstOf(perMinute), lane.tokens + (elapsed * perMinute) / MINUTE);
      lane.refilledAt = now;
      for (const those of lane.groups.values()) {
        const head = those[0]!;
        if (head.busy) continue;
        if (head.isAskedFor !== true && deps.maySend?.(head.tenant) === false) {
          next = Math.min(next, now + HELD_MS);
          continue;
        }
        const at = Math.max(head.nextAt, lane.pausedUntil);
        if (at > now) {
          next = Math.min(next, at);
          continue;
        }
        if (lane.busy >= AT_ONCE) break;
        if (lane.tokens < 1) {
          next = Math.min(next, now + Math.ceil(((1 - lane.tokens) * MINUTE) / perMinute));
          break;
        }
        lane.tokens--;
        begin(head, lane, signal);
      }
    }
    return next;
  }

  function begin(item: Waiting, lane: LaneState, signal: AbortSignal): void {
    item.busy = true;
    lane.busy++;
    const done = attempt(item, lane, signal)
      .catch((error: unknown) => {
        if (signal.aborted) return;
        item.nextAt = clock.now() + MOST_DELAY_MS;
        on.fault(error);
      })
      .finally(() => {
        item.busy = false;
        lane.busy--;
        running.delete(done);
        rest.wake();
      });
    running.add(done);
  }

  /** The oldest of lanes that are too long go to the dead letters, all at once: nobody waits while thousands go. */
  async function bound(): Promise<void> {
    for (const lane of lanes.values()) {
      const over = lane.waiting - deps.length;
      if (over <= 0) continue;
      const idle = [...lane.groups.values()].flat().filter(({ busy }) => !busy);
      const oldest = idle.sort((x, y) => (x.key < y.key ? -1 : 1)).slice(0, over);
      const message = `more than ${deps.length} messages waited`;
      await bury(oldest, 'overflow', message);
      for (const item of oldest) {
        on.failed(item, { kind: 'failed', reason: 'overflow', message, retry: false }, false);
        remove(item);
      }
    }
  }

  const lettersOf = (tenant: string) => [...dead].filter(([, letter]) => letter.tenant === tenant);

  return {
    prepare,
    /** Groups of the tenant of which something waits, by their keys. */
    waitingOf(tenant: string): ReadonlySet<string> {
      const found = new Set<string>();
      for (const { groups } of lanes.values()) {
        for (const [head] of groups.values()) if (head?.tenant === tenant) found.add(head.message.groupKey);
      }
      return found;
    },
    /** Forgets what waits of a tenant: another replica has taken it over, and tells it under the same keys. */
    async forsake(tenant: string): Promise<void> {
      const those = [...lanes.values()].flatMap(({ groups }) =>
        [...groups.values()].flat().filter((item) => item.tenant === tenant && !item.busy && item.isAskedFor !== true),
      );
      if (those.length === 0) return;
      await keyValue.write(those.map(({ key }) => ({ key, value: undefined })));
      for (const item of those) remove(item);
    },
    /** Newest first. */
    deadLetters: (tenant: string): readonly DeadLetter[] =>
      lettersOf(tenant)
        .map(([, letter]) => letter)
        .sort((a, b) => b.diedAt - a.diedAt),
    /** Puts one back, or all of the tenant. Says how many. */
    async retry(tenant: string, id?: string): Promise<number> {
      const those = lettersOf(tenant).filter(([, letter]) => id === undefined || letter.id === id);
      const items = those.map(([, { reason: _r, error: _e, attempts: _a, diedAt: _d, ...item }]) => ({
        ...item,
        queuedAt: clock.now(),
        isAskedFor: true,
      }));
      const { changes, added } = prepare(items);
      await keyValue.write([...changes, ...those.map(([key]) => ({ key, value: undefined }))]);
      for (const [key] of those) dead.delete(key);
      on.dead(dead.size);
      added();
      return those.length;
    },
    /** Forgets one, or all of the tenant. Says how many. */
    async drop(tenant: string, id?: string): Promise<number> {
      const those = lettersOf(tenant).filter(([, letter]) => id === undefined || letter.id === id);
      await keyValue.write(those.map(([key]) => ({ key, value: undefined })));
      for (const [key] of those) dead.delete(key);
      on.dead(dead.size);
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

function groupOf({ tenant, message }: Pick<QueueItem, 'tenant' | 'message'>): string {
  return `${tenant}\n${message.groupKey}`;
}

/** A sixth of a minute's at once: the rest is spread out. */
function burstOf(perMinute: number): number {
  return Math.max(1, Math.ceil(perMinute / 6));
}
