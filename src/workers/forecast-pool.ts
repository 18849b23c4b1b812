import type { FitRequest, RestoreRequest } from '../forecast/desk.ts';
import type { Clock } from '../model/clock.ts';
import type { TenantId } from '../model/tenant.ts';
import { DAY, HOUR, type Millis } from '../model/time.ts';
import { type Job, type Lane, type LaneAnswer, openLane } from './forecast-lane.ts';
import type { EndReason, NetworkChange, OpenSeat, ThreadNote } from './forecast-seat.ts';

export type PoolAnswer = LaneAnswer;

export interface ForecastPoolOptions {
  /** One for each thread. */
  readonly seats: readonly OpenSeat[];
  /** Where no thread can be started. */
  readonly fallback: OpenSeat;
  readonly clock: Clock;
  /** A thread ended unasked while at `key`'s request, if at any. It is started again. */
  readonly onEnd: (end: ThreadEnd) => void;
  /** A series has ended a thread twice: it is not forecast until then. */
  readonly onSetAside: (key: string, until: Millis) => void;
  /** No thread can be started: the main thread forecasts. */
  readonly onFallback: () => void;
  /** What a thread has to say when it starts. */
  readonly onNote?: (note: ThreadNote) => void;
  /** A thread begins work; what it returns is called at its end. */
  readonly onBusy?: () => () => void;
}

export interface ThreadEnd {
  readonly reason: EndReason;
  readonly key?: string;
  readonly error?: Error;
}

/**
 * Forecasters in threads, each series in that of its key. Nothing here fits or predicts in the calling thread.
 *
 * Predictions go before fits, and fits take turns between tenants. A thread that ends is started again, without the
 * forecasters that it had: their requests are answered `unknown`.
 */
export interface ForecastPool extends AsyncDisposable {
  /** Fits or restores what `load` gives when the tenant's turn comes. Rejects with what `load` rejects with. */
  learn(tenant: TenantId, key: string, load: () => Promise<FitRequest | RestoreRequest>): Promise<PoolAnswer>;
  refit(tenant: TenantId, key: string): Promise<PoolAnswer>;
  /** Takes the values of the next steps in (NaN: a gap), and forecasts. */
  advance(key: string, values: Float64Array): Promise<PoolAnswer>;
  save(key: string): Promise<Uint8Array | undefined>;
  /** Forgets the forecaster, and what the key is blamed for. */
  drop(key: string): void;
  /** Starts the threads. Without it the first request does. */
  warm(): void;
  /** What learns from now on learns with this network; forecasters that are there keep theirs. */
  takeUp(change: NetworkChange): void;
  waiting(): { readonly soon: number; readonly learning: number };
}

/** Threads that a series ends before it is set aside. */
const FATAL = 2;
const SET_ASIDE_MS = HOUR;
/** A thread that ended longer ago is not held against a series. */
const BLAMED_MS = DAY;

interface Blame {
  ends: number;
  at: Millis;
}

export function openForecastPool(options: ForecastPoolOptions): ForecastPool {
  const { clock } = options;
  const blames = new Map<string, Blame>();
  const lanes: readonly Lane[] = options.seats.map((openSeat) =>
    openLane({
      ...{ openSeat, clock, fallback: options.fallback, onFallback: options.onFallback },
      onNote: (note) => options.onNote?.(note),
      onBusy: options.onBusy,
      onEnd(reason, key, error) {
        options.onEnd({ reason, ...(key !== undefined && { key }), ...(error !== undefined && { error }) });
        if (key !== undefined) blame(key);
      },
    }),
  );

  function blame(key: string): void {
    const at = clock.now();
    const before = blames.get(key);
    const ends = before === undefined || at - before.at > BLAMED_MS ? 1 : before.ends + 1;
    blames.set(key, { ends, at });
    if (ends >= FATAL) options.onSetAside(key, at + SET_ASIDE_MS);
  }

  async function submit(job: Job): Promise<PoolAnswer> {
    const blamed = blames.get(job.key);
    if (blamed !== undefined && blamed.ends >= FATAL && Math.abs(clock.now() - blamed.at) < SET_ASIDE_MS) {
      return { kind: 'lost', reason: 'set-aside' };
    }
    return await laneOf(job.key).submit(job);
  }

  function laneOf(key: string): Lane {
    return lanes[hashOf(key) % lanes.length]!;
  }

  return {
    learn: (tenant, key, load) => submit({ tenant, key, load }),
    refit: (tenant, key) => submit({ tenant, key, load: async () => ({ kind: 'refit', key }) }),
    advance: (key, values) => submit({ key, request: { kind: 'advance', key, values } }),
    async save(key) {
      const answer = await submit({ key, request: { kind: 'save', key } });
      return answer.kind === 'saved' ? answer.state : undefined;
    },
    drop(key) {
      blames.delete(key);
      void laneOf(key).submit({ key, request: { kind: 'drop', key } });
    },
    warm() {
      for (const lane of lanes) lane.warm();
    },
    takeUp(change) {
      for (const lane of lanes) lane.takeUp(change);
    },
    waiting() {
      const all = lanes.map((lane) => lane.waiting());
      return {
        soon: all.reduce((sum, { soon }) => sum + soon, 0),
        learning: all.reduce((sum, { learning }) => sum + learning, 0),
      };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(lanes.map((lane) => lane[Symbol.asyncDispose]()));
    },
  };
}

/** Threads for so many cores: the main thread has one. */
export function threadsFor(cores: number): number {
  return Math.min(8, Math.max(1, Math.floor(cores) - 1));
}

/** FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
