import type { ForecastAnswer, ForecastRequest } from '../forecast/desk.ts';
import type { Clock } from '../model/clock.ts';
import type { TenantId } from '../model/tenant.ts';
import { MINUTE, SECOND } from '../model/time.ts';
import type { EndReason, NetworkChange, OpenSeat, Seat, ThreadNote } from './forecast-seat.ts';
import { createTenantTurns } from './tenant-turns.ts';

/** The thread ended before it answered, or it will not be asked. */
export interface Lost {
  readonly kind: 'lost';
  readonly reason: EndReason | 'set-aside' | 'closed';
}

export type LaneAnswer = ForecastAnswer | Lost;

/** A request whose turn comes soon, or, where it has to be loaded first, in its tenant's turn. */
export type Job =
  | { readonly key: string; readonly request: ForecastRequest }
  | { readonly key: string; readonly tenant: TenantId; readonly load: () => Promise<ForecastRequest> };

export interface LaneDeps {
  readonly openSeat: OpenSeat;
  /** Where no seat can be opened. */
  readonly fallback: OpenSeat;
  readonly clock: Clock;
  /** The seat ended unasked; `key`: whose request it was at. It is opened again. */
  readonly onEnd: (reason: EndReason, key: string | undefined, error: Error | undefined) => void;
  readonly onFallback: () => void;
  readonly onNote?: (note: ThreadNote) => void;
  /** A batch begins; what it returns is called at its end. */
  readonly onBusy?: (() => () => void) | undefined;
}

/** The work of one seat: what waits for it, and what it is at. */
export interface Lane extends AsyncDisposable {
  /** Rejects only with what `load` rejects with. Requests of one key are answered in the order in which they began. */
  submit(job: Job): Promise<LaneAnswer>;
  /** Opens the seat before there is work for it. */
  warm(): void;
  /** A seat that is opened later knows of it by itself. */
  takeUp(change: NetworkChange): void;
  waiting(): { readonly soon: number; readonly learning: number };
}

interface Waiting {
  readonly job: Job;
  request: ForecastRequest | undefined;
  readonly resolve: (answer: LaneAnswer) => void;
  readonly reject: (error: unknown) => void;
}

/** Requests of one message: a message costs the same for one as for many, and a fit waits for no more than this. */
const BATCH = 64;
const SETTLED_AT_ONCE = 8;
const PREPARED_AHEAD = 4;
/** Batches after which a fit gets its turn though predictions wait. */
const BATCHES_IN_A_ROW = 32;
/** Starts that fail one after another before the fallback takes over. */
const FAILED_STARTS = 3;
const FIRST_REST_MS = SECOND / 4;
const LONGEST_REST_MS = MINUTE;

export function openLane(deps: LaneDeps): Lane {
  const soon: Waiting[] = [];
  const learning = createTenantTurns<Waiting>();
  /** Begun and not answered, by key, in order: only the first of a key is worked on. */
  const begun = new Map<string, Waiting[]>();
  let openSeat = deps.openSeat;
  let seat: Seat | undefined;
  let ready = false;
  let resting = false;
  let failures = 0;
  /** Fits whose turn it is: some are loaded while one is worked on, so that one slow load holds nobody up. */
  const preparing: Waiting[] = [];
  let working: readonly Waiting[] = [];
  let rested: (() => void) | undefined;
  let batchesInARow = 0;
  let scheduled = false;
  let closed = false;

  function begin(waiting: Waiting): void {
    const { key } = waiting.job;
    const others = begun.get(key);
    if (others !== undefined) {
      others.push(waiting);
      return;
    }
    begun.set(key, [waiting]);
    prepare(waiting);
  }

  function prepare(waiting: Waiting): void {
    const { job } = waiting;
    if ('request' in job) {
      waiting.request = job.request;
      soon.push(waiting);
      schedule();
      return;
    }
    job.load().then(
      (request) => {
        waiting.request = request;
        schedule();
      },
      (error: unknown) => {
        preparing.splice(preparing.indexOf(waiting), 1);
        waiting.reject(error);
        pass(waiting);
      },
    );
  }

  function settle(waiting: Waiting, answer: LaneAnswer): void {
    waiting.resolve(answer);
    pass(waiting);
  }

  /** A few in a turn of the event loop: whoever waits for an answer has things to do with it. */
  function settleFrom(answered: readonly Waiting[], answers: readonly ForecastAnswer[], from: number): void {
    const to = Math.min(answered.length, from + SETTLED_AT_ONCE);
    for (let i = from; i < to; i++) settle(answered[i]!, answers[i]!);
    if (to < answered.length) setImmediate(settleFrom, answered, answers, to);
  }

  /** The next of the same key begins. */
  function pass({ job: { key } }: Waiting): void {
    const others = begun.get(key);
    others?.shift();
    if (others === undefined || others.length === 0) begun.delete(key);
    else prepare(others[0]!);
    schedule();
  }

  /** What is submitted in one turn goes in one batch. */
  function schedule(): void {
    if (scheduled || closed) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      if (!closed) work();
    });
  }

  function work(): void {
    prepareAhead();
    if (soon.length === 0 && preparing.length === 0) return;
    if (seat === undefined && !resting) open();
    if (!ready || working.length > 0) return;
    const loaded = preparing.findIndex(({ request }) => request !== undefined);
    if (loaded !== -1 && (soon.length === 0 || batchesInARow >= BATCHES_IN_A_ROW)) {
      working = preparing.splice(loaded, 1);
      batchesInARow = 0;
      prepareAhead();
    } else {
      working = soon.splice(0, BATCH);
      batchesInARow++;
    }
    if (working.length === 0) return;
    rested = deps.onBusy?.();
    seat!.post(working.map(({ request }) => request!));
  }

  function endBatch(): void {
    working = [];
    rested?.();
    rested = undefined;
  }

  function prepareAhead(): void {
    while (preparing.length < PREPARED_AHEAD) {
      const waiting = learning.take();
      if (waiting === undefined) return;
      preparing.push(waiting);
      begin(waiting);
    }
  }

  function open(): void {
    seat = openSeat({
      onReady() {
        ready = true;
        schedule();
      },
      onAnswers(answers) {
        const answered = working;
        endBatch();
        failures = 0;
        schedule();
        settleFrom(answered, answers, 0);
      },
      onNote: (note) => deps.onNote?.(note),
      onEnd({ reason, error, index }) {
        const unanswered = working;
        endBatch();
        seat = undefined;
        if (!ready && failures + 1 >= FAILED_STARTS) {
          openSeat = deps.fallback;
          deps.onFallback();
        }
        ready = false;
        rest();
        deps.onEnd(reason, index === undefined ? undefined : unanswered[index]?.job.key, error);
        for (const waiting of unanswered) settle(waiting, { kind: 'lost', reason });
      },
    });
  }

  function rest(): void {
    resting = true;
    const restMs = Math.min(LONGEST_REST_MS, FIRST_REST_MS * 2 ** failures++);
    deps.clock.sleep(restMs, stop.signal).then(
      () => {
        resting = false;
        schedule();
      },
      () => {},
    );
  }

  const stop = new AbortController();
  return {
    submit: (job) =>
      new Promise((resolve, reject) => {
        if (closed) return resolve({ kind: 'lost', reason: 'closed' });
        const waiting: Waiting = { job, request: undefined, resolve, reject };
        if ('request' in job) begin(waiting);
        else {
          learning.append(job.tenant, waiting);
          schedule();
        }
      }),
    warm() {
      if (seat === undefined && !resting && !closed) open();
    },
    takeUp: (change) => seat?.takeUp?.(change),
    waiting: () => ({ soon: soon.length, learning: learning.size + preparing.length }),
    async [Symbol.asyncDispose]() {
      closed = true;
      stop.abort();
      const lost = { kind: 'lost', reason: 'closed' } as const;
      for (const line of begun.values()) for (const waiting of line) waiting.resolve(lost);
      for (let item = learning.take(); item !== undefined; item = learning.take()) item.resolve(lost);
      await seat?.close();
    },
  };
}
