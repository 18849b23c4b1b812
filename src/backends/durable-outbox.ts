import { parseTenant, type TenantId } from '../model/tenant.ts';
import { type Millis, SECOND } from '../model/time.ts';
import { StorageFullError } from '../storage/errors.ts';
import { type KeyValue, keysUnder } from '../storage/key-value.ts';
import { decodeLetter, encodeLetter, itemsOf, type Letter } from './letter.ts';

/**
 * What was accepted from others, on its way to an engine. It is kept in the small state, and synced there, before `put`
 * resolves, and goes only once the engine has taken it: neither a crash of this process nor an engine that is down loses
 * any of it. A crash between the two sends a letter twice, which engines take for one.
 */
export interface DurableOutbox {
  /** @throws {StorageFullError} Beyond the bound, or where the disk takes nothing: nothing of it is kept. */
  put(tenant: TenantId, letter: Letter): Promise<void>;
  /**
   * Sends what waits, for some seconds: each tenant's in order, tenants at once. Rejects with the first error; what waits
   * goes on waiting. Once the signal is aborted nothing begins any more, behind a `put` neither, until the next pass.
   */
  pass(signal?: AbortSignal): Promise<void>;
  waiting(): { readonly items: number; readonly bytes: number };
}

export interface DurableOutboxOptions {
  readonly keyValue: KeyValue;
  readonly now: () => Millis;
  /** Of all letters together. */
  readonly mostBytes: number;
  /** Rejects with the code `engine_refused` where the engine will never take it, otherwise to have it sent again. */
  readonly send: (tenant: TenantId, letter: Letter) => Promise<void>;
  /** Each item that is given up. */
  readonly onDropped: (reason: 'engine_refused' | 'outbox_unreadable', items: number, error: unknown) => void;
}

const FIRST_PAUSE_MS = SECOND;
const LONGEST_PAUSE_MS = 30 * SECOND;
/** Whoever looks on hears how much waits also while as much comes as goes. */
const PASS_MS = 5 * SECOND;
const PREFIX = 'outbox/';

interface Waiting {
  readonly key: string;
  readonly items: number;
  readonly bytes: number;
}

interface Lane {
  readonly tenant: TenantId;
  readonly letters: Waiting[];
  failures: number;
  notBefore: Millis;
  /** Undefined: nothing is under way. */
  draining: Promise<void> | undefined;
}

/** Finds what waited when the process ended, and puts what comes behind it. */
export async function openDurableOutbox(options: DurableOutboxOptions): Promise<DurableOutbox> {
  const { keyValue, now, mostBytes, send, onDropped } = options;
  const lanes = new Map<TenantId, Lane>();
  let items = 0;
  let bytes = 0;
  let last = 0;
  let stop: AbortSignal | undefined;

  function laneOf(tenant: TenantId): Lane {
    const lane = lanes.get(tenant) ?? { tenant, letters: [], failures: 0, notBefore: 0, draining: undefined };
    lanes.set(tenant, lane);
    return lane;
  }

  function enqueue(lane: Lane, letter: Waiting): void {
    lane.letters.push(letter);
    items += letter.items;
  }

  /** Reads one, sends it, and forgets it once it is the engine's. */
  async function deliver({ tenant }: Lane, waiting: Waiting): Promise<void> {
    const value = await keyValue.read(waiting.key);
    let letter: Letter | undefined;
    try {
      letter = decodeLetter(value ?? new Uint8Array());
    } catch (error) {
      onDropped('outbox_unreadable', waiting.items, error);
    }
    try {
      if (letter !== undefined) await send(tenant, letter);
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'engine_refused') throw error;
      onDropped('engine_refused', waiting.items, error);
    }
    await keyValue.write([{ key: waiting.key, value: undefined }]);
  }

  async function drain(lane: Lane): Promise<void> {
    // A clock that was set back makes nothing wait for longer than the longest pause.
    if (now() < lane.notBefore && lane.notBefore - now() <= 2 * LONGEST_PAUSE_MS) return;
    const began = now();
    while (lane.letters.length > 0) {
      if (stop?.aborted === true || Math.abs(now() - began) >= PASS_MS) return;
      const [first] = lane.letters as [Waiting];
      try {
        await deliver(lane, first);
      } catch (error) {
        const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** lane.failures++);
        lane.notBefore = now() + Math.max(pauseMs, (error as { retryAfterMs?: number }).retryAfterMs ?? 0);
        throw error;
      }
      lane.failures = 0;
      lane.letters.shift();
      items -= first.items;
      bytes -= first.bytes;
    }
    lanes.delete(lane.tenant);
  }

  /** One at a time: whoever comes meanwhile waits for that one. */
  function drainOnce(lane: Lane): Promise<void> {
    lane.draining ??= drain(lane).finally(() => {
      lane.draining = undefined;
    });
    return lane.draining;
  }

  for await (const [key, { length }] of keyValue.list(keysUnder(PREFIX))) {
    const [, number, count, tenant] = key.split('/') as [string, string, string, string];
    last = Number(number);
    bytes += length;
    enqueue(laneOf(parseTenant(tenant)), { key, items: Number(count), bytes: length });
  }

  return {
    async put(tenant, letter) {
      const value = encodeLetter(letter);
      if (bytes + value.length > mostBytes) {
        throw new StorageFullError(
          `cannot keep more for the engine: ${bytes} bytes wait for it, and storage.queueBytes is ${mostBytes}`,
        );
      }
      bytes += value.length;
      const count = itemsOf(letter);
      const key = `${PREFIX}${String(++last).padStart(16, '0')}/${count}/${tenant}`;
      try {
        await keyValue.write([{ key, value }]);
      } catch (error) {
        bytes -= value.length;
        throw error;
      }
      const lane = laneOf(tenant);
      enqueue(lane, { key, items: count, bytes: value.length });
      // What does not go now, goes at the next pass, which tells why.
      void drainOnce(lane).catch(() => {});
    },
    async pass(signal) {
      stop = signal;
      const results = await Promise.allSettled([...lanes.values()].map(drainOnce));
      const failed = results.find((result) => result.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    },
    waiting: () => ({ items, bytes }),
  };
}
